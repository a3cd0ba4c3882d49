from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result

from spanprofiles.cli import main
from spanprofiles.model import CPU, Endpoints, TraceContext, new_span_id, new_trace_id
from tests.unit.conftest import Answer, Respond, Seen, otlp_span, push_samples, push_spans, resource_spans

#: A name that must be quoted with care in a label selector.
SERVICE = r'the "ride\app" of host.name'
SEARCH, PRICE = ("Thread.run", "Flask.wsgi_app", "bike", "search"), ("Thread.run", "Flask.wsgi_app", "bike", "price")

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SPAN_PROFILES_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run(embedded_pair: Endpoints) -> Run:
    """Give a function that runs the program in this process against a real pair."""

    def invoke(*arguments: str, servers: Endpoints | None = embedded_pair) -> Result:
        options = ["--tempo", servers.tempo, "--pyroscope", servers.pyroscope] if servers else []
        result = CliRunner().invoke(main, [*arguments, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert "Traceback" not in result.output
        return result

    return invoke


@dataclass(frozen=True)
class Ride:
    """A request that left a trace: an answering span, and a child of it."""

    trace_id: str
    span_id: str
    child_id: str


def leave_telemetry(
    endpoints: Endpoints,
    context: TraceContext | None = None,
    *,
    profile_id: str | None = "",
    samples: bool = True,
    lasted_ms: int = 100,
    service: str = SERVICE,
    profile_type: str = CPU,
    name: str = "GET /bike",
    ended_s_ago: int = 5,
    unlabelled_ms: int = 0,
) -> Ride:
    """Send what an app would: two spans, and 60 + 20 ms of samples of the first. Returns when both servers have it.

    The profile ID is the span's own, unless another is given, or None for none. It ended long enough ago for all its
    samples to be there.
    """
    trace_id = context.trace_id if context else new_trace_id()
    ride = Ride(trace_id, new_span_id(), new_span_id())
    end_ns = time.time_ns() - ended_s_ago * 1_000_000_000
    span = otlp_span(
        trace_id,
        ride.span_id,
        name,
        parent_id=context.span_id if context else "",
        profile_id=ride.span_id if profile_id == "" else profile_id,
        start_ns=end_ns - lasted_ms * 1_000_000,
        end_ns=end_ns,
    )
    child = otlp_span(
        trace_id,
        ride.child_id,
        "search",
        parent_id=ride.span_id,
        kind=1,
        start_ns=end_ns - lasted_ms * 900_000,
        end_ns=end_ns,
    )
    push_spans(endpoints, resource_spans(service, span, child))
    if samples:
        labels = {"span_id": ride.span_id, "span_name": name, "trace_id": trace_id}
        taken = [(SEARCH, 60_000_000, labels), (PRICE, 20_000_000, labels), (("Thread.run", "gc"), 10_000_000, {})]
        push_samples(endpoints, service, taken, end_ns, profile_type)
    if unlabelled_ms:
        push_samples(endpoints, service, [(("Thread.run", "gc"), unlabelled_ms * 1_000_000, {})], end_ns)
    return ride


def instrumented(endpoints: Endpoints, **what: object) -> Respond:
    """An app that answers when its telemetry has been sent."""

    def respond(seen: Seen) -> Answer:
        leave_telemetry(endpoints, TraceContext.parse(seen.headers["Traceparent"]), **what)  # type: ignore[arg-type]  # handed on
        return Answer("a ride", 201)

    return respond
