"""A relay to Pyroscope that adds a learner's credentials, and one that loses what it is sent."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from spanprofiles.model import Credentials, Endpoints
from spanprofiles.workshop import Workbench
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.exercises.e10_your_own.cut_link import cut_link
from spanprofiles.workshop.kept import Kept
from spanprofiles.workshop.pyroscope_relay import LARGEST_BODY_BYTES, relay
from tests.support.http_server import http_server

Seen = list[tuple[str, str, bytes]]


@pytest.fixture
def seen() -> Seen:
    """What the real server was sent: path, tenant, body."""
    return []


@pytest.fixture
def real(seen: Seen) -> Iterator[str]:
    """The address of a server that notes everything."""

    class Real(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers.get("X-Scope-OrgID", ""), body))
            self.send_response(400 if self.path.endswith("/Refused") else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"names":["total"]}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http_server(Real) as address:
        yield address


@pytest.fixture
def losing(real: str) -> Iterator[str]:
    """The address of a server that loses uploads, in front of that one."""
    with cut_link(real) as address:
        yield address


def test_an_answer_comes_in_one_piece(losing: str) -> None:
    host, _, port = losing.removeprefix("http://").partition(":")
    question = (
        f"POST /querier.v1.QuerierService/Series HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(question.encode())

        assert connection.recv(65_536).endswith(b'{"names":["total"]}')


@pytest.mark.parametrize(
    "path", ["/push.v1.PusherService/Push", "/ingest?name=shop", "/pyroscope/ingest", "/v1development/profiles"]
)
def test_uploads_are_taken_and_lost(losing: str, seen: Seen, path: str) -> None:
    answer = requests.post(losing + path, data=gzip.compress(b"profile"), timeout=5)

    assert (answer.status_code, answer.content) == (200, b"")
    assert seen == []


def test_questions_are_passed_on_with_their_headers_and_answered(losing: str, seen: Seen) -> None:
    path = "/querier.v1.QuerierService/SelectMergeSpanProfile"

    answer = requests.post(losing + path, data=b"{}", headers={"X-Scope-OrgID": "team-a"}, timeout=5)

    assert answer.json() == {"names": ["total"]}
    assert seen == [(path, "team-a", b"{}")]


def test_refusals_are_passed_on(losing: str) -> None:
    assert requests.post(f"{losing}/querier.v1.QuerierService/Refused", data=b"{}", timeout=5).status_code == 400


def test_a_body_that_is_too_large_is_refused_unread(losing: str, seen: Seen) -> None:
    headers = {"Content-Length": str(LARGEST_BODY_BYTES + 1)}

    answer = requests.post(f"{losing}/querier.v1.QuerierService/Series", headers=headers, timeout=5)

    assert answer.status_code == 413
    assert seen == []


def test_where_the_real_server_is_gone_questions_fail_with_502() -> None:
    with cut_link("http://127.0.0.1:1") as losing:
        assert requests.post(f"{losing}/querier.v1.QuerierService/Series", data=b"{}", timeout=5).status_code == 502


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.example.org"},
        {"Host": "127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/push.v1.PusherService/Push", "/querier.v1.QuerierService/Series"])
def test_a_website_uses_no_credentials(real: str, seen: Seen, header: dict[str, str], path: str) -> None:
    with relay(real, Credentials(tenant="anna")) as address:
        answer = requests.post(address + path, data=b"{}", headers=header, timeout=5)

    assert answer.status_code == 403
    assert seen == []


@pytest.mark.parametrize("target", ["@example.org/", ".example.org/", "http://example.org/", "0/"])
def test_no_path_leads_to_another_host(real: str, seen: Seen, target: str) -> None:
    with relay(real, Credentials(tenant="anna")) as address:
        connection = HTTPConnection(address.removeprefix("http://"), timeout=5)
        connection.request("POST", target, b"{}")
        status = connection.getresponse().status
        connection.close()

    assert status == 400
    assert seen == []


@pytest.mark.parametrize("length", ["-1", "²", "1e3", "9" * 30, ""])
def test_a_length_that_is_none_is_refused(real: str, seen: Seen, length: str) -> None:
    with relay(real) as address:
        headers = {"Content-Length": length.encode("latin-1")}
        answer = requests.post(f"{address}/ingest", headers=headers, timeout=5)

    assert answer.status_code == 413
    assert seen == []


def upload(address: str) -> int:
    """Upload as an agent does that was told an address and another tenant than its learner's."""
    path = f"{address}/push.v1.PusherService/Push"
    return requests.post(path, data=b"profile", headers={"x-scope-orgid": "anonymous"}, timeout=5).status_code


def bench_of(folder: Path, pyroscope: str, credentials: Credentials, kept: Kept | None = None) -> Workbench:
    servers = Endpoints(tempo="http://127.0.0.1:1", pyroscope=pyroscope, credentials=credentials)
    return Workbench(exercise_of(2), folder, servers, kept=kept)


def test_what_a_learners_agent_sends_arrives_with_the_learners_tenant(real: str, seen: Seen, tmp_path: Path) -> None:
    with bench_of(tmp_path, real, Credentials(tenant="anna")) as bench:
        addresses = {bench.environment(1)["PYROSCOPE_SERVER_ADDRESS"] for _ in range(2)}

        assert [upload(address) for address in addresses] == [200]

    assert seen == [("/push.v1.PusherService/Push", "anna", b"profile")]
    with pytest.raises(requests.ConnectionError):
        upload(addresses.pop())


def test_programs_that_are_kept_keep_their_way_to_the_server(real: str, tmp_path: Path) -> None:
    with Kept() as kept:
        found = []
        for _ in range(2):
            with bench_of(tmp_path, real, Credentials(headers={"X-Class": "a"}), kept) as bench:
                found.append(bench.environment(1)["PYROSCOPE_SERVER_ADDRESS"])
            assert upload(found[-1]) == 200
        kept.close()

        assert found[0] == found[1]
        with pytest.raises(requests.ConnectionError):
            upload(found[0])


def test_without_a_tenant_agents_send_to_the_server_itself(real: str, tmp_path: Path) -> None:
    with bench_of(tmp_path, real, Credentials()) as bench:
        assert bench.environment(1)["PYROSCOPE_SERVER_ADDRESS"] == real
