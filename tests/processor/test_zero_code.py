"""Programs under ``opentelemetry-instrument`` are profiled and linked by the environment alone, in every process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import pytest
import requests

from spanprofiles.backends.ports import free_ports
from tests.support.processor.outcomes import LEAST_CPU_NS, MOST, PushServer, SpanSeen, running_push_server

APPS = Path(__file__).parents[1] / "support" / "zero_code"
PROGRAMS = Path(sys.executable).parent
DEADLINE_S = 180.0
WORKERS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[PushServer]:
    with running_push_server() as server:
        yield server


def environment(server: PushServer, service: str, **more: str) -> dict[str, str]:
    ours = ("OTEL_", "PYROSCOPE_", "PYTHONPATH", "SPAN_PROFILES_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "region=eu-north,service.version=1.2,unheard.of=1",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "PYROSCOPE_SERVER_ADDRESS": server.url,
        "PYROSCOPE_UPLOAD_INTERVAL": "600",  # what arrives is what was sent at the end
        **more,
    }


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[Popen[str]]:
    """A program under ``opentelemetry-instrument``, which is asked to end when it has done its work."""
    whole = [str(PROGRAMS / "opentelemetry-instrument"), *command]
    with Popen(
        whole, cwd=APPS, env=environment, stdout=PIPE, stderr=STDOUT, text=True, start_new_session=True
    ) as program:
        try:
            yield program
            program.send_signal(signal.SIGTERM)
            program.wait(DEADLINE_S)
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)


def traceparent(trace_id: int) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id:032x}-00f067aa0ba902b7-01"}


def served_by_every_worker(program: Popen[str], address: str) -> set[str]:
    """Ask until each worker has answered; the trace IDs of all that was asked."""
    processes: set[int] = set()
    asked: set[str] = set()

    def ask(number: int) -> int:
        response = requests.get(f"http://{address}/bread", headers=traceparent(number), timeout=DEADLINE_S)
        asked.add(f"{number:032x}")
        process: int = response.json()["process"]
        return process

    deadline = time.monotonic() + DEADLINE_S
    with ThreadPoolExecutor(WORKERS) as pool:
        while len(processes) < WORKERS:
            assert program.poll() is None, program.communicate()[0]
            assert time.monotonic() < deadline, f"only {processes} answered"
            try:
                first = len(asked) + 1
                processes |= set(pool.map(ask, range(first, first + WORKERS)))
            except requests.ConnectionError:  # it is not there yet
                time.sleep(0.1)
    return asked


def assert_linked(server: PushServer, service: str, spans: list[SpanSeen]) -> None:
    """Each of the spans has its own samples, and hardly any of the work is nobody's."""
    assert spans
    assert [span for span in spans if span.profile_id != span.span_id] == []
    samples = [sample for sample in server.samples(service) if "bake" in sample.functions]
    mixed = [sample for sample in samples if len(sample.labels) != len(dict(sample.labels))]
    assert mixed == []
    for span in spans:
        own_ns = sum(sample.cpu_ns for sample in samples if sample.labels == span.labels)
        assert own_ns >= LEAST_CPU_NS, f"{own_ns / 1e6:g} ms of {span}, of {len(samples)} samples"
    linked_ns = sum(sample.cpu_ns for sample in samples if sample.labels in {span.labels for span in spans})
    assert linked_ns >= MOST * sum(sample.cpu_ns for sample in samples)


def gunicorn(address: str) -> list[str]:
    workers = ["--workers", str(WORKERS), "--worker-class", "sync", "--no-control-socket", "--log-level", "warning"]
    return ["gunicorn", "--bind", address, *workers, "shop:app"]


def gunicorn_with_preload(address: str) -> list[str]:
    return [*gunicorn(address), "--preload"]


def uvicorn(address: str) -> list[str]:
    host, _, port = address.partition(":")
    return ["uvicorn", "--host", host, "--port", port, "--workers", str(WORKERS), "--log-level", "warning", "kiosk:app"]


@pytest.mark.parametrize("command", [gunicorn, gunicorn_with_preload, uvicorn], ids=lambda command: command.__name__)
def test_every_worker_of_a_server_is_profiled_and_linked(
    server: PushServer, command: Callable[[str], list[str]]
) -> None:
    service = command.__name__
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    # A worker of uvicorn ends by the signal itself, and sends nothing then.
    interval = {"PYROSCOPE_UPLOAD_INTERVAL": "1"} if command is uvicorn else {}

    with running(command(address), environment(server, service, **interval)) as program:
        asked = served_by_every_worker(program, address)
        if interval:
            await_samples(server, service, asked)

    spans = [span for span in server.spans(service) if span.profile_id]
    assert {span.trace_id for span in spans} == asked
    assert_linked(server, service, spans)
    assert {("region", "eu-north"), ("service_version", "1.2")} <= server.tags(service)
    assert "unheard" not in str(server.tags(service))


def await_samples(server: PushServer, service: str, trace_ids: set[str]) -> None:
    """Wait until the spans of all the traces have arrived, and enough samples of each."""
    deadline = time.monotonic() + DEADLINE_S
    complete_ns: Counter[str] = Counter()
    while time.monotonic() < deadline and len(complete_ns) < len(trace_ids):
        time.sleep(0.1)
        found: Counter[str] = Counter()
        for sample in server.samples(service):
            found[dict(sample.labels).get("trace_id", "")] += sample.cpu_ns
        spans = {span.trace_id for span in server.spans(service) if span.profile_id}
        complete_ns = Counter({trace: ns for trace, ns in found.items() if trace in spans and ns >= LEAST_CPU_NS})


def test_every_worker_of_celery_is_profiled_and_linked(server: PushServer, tmp_path: Path) -> None:
    variables = {"QUEUE": str(tmp_path)}
    worker = ["celery", "-A", "kitchen", "worker", f"--concurrency={WORKERS}", "--loglevel=warning"]
    order = [sys.executable, "kitchen.py", "6"]
    subprocess.run(order, cwd=APPS, env={**os.environ, **variables}, check=True, timeout=DEADLINE_S)

    with running([*worker], environment(server, "celery", **variables)) as program:
        assert program.stdout is not None
        baked_by: list[str] = []
        for line in program.stdout:
            baked_by += re.findall(r"loaf \d is baked by (\d+)", line)
            if len(baked_by) == 6:
                break
        assert len(set(baked_by)) == WORKERS

    spans = [span for span in server.spans("celery") if span.name == "run/bread"]
    assert len(spans) == 6
    assert_linked(server, "celery", spans)


def job(server: PushServer, service: str, **more: str) -> str:
    """Run the script to its end; what it printed."""
    command = [str(PROGRAMS / "opentelemetry-instrument"), "python", "job.py"]
    variables = environment(server, service, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*", **more)
    done = subprocess.run(
        command, cwd=APPS, env=variables, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_script_and_the_processes_it_forks_are_profiled_and_linked(server: PushServer) -> None:
    job(server, "job")

    spans = server.spans("job")
    assert sorted(span.name for span in spans) == ["day", "shift 0", "shift 1"]
    assert_linked(server, "job", spans)


def test_where_somebody_else_starts_the_agent_none_is_started(server: PushServer) -> None:
    job(server, "unprofiled", OTEL_PYROSCOPE_START_PROFILING="false")

    assert {span.profile_id for span in server.spans("unprofiled")} == {None}
    assert {span.name: span.missing for span in server.spans("unprofiled")}["day"] == "no agent in this process"
    assert server.samples("unprofiled") == []


def test_with_a_disabled_sdk_nothing_happens(server: PushServer) -> None:
    assert "Traceback" not in job(server, "disabled", OTEL_SDK_DISABLED="True")

    assert server.spans("disabled") == []
    assert server.samples("disabled") == []


def test_settings_that_cannot_be_used_are_named_and_the_program_runs(server: PushServer) -> None:
    wrong = {"OTEL_PYROSCOPE_ADD_SPAN_NAME": "perhaps", "PYROSCOPE_SERVER_ADDRESS": "http://bob:secret@ no host"}
    printed = job(server, "mistaken", **wrong)

    assert "OTEL_PYROSCOPE_ADD_SPAN_NAME is 'perhaps'; it must be true or false." in printed
    assert "PYROSCOPE_SERVER_ADDRESS must be a URL" in printed
    assert "secret" not in printed
    assert "Traceback" not in printed
    missing = {span.name: span.missing for span in server.spans("mistaken")}
    assert missing["day"] == "the agent failed to start in this process"
