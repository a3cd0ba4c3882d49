"""A server behind TLS is trusted by its certificate, and its answers no more than any other's.

The certificates are test data that never expires: an authority, a server's for localhost that it signed, and another
authority. The keys of both authorities were thrown away.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanprofiles.backends import BackendSettings
from spanprofiles.clients import ClientError, TempoClient
from spanprofiles.model import Credentials
from tests.unit.conftest import Answer, Serve

_CERTIFICATES = Path(__file__).parent / "certificates"
_AUTHORITY, _ANOTHER = str(_CERTIFICATES / "authority.pem"), str(_CERTIFICATES / "another.pem")
_TAGS = b'HTTP/1.1 200 OK\r\nContent-Length: 32\r\nConnection: close\r\n\r\n{"tagValues": [{"value": "a"}]}  '
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PATIENCE_S = 20.0
Talk = Callable[[socket.socket], None]


def _drip(connection: socket.socket, drop: bytes) -> None:
    while True:
        time.sleep(0.01)
        connection.sendall(drop)


@contextmanager
def _server(talk: Talk, *, with_tls: bool = True) -> Iterator[str]:
    """A server that talks to one client, over TLS or in its place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATES / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):  # whoever is refused or given up hangs up
                connection, _ = listener.accept()
                connection.settimeout(_PATIENCE_S)
                with connection if not with_tls else context.wrap_socket(connection, server_side=True) as spoken:
                    spoken.recv(65_536)
                    talk(spoken)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), "the client still listens"


def _trusting(ca_file: str) -> Credentials:
    return Credentials(bearer_token="a token of somebody", verify_tls=ca_file)  # nobody's


def test_a_server_whose_certificate_an_authority_signed_that_is_trusted_is_read() -> None:
    with _server(lambda connection: connection.sendall(_TAGS)) as url:
        client = TempoClient(url, _trusting(_AUTHORITY))
        assert client.tag_values("name") == ["a"]
        client.close()


@pytest.mark.parametrize("credentials", [_trusting(_ANOTHER), Credentials()], ids=["another authority", "none named"])
def test_a_server_without_a_trusted_certificate_sees_no_credentials(
    credentials: Credentials,
) -> None:
    seen: list[bytes] = []
    refused = pytest.raises(ClientError, match=r"Tempo does not answer at https://127.*certificate verify failed")
    with _server(lambda connection: seen.append(connection.recv(1))) as url, refused:
        TempoClient(url, credentials).tag_values("name")
    assert not seen


def test_the_authorities_to_trust_are_named_by_the_environment(tmp_path: Path) -> None:
    with _server(lambda connection: connection.sendall(_TAGS)) as url:
        environment = {"SPAN_PROFILES_TEMPO_URL": url, "SPAN_PROFILES_CA_FILE": _AUTHORITY}
        endpoints = BackendSettings.read(environment).endpoints
        client = TempoClient(endpoints.tempo, endpoints.credentials)
        assert client.tag_values("name") == ["a"]
        client.close()

    no_certificate = tmp_path / "notes.txt"
    no_certificate.write_text("no certificate")
    with pytest.raises(ClientError, match="Tempo does not answer"):
        TempoClient("https://127.0.0.1:9", _trusting(str(no_certificate))).tag_values("name")


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"H"),
        (_JSON + b"Content-Length: 100000\r\n\r\n", b" "),
        (_JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["status", "length", "chunks"],
)
def test_a_server_that_drips_behind_tls_is_given_up_when_its_whole_answer_is_late(first: bytes, drop: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        _drip(connection, drop)

    with _server(talk) as url:
        client = TempoClient(url, _trusting(_AUTHORITY), timeout_s=(0.5, 0.6))
        with pytest.raises(ClientError, match=r"its answer was not complete after 1\.4 s"):
            client.tag_values("name")
        client.close()


def test_a_server_that_drips_in_the_handshake_is_given_up() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03")  # a long hello
        _drip(connection, b"\x00")

    with _server(talk, with_tls=False) as url, pytest.raises(ClientError, match="Tempo does not answer"):
        TempoClient(url, _trusting(_AUTHORITY), timeout_s=(0.1, 0.2)).tag_values("name")


def test_credentials_do_not_follow_a_redirect_out_of_tls(serve: Serve) -> None:
    plain = serve(lambda _: Answer.of({"tagValues": []}))
    moved = f"HTTP/1.1 307 Moved\r\nLocation: {plain.url}/api\r\nContent-Length: 0\r\n\r\n".encode()
    with _server(lambda connection: connection.sendall(moved)) as url:
        client = TempoClient(url, _trusting(_AUTHORITY))
        with pytest.raises(ClientError, match=f"redirects to another server, {plain.url}/api"):
            client.tag_values("name")
        client.close()
    assert not plain.seen
