"""Locust as a process, against a small server that answers as rideshare does and notes what it was asked."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from loadgen.bad_requests import BAD_REQUESTS
from spanprofiles.backends.ports import free_ports
from spanprofiles.waiting import Waiting
from tests.support.http_server import http_server

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
LOCUST = [sys.executable, "-m", "locust", "-f", "loadgen/locustfile.py"]
RUN_S = 180.0
USERS = 16  # the sum of the weights: one round has every kind of rider
CAR_S = 0.5  # far more than any other answer takes


@dataclass
class Region:
    """What the small server was asked: paths with their query, and the `traceparent` of each."""

    name: str
    refuses: bool = True
    is_there: bool = True
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str, parameters: dict[str, str]) -> tuple[int, dict[str, Any]]:
        for bad in BAD_REQUESTS:
            if (bad.path, bad.parameters) == (path, parameters):
                return (400 if self.refuses else 200), {"error": {"parameter": bad.culprit}}
        if path == "/car":
            Event().wait(CAR_S)  # the slowest of all
        ride_id = path.removeprefix("/receipt/") if path.startswith("/receipt/") else "ride-1"
        return 200, {"ride_id": ride_id, "price": {"amount": 1.0, "currency": "SEK"}, "region": self.name}


@contextmanager
def served(region: Region) -> Iterator[Region]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != "/health":
                region.asked.append((self.path, self.headers.get("traceparent", "")))
            status, answer = region.answer(parts.path, dict(parse_qsl(parts.query)))
            if not region.is_there:
                status, answer = 502, {}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # all riders may come at once

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a rider that was stopped in the middle of a request

    with http_server(Handler, Server) as region.url:
        yield region


def environment(*regions: Region, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LOADGEN_", "LOCUST_"))}
    return {**inherited, "LOADGEN_URLS": ",".join(region.url for region in regions), **variables}


def start(arguments: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LOCUST, *arguments],
        cwd=REPOSITORY,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        output, log = process.communicate(timeout=RUN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, output, log


HEADLESS = ["--headless", "--users", str(USERS), "--spawn-rate", str(USERS), "--only-summary"]


@dataclass(frozen=True)
class Run:
    """What came of one run of Locust."""

    exit_code: int
    output: str
    log: str
    slowest: list[dict[str, Any]]
    asked: list[tuple[str, str]]
    asked_late: list[tuple[str, str]] = field(default_factory=list)


def run_alone(report: Path) -> Run:
    (nobodys,) = free_ports(1)
    with (
        served(Region("eu-north")) as north,
        served(Region("ap-south")) as south,
        served(Region("us-west", is_there=False)) as west,
    ):
        process = start(
            [*HEADLESS, "--run-time", "120s"],
            environment(
                north,
                south,
                LOADGEN_MORE_URLS=f"{west.url},http://127.0.0.1:{nobodys}",
                LOADGEN_REPORT=str(report),
                LOADGEN_SLOWEST="5",
            ),
        )
        try:
            poll(lambda: has_riders_of_every_kind([*north.asked, *south.asked]))
            assert west.asked == []
            west.is_there = True
            poll(lambda: len(west.asked))
        finally:
            process.terminate()
            exit_code, output, log = finish(process)
        reported = json.loads(report.read_text())["slowest"]
        return Run(exit_code, output, log, reported, [*north.asked, *south.asked], west.asked)


def has_riders_of_every_kind(asked: list[tuple[str, str]]) -> bool:
    bad = {bad.path + ("?" + urlencode(bad.parameters) if bad.parameters else "") for bad in BAD_REQUESTS}
    paths = [urlsplit(path).path for path, _ in asked if path not in bad]
    riders_of_cars = 3  # each asks again when the answer is there
    return (
        {"/bike", "/scooter", "/quote"} <= set(paths)
        and paths.count("/car") > riders_of_cars
        and any(path.startswith("/receipt/ride-1") for path in paths)
        and any(dict(parse_qsl(urlsplit(path).query)).get("riders") for path, _ in asked)
    )


def run_with_workers(report: Path) -> Run:
    """Two workers, each of which asks a region of its own."""
    with served(Region("eu-north")) as north, served(Region("us-east")) as east:
        (port,) = free_ports(1)
        workers = [
            start(["--worker", "--master-port", str(port)], environment(region, LOADGEN_SLOWEST="1000"))
            for region in (north, east)
        ]
        master = start(
            [*HEADLESS, "--run-time", "120s", "--master", "--master-bind-port", str(port), "--expect-workers", "2"],
            environment(north, east, LOADGEN_REPORT=str(report), LOADGEN_SLOWEST="1000"),
        )
        try:
            poll(lambda: len(north.asked) > USERS and len(east.asked) > USERS)
            master.terminate()
            exit_code, output, log = finish(master)
            for worker in workers:
                worker_exit_code, worker_output, worker_log = finish(worker)
                assert worker_exit_code == 0, worker_log
                assert "Slowest requests" not in worker_output
        finally:
            for process in (*workers, master):
                process.kill()
        return Run(exit_code, output, log, json.loads(report.read_text())["slowest"], [*north.asked, *east.asked])


@dataclass(frozen=True)
class Page:
    """What Locust's page answered, and whether it did so on another address than 127.0.0.1."""

    status: int
    answers_elsewhere: bool
    run: Run


def run_with_page() -> Page:
    """A run started and stopped on Locust's page, against a region that accepts bad requests."""
    bad_paths = {bad.path + ("?" + urlencode(bad.parameters) if bad.parameters else "") for bad in BAD_REQUESTS}
    with served(Region("eu-north", refuses=False)) as region:
        (port,) = free_ports(1)
        process = start(["--web-port", str(port)], environment(region))
        try:
            page = f"http://127.0.0.1:{port}"
            status = poll(lambda: requests.get(page, timeout=5).status_code)
            elsewhere = connects("127.0.0.2", port)
            users = {"user_count": str(USERS), "spawn_rate": str(USERS)}
            requests.post(f"{page}/swarm", data=users, timeout=5).raise_for_status()
            poll(lambda: len(bad_paths & {path for path, _ in region.asked}))
            requests.post(f"{page}/stop", timeout=5).raise_for_status()
        finally:
            process.terminate()
            exit_code, output, log = finish(process)
        return Page(status, elsewhere, Run(exit_code, output, log, [], region.asked))


def connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def poll(look: Any) -> int:
    for _ in Waiting(RUN_S).attempts():
        with suppress(requests.ConnectionError, requests.Timeout):
            found: int = look()
            if found:
                return found
    raise AssertionError(f"nothing came within {RUN_S:g} s")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("reports")
    with ThreadPoolExecutor(4) as pool:
        running: dict[str, Future[Any]] = {
            "workers": pool.submit(run_with_workers, folder / "workers.json"),
            "alone": pool.submit(run_alone, folder / "alone.json"),
            "page": pool.submit(run_with_page),
        }
        yield {name: future.result() for name, future in running.items()}


def trace_ids(asked: list[tuple[str, str]]) -> list[str]:
    return [parent.split("-")[1] for _, parent in asked]


def test_riders_of_every_kind_ride_and_all_goes_well(runs: dict[str, Any]) -> None:
    run = runs["alone"]
    assert run.exit_code == 0, run.log
    assert has_riders_of_every_kind(run.asked)


def test_a_region_that_comes_later_gets_its_share_of_the_load(runs: dict[str, Any]) -> None:
    run = runs["alone"]
    assert run.asked_late
    assert "gives no region's name" not in run.log
    assert run.exit_code == 0, run.log


def test_every_request_has_a_sampled_trace_of_its_own(runs: dict[str, Any]) -> None:
    run = runs["alone"]
    asked = [*run.asked, *run.asked_late]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", parent) for _, parent in asked)
    assert len(set(trace_ids(asked))) == len(asked) > 0


def test_the_slowest_requests_are_printed_and_written_with_their_trace_ids(runs: dict[str, Any]) -> None:
    run = runs["alone"]
    assert len(run.slowest) == 5
    times = [request["response_ms"] for request in run.slowest]
    assert times == sorted(times, reverse=True)
    assert times[0] >= CAR_S * 1000
    for request in run.slowest:
        assert request["trace_id"] in trace_ids([*run.asked, *run.asked_late])
        assert re.search(rf"{request['response_ms']:.1f} .*{request['trace_id']}", run.output)


def test_a_bad_request_that_is_not_refused_is_a_failure(runs: dict[str, Any]) -> None:
    run = runs["page"].run
    assert run.exit_code == 1
    assert "must get a 400, not 200" in run.output + run.log
    assert "must get a 400" not in runs["alone"].output + runs["alone"].log


def test_the_master_reports_the_slowest_requests_of_all_workers(runs: dict[str, Any]) -> None:
    run = runs["workers"]
    assert run.exit_code == 0, run.log
    assert "Slowest requests" in run.output
    counted_by_locust = re.search(r"Aggregated +([0-9]+)", run.output + run.log)
    reported = {request["trace_id"] for request in run.slowest}
    assert counted_by_locust is not None
    assert len(reported) == len(run.slowest) == int(counted_by_locust[1])
    assert reported <= set(trace_ids(run.asked))
    assert len({urlsplit(request["url"]).port for request in run.slowest}) == 2


def test_the_page_answers_on_loopback_only_and_the_report_comes_at_the_end(runs: dict[str, Any]) -> None:
    page = runs["page"]
    assert page.status == 200
    assert not page.answers_elsewhere
    assert page.run.asked
    assert "Slowest requests" in page.run.output


def test_a_bad_setting_ends_locust_with_one_line() -> None:
    exit_code, _, log = finish(start(["--headless"], environment(LOADGEN_URLS="here")))
    assert exit_code == 1
    assert "loadgen: LOADGEN_URLS has 'here'" in log
    assert "Traceback" not in log
