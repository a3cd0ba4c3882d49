from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
import requests

from spanprofiles.backends import BackendError, EmbeddedBackend, ExternalBackend
from spanprofiles.backends.embedded import EmbeddedPorts
from spanprofiles.model import Credentials, Endpoints
from tests.unit.conftest import Answer, Seen, Serve

pytestmark = pytest.mark.slow

_WORD = "s3cret"


def test_the_external_backend_asks_both_servers_as_grafana_asks_their_health(serve: Serve) -> None:
    tempo, pyroscope = serve(lambda _: Answer("echo")), serve(lambda _: Answer.of({}))
    endpoints = Endpoints(tempo.url, pyroscope.url, credentials=Credentials(bearer_token=_WORD, tenant="team"))
    backend = ExternalBackend(endpoints)
    with backend as found:
        assert found is endpoints
    (echo,), (profile_types,) = tempo.seen, pyroscope.seen
    assert (echo.method, echo.path) == ("GET", "/api/echo")
    assert (profile_types.method, profile_types.path) == ("POST", "/querier.v1.QuerierService/ProfileTypes")
    assert profile_types.json["end"] - profile_types.json["start"] == 60_000
    for seen in (echo, profile_types):
        assert seen.headers["Authorization"] == f"Bearer {_WORD}"
        assert seen.headers["X-Scope-Orgid"] == "team"


@pytest.mark.parametrize(
    ("tempo", "pyroscope", "missing"), [("", "http://p", "TEMPO"), ("http://t", "", "PYROSCOPE"), ("", "", "TEMPO")]
)
def test_an_address_that_is_missing_is_asked_for_by_name(tempo: str, pyroscope: str, missing: str) -> None:
    with pytest.raises(BackendError, match=f"needs an address: set SPAN_PROFILES_{missing}_URL"):
        ExternalBackend(Endpoints(tempo, pyroscope)).start()


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "(look at user name, password, token and tenant)"),
        (403, "(look at user name, password, token and tenant)"),
        (404, "is this its address?"),
    ],
)
def test_a_server_that_refuses_is_named_with_a_hint(serve: Serve, status: int, hint: str) -> None:
    tempo, pyroscope = serve(lambda _: Answer("echo")), serve(lambda _: Answer("no", status))
    with pytest.raises(BackendError) as failed:
        ExternalBackend(Endpoints(tempo.url, pyroscope.url)).start()
    url = f"{pyroscope.url}/querier.v1.QuerierService/ProfileTypes"
    assert str(failed.value).startswith(f"Pyroscope refused {url} with {status}: no")
    assert str(failed.value).endswith(hint)


def test_a_server_that_does_not_answer_is_named_in_one_line_with_the_cause(dead_url: str) -> None:
    with pytest.raises(BackendError) as failed:
        ExternalBackend(Endpoints(dead_url, dead_url)).start()
    assert str(failed.value) == (
        f"Tempo does not answer at {dead_url}/api/echo: Connection refused; start it, or correct its address"
    )


def test_a_page_that_is_not_tempos_is_not_taken_for_it(serve: Serve) -> None:
    page = serve(lambda _: Answer("<html>Welcome</html>"))
    with pytest.raises(BackendError, match=r"the answer of Tempo at .*/api/echo is not what its API says.*address"):
        ExternalBackend(Endpoints(page.url, page.url)).start()


def _healthy(seen: Seen) -> Answer:
    return Answer("echo\n") if seen.path.startswith("/api/echo") else Answer.of({})


def test_a_proxy_of_the_environment_does_not_stand_before_servers_of_this_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, stub = serve(lambda _: Answer("proxy", 502)), serve(_healthy)
    for name, value in {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url, "no_proxy": "", "NO_PROXY": ""}.items():
        monkeypatch.setenv(name, value)
    ExternalBackend(Endpoints(stub.url, stub.url)).start()
    assert proxy.seen == []
    assert len(stub.seen) == 2


def test_the_embedded_pair_starts_answers_stops_and_starts_again() -> None:
    backend = EmbeddedBackend()
    try:
        first = backend.start()
        assert backend.start() == first  # it runs already
        assert requests.get(f"{first.tempo}/api/echo", timeout=5).text.strip() == "echo"
        assert requests.get(f"{first.pyroscope}/ready", timeout=5).text.strip() == "ready"
        assert requests.post(f"{first.otlp_http}/v1/traces", json={"resourceSpans": []}, timeout=5).ok
        backend.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{first.tempo}/api/echo", timeout=5)
        second = backend.start()
        assert requests.get(f"{second.tempo}/api/echo", timeout=5).text.strip() == "echo"
    finally:
        backend.stop()
        backend.stop()


def test_a_port_that_is_taken_is_named_and_nothing_stays_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        backend = EmbeddedBackend(EmbeddedPorts(pyroscope=port))
        with pytest.raises(BackendError) as failed:
            backend.start()
        assert "the embedded pair ended with exit code 2" in str(failed.value)
        assert f"127.0.0.1:{port}" in str(failed.value)
        assert "Traceback" not in str(failed.value)
        assert not backend.process.is_running


def test_a_data_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(BackendError, match="the embedded pair ended with exit code 2") as failed:
        EmbeddedBackend(data_directory=file).start()
    assert str(file) in str(failed.value)


def test_an_embedded_backend_whose_data_is_removed_says_that_it_has_ended_and_why(tmp_path: Path) -> None:
    backend = EmbeddedBackend(data_directory=tmp_path / "data")
    backend.check_running()
    with backend:
        backend.check_running()
        shutil.rmtree(tmp_path / "data")
        assert backend.process.wait(60) == 2
        with pytest.raises(BackendError, match="was removed"):
            backend.check_running()
