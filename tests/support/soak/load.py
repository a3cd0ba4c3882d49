"""Valid load: spans and profiles that are sent and asked for, with how long each answer took."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.clients.errors import RequestRefusedError
from spanprofiles.model import Endpoints, FlameGraph
from tests.support.pprof_writer import push

SERVICE = "the-valid-load"
CPU_NS = 50_000_000
ANSWER_S = 30.0
BUSY = 503


@dataclass
class Stored:
    """A span of the load.

    Attributes:
        trace_id: its trace.
        span_id: its ID, and its profile's.
        at_s: when it began, s since the epoch.
    """

    trace_id: str
    span_id: str
    at_s: float


@dataclass
class Load:
    """Sends a span and its profile and asks for both, again and again.

    Args:
        endpoints: the pair.
        per_second: how often.

    Attributes:
        spans: the spans that were taken.
        profiles: the spans whose profiles were taken.
        failed: what was refused or not answered, a line each.
        busy: how many questions were told to come again later, as any may be beside costly ones.
    """

    endpoints: Endpoints
    per_second: float
    spans: list[Stored] = field(default_factory=list)
    profiles: list[Stored] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    busy: int = 0

    def __post_init__(self) -> None:
        credentials = self.endpoints.credentials
        self._session = requests.Session()
        self._session.headers.update(credentials.as_headers())
        self._tempo = TempoClient(self.endpoints.tempo, credentials)
        self._pyroscope = PyroscopeClient(self.endpoints.pyroscope, credentials)

    def run(self, is_over: Callable[[], bool]) -> list[float]:
        """Send and ask until it is over; return how long each answer took, s."""
        took_s: list[float] = []
        due_s = time.monotonic()
        while not is_over():
            time.sleep(max(0.0, due_s - time.monotonic()))
            span = Stored(secrets.token_hex(16), secrets.token_hex(8), time.time())
            for step in (self._send_span, self._send_profile, self._ask):
                began_s = time.monotonic()
                try:
                    step(span)
                except RequestRefusedError as error:
                    if error.status != BUSY:
                        self.failed.append(f"{step.__name__}: {error}")
                    self.busy += error.status == BUSY
                except (requests.RequestException, ClientError, AssertionError) as error:
                    self.failed.append(f"{step.__name__}: {error}")
                took_s.append(time.monotonic() - began_s)
            due_s += 1 / self.per_second
        return took_s

    def lost(self) -> list[str]:
        """Return what was taken and cannot be found, a line each."""
        lost = [f"the span {span.span_id}" for span in self.spans if self._tempo.trace(span.trace_id) is None]
        for profile in self.profiles:
            found = self._flamegraph(profile).total
            if found != CPU_NS:
                lost.append(f"the profile of {profile.span_id}: {found} ns of {CPU_NS}")
        return lost

    def _send_span(self, span: Stored) -> None:
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="service.name").value.string_value = SERVICE
        sent = group.scope_spans.add().spans.add(name="GET /work")
        sent.trace_id, sent.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
        sent.start_time_unix_nano, sent.end_time_unix_nano = int(span.at_s * 1e9), int(span.at_s * 1e9) + CPU_NS
        sent.attributes.add(key="pyroscope.profile.id").value.string_value = span.span_id
        self._post(f"{self.endpoints.otlp_http}/v1/traces", request.SerializeToString(), "application/x-protobuf")
        self.spans.append(span)

    def _send_profile(self, span: Stored) -> None:
        sample = {"stack": ["work", "main"], "values": [CPU_NS], "labels": {"span_id": span.span_id}}
        profile = {"t": 0, "types": [["cpu", "nanoseconds"]], "samples": [sample]}
        labels = {"__name__": "process_cpu", "service_name": SERVICE}
        body = push([{"labels": labels, "profiles": [profile]}], int(span.at_s))
        self._post(f"{self.endpoints.pyroscope}/push.v1.PusherService/Push", body, "application/proto")
        self.profiles.append(span)

    def _ask(self, span: Stored) -> None:
        assert self._tempo.trace(span.trace_id) is not None, f"the trace {span.trace_id} is not there"
        assert self._flamegraph(span).total == CPU_NS, f"the profile of {span.span_id} is not whole"

    def _flamegraph(self, span: Stored) -> FlameGraph:
        at_ms = int(span.at_s * 1000)
        query = ProfileQuery(f'{{service_name="{SERVICE}"}}', at_ms - 10_000, at_ms + 10_000)
        return self._pyroscope.span_profile(query, [span.span_id])

    def _post(self, url: str, body: bytes, kind: str) -> None:
        answer = self._session.post(url, body, headers={"Content-Type": kind}, timeout=ANSWER_S)
        answer.raise_for_status()
