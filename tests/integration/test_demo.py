"""``spanprofiles demo`` as a newcomer runs it: its own backend, its own regions, its own load."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest

from spanprofiles.backends import ManagedProcess
from spanprofiles.demo.start_lock import one_at_a_time
from spanprofiles.linking import Waiting
from spanprofiles.model import parse_span_id, parse_trace_id

DEMO = [sys.executable, "-m", "spanprofiles", "demo"]
AS_A_BACKGROUND_JOB = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as a script's `&` does
START_S = 180  # demos start one at a time, and other tests have theirs

Printed = subprocess.CompletedProcess[str]


def run_once(*options: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    everything = {**os.environ, **(environment or {})}
    return subprocess.run(
        [*DEMO, "--once", *options], env=everything, capture_output=True, text=True, timeout=START_S, check=False
    )


@contextmanager
def listening_on(*ports: int) -> Iterator[None]:
    """Take the ports. Where somebody else goes on listening there, that is as good."""
    with ExitStack() as stack:
        for port in ports:
            for _ in Waiting(START_S).attempts():
                with one_at_a_time():  # no demo has found the port free and not yet taken it
                    other = stack.enter_context(socket.socket())
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    with suppress(OSError):
                        other.bind(("127.0.0.1", port))
                        other.listen()
                        break
        yield


@pytest.fixture(scope="module")
def as_json() -> Printed:
    """What the demo prints for programs, on a machine where two of its ports are taken."""
    with listening_on(3200, 5001):
        return run_once("--json")


def test_once_ends_well_with_the_first_link_as_json(as_json: Printed) -> None:
    assert as_json.returncode == 0, as_json.stderr
    link = json.loads(as_json.stdout)
    assert link["trace_id"] == parse_trace_id(link["trace_id"])
    assert link["profile_id"] == link["span_id"] == parse_span_id(link["span_id"])
    assert link["service"] == "ride-sharing-app"
    assert link["cpu_ns"] >= 10_000_000
    assert sum(row["self_ns"] for row in link["top"]) <= link["cpu_ns"]
    assert 0 < link["seconds_to_first_flamegraph"] < START_S


@pytest.mark.exhaustive
def test_once_shows_the_span_tree_and_the_flame_graph() -> None:
    shown = run_once()

    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^GET /car .* ride-sharing-app, eu-north$", shown.stdout, re.MULTILINE)
    assert re.search(r"└ span profile [0-9a-f]{16}: .* of CPU", shown.stdout)
    assert re.search(r"▌.*find_nearest_vehicle", shown.stdout)
    assert "verified" in shown.stdout


def test_a_busy_port_is_named_and_a_free_one_used(as_json: Printed) -> None:
    assert re.search(r"port 3200 \(tempo\) is taken by another program: using \d+", as_json.stderr)
    assert re.search(r"port 5001 \(eu-north\) is taken by another program: using \d+", as_json.stderr)


@pytest.mark.exhaustive
def test_once_fails_with_the_reason_where_the_link_is_broken() -> None:
    result = run_once("--wait", "6", environment={"RIDESHARE_FAULTS": "no-processor"})

    assert result.returncode == 1
    assert "no local root span" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.exhaustive
def test_with_a_broken_hop_it_goes_on_for_the_doctor_to_be_asked() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "RIDESHARE_FAULTS": "no-agent"}
    with ManagedProcess("the demo", [*DEMO, "--wait", "6"], environment=environment) as demo:
        lines = demo.wait_for_line(lambda line: re.search(r"rides/s, linked: 0\.0%", line) is not None, START_S)
        printed = "\n".join(lines)
        (doctor,) = re.findall(r"which hop is broken +\S+ (.*)", printed)
        examined = subprocess.run(
            [*DEMO[:-1], *doctor.split()], capture_output=True, text=True, timeout=START_S, check=False
        )
        os.kill(demo.pid, signal.SIGINT)
        demo.wait_for_line(lambda line: "all processes are stopped" in line, START_S)
        assert Waiting(30).until(lambda: not demo.is_running)

    assert re.search(r"not linked: .* carries the profile ID .* and no sample has it", printed)
    assert examined.returncode == 1, examined.stdout + examined.stderr
    assert "the link is broken at: profiles" in examined.stderr
    assert demo.exit_code == 1


@pytest.mark.exhaustive
def test_two_that_start_at_once_have_ports_and_rides_of_their_own_and_end_alone() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with ExitStack() as stack:
        demos = [
            stack.enter_context(ManagedProcess("a demo", [*AS_A_BACKGROUND_JOB, *DEMO], environment=environment))
            for _ in range(2)
        ]
        for demo in demos:
            demo.wait_for_line(lambda line: re.search(r"rides/s, linked: \d", line) is not None, 2 * START_S)
        printed = ["\n".join(demo.output) for demo in demos]
        ports = [set(re.findall(r"http://127.0.0.1:(\d+)", text)) for text in printed]
        traces = [re.findall(r"^trace ([0-9a-f]{32})", text, re.MULTILINE) for text in printed]
        assert all(demo.is_running for demo in demos)
        left = [end(demo, signal.SIGTERM) for demo in demos]

    assert len(ports[0]) >= 4, "two regions, the page and Locust"
    assert not ports[0] & ports[1]
    assert len({*traces[0], *traces[1]}) == 2
    assert left == [[], []]
    assert [demo.exit_code for demo in demos] == [0, 0]


@pytest.mark.exhaustive
def test_the_fault_of_a_slow_search_is_told_with_the_guilty_function() -> None:
    result = run_once("--json", "--fault", "slow-search")

    assert result.returncode == 0, result.stderr
    link, story = (json.loads(line) for line in result.stdout.splitlines())
    assert link["profile_id"] == link["span_id"]
    assert story["region"] == "us-east"
    assert story["top_regression"] == "drop_repeated_vehicles"
    assert story["slow"]["duration_ns"] > story["fast"]["duration_ns"]
    assert story["slow"]["trace_id"] != story["fast"]["trace_id"]


def test_an_unknown_fault_is_refused() -> None:
    result = run_once("--fault", "flat-tyre")

    assert result.returncode == 2
    assert "'flat-tyre' is not 'slow-search'" in result.stderr


def test_a_region_that_cannot_start_is_named_with_its_last_words() -> None:
    result = run_once(environment={"RIDESHARE_SEED": "many"})

    assert result.returncode == 2
    assert "RIDESHARE_SEED is 'many'" in result.stderr
    assert "Traceback" not in result.stderr


def test_asked_to_end_again_and_again_it_ends_once() -> None:
    with ManagedProcess("the demo", DEMO, environment={**os.environ, "PYTHONUNBUFFERED": "1"}) as demo:
        demo.wait_for_line(lambda line: "servers answer" in line, START_S)
        for _ in Waiting(START_S, first_s=0.1, longest_s=0.1).attempts():
            if not demo.is_running:
                break
            os.kill(demo.pid, signal.SIGINT)
    printed = "\n".join(demo.output)

    assert "all processes are stopped" in printed
    assert "Traceback" not in printed
    assert demo.exit_code == 130, "what was asked for had not been shown yet"


@pytest.mark.slow
def test_it_goes_on_with_a_live_line_until_it_is_stopped_and_leaves_no_process() -> None:
    command = [*AS_A_BACKGROUND_JOB, *DEMO]
    with ManagedProcess("the demo", command, environment={**os.environ, "PYTHONUNBUFFERED": "1"}) as demo:
        lines = demo.wait_for_line(lambda line: re.search(r"rides/s, linked: .*of \d\d", line) is not None, START_S)
        started = psutil.Process(demo.pid).children(recursive=True)
        left = end(demo, signal.SIGINT)

    assert re.search(r"^\s+this ride again\s+.* show [0-9a-f]{32}", "\n".join(lines), re.MULTILINE)
    live = re.search(r"linked: (\d+\.\d)% of \d+, newest trace [0-9a-f]{32}", lines[-1])
    assert live is not None
    assert float(live[1]) > 70, "of the first ten or more a short one may have been missed by the sampler"
    assert len(started) >= 9, "backend, three regions with a worker each, load, and a watcher"
    assert left == []
    assert demo.exit_code == 0


def end(demo: ManagedProcess, number: signal.Signals) -> list[psutil.Process]:
    """End a running demo by a signal, and give those of its processes that it leaves."""
    started = psutil.Process(demo.pid).children(recursive=True)
    os.kill(demo.pid, number)
    demo.wait_for_line(lambda line: "all processes are stopped" in line, START_S)
    assert Waiting(30).until(lambda: not demo.is_running)
    left: list[psutil.Process] = psutil.wait_procs(started, timeout=30)[1]
    return left
