"""The programs inside docker-compose.yml - health checks and proofs - run against servers that work and that do not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from tests.support.repository import code_of, compose, services
from tests.unit.conftest import Answer, Seen, Serve

REGIONS = ("eu-north", "us-east", "ap-south")


def check_code(service: str) -> str:
    """Give the Python code of a service's health check."""
    return code_of(services(compose())[service]["healthcheck"]["test"])


def run(code: str, **replaced: str) -> subprocess.CompletedProcess[str]:
    """Run the code with addresses replaced: the keys are names of `PLACES`."""
    for place, value in replaced.items():
        assert PLACES[place] in code
        code = code.replace(PLACES[place], value)
    return subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, timeout=30, check=False)


PLACES = {
    "region": '("127.0.0.1", 5000)',
    "master": '("127.0.0.1", 8089,',
    "master_from_worker": '("loadgen", 8089,',
    "tempo": '"tempo"',
    "otlp_port": "4318",
    "query_port": "3200",
    "note": "/tmp/pushed",  # noqa: S108  # in the container, where it is a tmpfs
}


def port_of(url: str) -> str:
    return url.rsplit(":", 1)[1]


@pytest.fixture
def nobody() -> str:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_that_answers_is_healthy(region: str, serve: Serve) -> None:
    server = serve(lambda _: Answer('{"ready": true}'))
    assert run(check_code(region), region=f'("127.0.0.1", {port_of(server.url)})').returncode == 0
    assert server.seen[-1].path == "/health"


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_region_that_answers_with_an_error_is_not(status: int, serve: Serve) -> None:
    server = serve(lambda _: Answer("{}", status))
    assert run(check_code("eu-north"), region=f'("127.0.0.1", {port_of(server.url)})').returncode != 0


def test_a_region_that_does_not_listen_is_not(nobody: str) -> None:
    assert run(check_code("eu-north"), region=f'("127.0.0.1", {nobody})').returncode != 0


@pytest.mark.parametrize(
    ("workers", "healthy"),
    [
        ([{"id": "a_1", "state": "running"}], True),
        ([{"id": "a_1", "state": "missing"}, {"id": "b_1", "state": "ready"}], True),
        ([{"id": "a_1", "state": "missing"}], False),
        ([], False),
    ],
)
def test_the_master_is_healthy_with_a_worker_that_reports(
    workers: list[dict[str, str]], healthy: bool, serve: Serve
) -> None:
    server = serve(lambda _: Answer.of({"state": "running", "workers": workers}))
    done = run(check_code("loadgen"), master=f'("127.0.0.1", {port_of(server.url)},')
    assert (done.returncode == 0) is healthy
    assert server.seen[-1].path == "/stats/requests"


@pytest.mark.parametrize(
    ("host", "state", "healthy"), [("own", "running", True), ("own", "missing", False), ("other", "running", False)]
)
def test_a_worker_is_healthy_when_the_master_knows_this_very_worker(
    host: str, state: str, healthy: bool, serve: Serve
) -> None:
    host_name = socket.gethostname() if host == "own" else "another-machine"
    server = serve(lambda _: Answer.of({"workers": [{"id": f"{host_name}_0123", "state": state}]}))
    done = run(check_code("loadgen-worker"), master_from_worker=f'("127.0.0.1", {port_of(server.url)},')
    assert (done.returncode == 0) is healthy


@pytest.fixture
def check_of_tempo(tmp_path: Path) -> Callable[[str, str], subprocess.CompletedProcess[str]]:
    """Runs what proves Tempo's function; what it notes from one run to the next is the test's own."""

    def check(otlp_url: str, query_url: str) -> subprocess.CompletedProcess[str]:
        return run(
            check_code("tempo-gives-back"),
            tempo='"127.0.0.1"',
            otlp_port=port_of(otlp_url),
            query_port=port_of(query_url),
            note=str(tmp_path / "pushed"),
        )

    return check


CheckOfTempo = Callable[[str, str], "subprocess.CompletedProcess[str]"]


def test_a_tempo_that_gives_back_what_it_took_is_healthy(
    embedded_pair: Endpoints, check_of_tempo: CheckOfTempo
) -> None:
    for _ in range(2):
        done = check_of_tempo(embedded_pair.otlp_http, embedded_pair.tempo)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_tempo_that_takes_spans_and_drops_them_is_not(serve: Serve, check_of_tempo: CheckOfTempo) -> None:
    def drop(seen: Seen) -> Answer:
        return Answer("{}" if seen.method == "POST" else '{"trace":{},"metrics":{}}')

    server = serve(drop)
    done = check_of_tempo(server.url, server.url)
    assert done.returncode == 1
    assert done.stderr.startswith('Tempo took a span and does not give it back: 200 {"trace":{}')


def test_a_tempo_that_forgets_what_it_had_is_not(serve: Serve, check_of_tempo: CheckOfTempo) -> None:
    """With a full disk it has a span in memory, and no longer when the next check asks."""
    pushed: list[str] = []

    def forget(seen: Seen) -> Answer:
        if seen.method == "POST":
            pushed.append(seen.json["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"])
            return Answer("{}")
        in_memory = seen.path.endswith(pushed[-1])
        return Answer('{"trace":{"name":"push and read back"}}' if in_memory else '{"trace":{},"metrics":{}}')

    server = serve(forget)
    codes = [check_of_tempo(server.url, server.url).returncode for _ in range(3)]
    assert codes == [0, 1, 1]
    assert len(set(pushed)) == 3


def test_a_tempo_that_works_again_is_healthy_again(
    serve: Serve, embedded_pair: Endpoints, check_of_tempo: CheckOfTempo
) -> None:
    server = serve(lambda seen: Answer("{}" if seen.method == "POST" else '{"trace":{},"metrics":{}}'))
    assert check_of_tempo(server.url, server.url).returncode == 1

    codes = [check_of_tempo(embedded_pair.otlp_http, embedded_pair.tempo).returncode for _ in range(2)]
    assert codes == [1, 0], "the span of the first was pushed to the one that drops them"


def test_a_tempo_that_refuses_spans_is_not(serve: Serve, check_of_tempo: CheckOfTempo) -> None:
    server = serve(lambda _: Answer("full", 503))
    done = check_of_tempo(server.url, server.url)
    assert (done.returncode, done.stderr) == (1, "Tempo refuses a span: 503 full\n")
