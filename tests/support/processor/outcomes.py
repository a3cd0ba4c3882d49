"""What a process under test did: its spans as it saw them, its samples as its agent pushed them."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Lock

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.embedded.proto.pyroscope_pb2 import PushRequest
from tests.support.http_server import http_server

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SpanSeen:
    """A span as its process printed it."""

    name: str
    span_id: str
    trace_id: str
    profile_id: str | None
    missing: str | None = None
    """Why it has no profile ID, as the span says."""

    @property
    def labels(self) -> Labels:
        """What samples of the span's work must carry, no more and no less."""
        return (("span_id", self.span_id), ("span_name", self.name), ("trace_id", self.trace_id))


@dataclass(frozen=True)
class Sample:
    """Samples with one stack and one set of labels, and the CPU time they stand for."""

    functions: frozenset[str]
    labels: Labels
    cpu_ns: int


class PushServer:
    """Takes the pushes of any number of agents and exporters, and keeps samples and spans by service name."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = Lock()
        self._samples: dict[str, list[Sample]] = {}
        self._spans: dict[str, list[SpanSeen]] = {}
        self._tags: dict[str, set[tuple[str, str]]] = {}

    def take(self, body: bytes) -> None:
        raw = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        for series in PushRequest.FromString(raw).series:
            tags = {(label.name, label.value) for label in series.labels}
            service = dict(tags)["service_name"]
            with self._lock:
                self._tags.setdefault(service, set()).update(tags)
            found = [sample for pushed in series.samples for sample in _samples(pushed.raw_profile)]
            with self._lock:
                self._samples.setdefault(service, []).extend(found)

    def take_spans(self, body: bytes) -> None:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _texts(resource_spans.resource.attributes)["service.name"]
            found = [
                SpanSeen(
                    span.name,
                    span.span_id.hex(),
                    span.trace_id.hex(),
                    _texts(span.attributes).get("pyroscope.profile.id"),
                    _texts(span.attributes).get("pyroscope.profile.missing"),
                )
                for scope_spans in resource_spans.scope_spans
                for span in scope_spans.spans
            ]
            with self._lock:
                self._spans.setdefault(service, []).extend(found)

    def spans(self, service: str) -> list[SpanSeen]:
        with self._lock:
            return list(self._spans.get(service, []))

    def tags(self, service: str) -> set[tuple[str, str]]:
        """The labels of all series of a service."""
        with self._lock:
            return set(self._tags.get(service, ()))

    def samples(self, service: str) -> list[Sample]:
        with self._lock:
            return list(self._samples.get(service, []))


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes}


def _samples(raw: bytes) -> Iterator[Sample]:
    profile = Profile.FromString(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw)
    strings = profile.string_table
    functions = {function.id: strings[function.name] for function in profile.function}
    frames = {place.id: [functions[line.function_id] for line in place.line] for place in profile.location}
    for sample in profile.sample:
        yield Sample(
            frozenset(name for place in sample.location_id for name in frames[place]),
            tuple(sorted((strings[label.key], strings[label.str]) for label in sample.label)),
            sample.value[0],
        )


@contextmanager
def running_push_server() -> Iterator[PushServer]:
    server = PushServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            take = server.take_spans if self.path == "/v1/traces" else server.take
            take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http_server(Handler) as server.url:
        yield server


@dataclass(frozen=True)
class Outcome:
    """One scenario with one processor."""

    spans: tuple[SpanSeen, ...]
    samples: tuple[Sample, ...]
    notes: dict[str, object]
    errors: str
    """What the process wrote to its standard error."""

    def span(self, name: str) -> SpanSeen:
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans are named {name!r}: {[span.name for span in self.spans]}"
        return found[0]

    def of(self, function: str) -> list[Sample]:
        """The samples in which a function takes part."""
        return [sample for sample in self.samples if function in sample.functions]

    def labels_of(self, function: str) -> Counter[Labels]:
        """The CPU time in a function, in ns, by the labels it was seen with."""
        found: Counter[Labels] = Counter()
        for sample in self.of(function):
            found[sample.labels] += sample.cpu_ns
        return found

    def described(self, function: str) -> str:
        """The samples of a function and the spans, for a message."""
        lines = [f"samples of {function}:"]
        lines += [
            f"  {cpu / 1e6:6.0f} ms {dict(labels)} x{len(labels)}" for labels, cpu in self.labels_of(function).items()
        ]
        return "\n".join([*lines, "spans:", *(f"  {span}" for span in self.spans), self.errors])


LEAST_CPU_NS = 50_000_000
"""Below this there are too few samples to say anything of them: the agent takes one each 10 ms."""

MOST = 0.75
"""What is meant by most samples. The agent reads a thread's stack first and its labels later, on a busy machine tens of
milliseconds later, so samples at the end of a span can have the next one's labels, whatever a processor does. Labels
that are wrong in themselves are wrong on every sample."""


class TooFewSamplesError(Exception):
    """Nothing can be claimed, and no failure expected: the machine was too busy for the agent."""


def assert_labelled(outcome: Outcome, function: str, labels: Labels, *, share: float = MOST) -> None:
    """Claim that most samples of a function carry exactly some labels, no more and no less.

    Raises:
        TooFewSamplesError: There is too little to judge by.
    """
    found = outcome.labels_of(function)
    if found.total() < LEAST_CPU_NS:
        raise TooFewSamplesError(outcome.described(function))
    right = found[labels] / found.total()
    assert right >= share, (
        f"{right:.0%} carry {dict(labels)}, no more and no less, not {share:.0%}\n{outcome.described(function)}"
    )


def assert_no_mixture(outcome: Outcome) -> None:
    """Claim that no sample carries two values of one label, or part of the labels of a span."""
    wrong = [sample for sample in outcome.samples if len(sample.labels) != len(dict(sample.labels))]
    assert not wrong, f"{len(wrong)} of {len(outcome.samples)} samples are mixed, such as {wrong[0]}"
