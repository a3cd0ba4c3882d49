"""A server that takes OTLP traces and profile pushes and keeps them, and regions as real processes."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.backends.ports import free_ports
from spanprofiles.waiting import Waiting
from tests.support.gunicorn import RIDESHARE
from tests.support.http_server import http_server

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 60.0

T = TypeVar("T")


def wait_for(ask: Callable[[], T | None], what: str) -> T:
    """Ask until there is an answer."""
    found = Waiting(DEADLINE_S).until(ask)
    assert found, f"no {what} within {DEADLINE_S:g} s"
    return found


class TelemetryStub:
    """What a run sent: spans with their resource attributes, and profile pushes as raw bytes."""

    def __init__(self) -> None:
        self.url = ""
        self.hang = Event()
        self.released = Event()
        self._lock = Lock()
        self._spans: list[tuple[dict[str, str], Span]] = []
        self._pushes: list[bytes] = []

    def take(self, path: str, body: bytes) -> None:
        with self._lock:
            if path == "/v1/traces":
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    resource = {item.key: item.value.string_value for item in group.resource.attributes}
                    self._spans += [(resource, span) for scope in group.scope_spans for span in scope.spans]
            elif path == "/push.v1.PusherService/Push":
                self._pushes.append(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)

    def spans(self, trace_id: str | None = None) -> list[Span]:
        with self._lock:
            return [span for _, span in self._spans if trace_id in {None, span.trace_id.hex()}]

    def resources(self) -> list[dict[str, str]]:
        with self._lock:
            return [resource for resource, _ in self._spans]

    def pushes(self, holding: str = "") -> list[bytes]:
        with self._lock:
            return [push for push in self._pushes if holding.encode() in push]

    def server_spans(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans(trace_id) if span.kind == Span.SPAN_KIND_SERVER]


@contextmanager
def running_stub() -> Iterator[TelemetryStub]:
    stub = TelemetryStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if stub.hang.is_set():
                stub.released.wait(60)
            stub.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the app that was talking to us has ended
                super().handle()

    with http_server(Handler) as stub.url:
        try:
            yield stub
        finally:
            stub.released.set()


class RegionProcess:
    """A region under gunicorn."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.log = ""

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers, timeout=90)  # a busy machine takes its time

    def stop(self) -> float:
        """Stop it and give the seconds that took."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, self.log = self.process.communicate(timeout=DEADLINE_S)
        return time.monotonic() - started


def clean_environment(**variables: str) -> dict[str, str]:
    """The process's own environment without telemetry and app variables of the machine, plus `variables`."""
    prefixes = ("OTEL_", "PYROSCOPE_", "RIDESHARE_", "LOADGEN_", "LOCUST_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**inherited, "NO_PROXY": "127.0.0.1,localhost", **variables}


def telemetry_environment(url: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "PYROSCOPE_SERVER_ADDRESS": url,
        "PYROSCOPE_UPLOAD_INTERVAL": "1",
    }


@contextmanager
def running_region(environment: Mapping[str, str], port: int | None = None) -> Iterator[RegionProcess]:
    port = port or free_ports(1)[0]
    process = subprocess.Popen(
        RIDESHARE,
        cwd=REPOSITORY,
        env=clean_environment(RIDESHARE_BIND=f"127.0.0.1:{port}", **environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    region = RegionProcess(process, f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, f"the region has ended: {process.communicate()[1]}"
        try:
            return region.get("/health").ok
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, "answer of the region")
        yield region
    finally:
        try:
            region.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
