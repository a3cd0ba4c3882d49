"""A request is repeated until its figures are precise enough or a bound is met; nothing is sent beyond it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.linking import LinkedSpan, NotTracedError
from spanprofiles.measure.assembly import measurement_of
from spanprofiles.measure.repetition import Bounds, MeasurementFailedError, repeat
from spanprofiles.measure.until import Until
from spanprofiles.model import FlameGraph, Measurement, Span, SpanKind, TraceContext

MS = 1_000_000
CLOCK_STEP_S = 0.5


@dataclass
class App:
    """An app whose requests take half a second each, and cost what a function says."""

    samples_of: Callable[[int], int]
    now_s: float = 0.0
    sent: list[TraceContext] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def send(self) -> TraceContext:
        self.now_s += CLOCK_STEP_S
        self.sent.append(TraceContext.new())
        return self.sent[-1]

    def collect(self, traced: list[Any]) -> list[LinkedSpan]:
        self.rounds.append(len(traced))
        numbers = [self.sent.index(context) for context in traced]
        return [linked(self.sent[number], self.samples_of(number)) for number in numbers]

    def measure(self, until: Until, **bounds: Any) -> Measurement:
        def assemble(found: list[LinkedSpan]) -> Measurement:
            return measurement_of("test", found)

        limits = Bounds(clock=lambda: self.now_s, **bounds)
        return repeat(self.send, self.collect, assemble, until, limits, self.lines.append)


def linked(context: TraceContext, samples: int) -> LinkedSpan:
    span = Span(context.trace_id, "a" * 16, context.span_id, "GET /", SpanKind.SERVER, 0, 500 * MS)
    return LinkedSpan(span, FlameGraph([(("handle", "search"), samples * 10 * MS)]))


def steady(_: int) -> int:
    return 50


def random_samples(seed: int, mean: int) -> Callable[[int], int]:
    drawn = random.Random(seed)
    return lambda _: sum(drawn.random() < 0.5 for _ in range(2 * mean))


def test_it_stops_as_soon_as_the_precision_is_reached() -> None:
    app = App(steady)
    measurement = app.measure(Until.cpu(within=0.1), warm_up=0)
    assert measurement.is_precise
    assert app.rounds == [10]
    assert app.lines == ["10 requests: known to 8.8 %, as asked (the request's CPU to within 10 %)"]


def test_it_repeats_in_few_rounds_until_the_precision_is_reached() -> None:
    app = App(random_samples(1, 20))
    measurement = app.measure(Until.cpu(within=0.04), timeout_s=200.0)
    assert measurement.is_precise
    assert measurement.precision is not None
    assert measurement.precision.half_width is not None
    assert measurement.precision.half_width <= 0.04
    assert 100 <= len(measurement.requests) <= 200
    assert len(app.rounds) <= 4


def test_a_precision_out_of_reach_stops_at_the_most_requests_and_says_so() -> None:
    app = App(random_samples(1, 20))
    measurement = app.measure(Until.cpu(within=0.001), at_most=40)
    assert not measurement.is_precise
    assert len(measurement.requests) == 40
    assert "40 requests: known to" in app.lines[-1]
    assert "not as asked (the request's CPU to within 0.1 %); about" in app.lines[-1]


def test_it_sends_nothing_after_its_time() -> None:
    app = App(random_samples(1, 20))
    measurement = app.measure(Until.cpu(within=0.001), timeout_s=12.0, warm_up=0)
    assert len(measurement.requests) == 24
    assert not measurement.is_precise


def test_a_slow_app_is_measured_with_the_requests_that_fit_into_the_time() -> None:
    app = App(steady)
    measurement = app.measure(Until.cpu(within=0.1), timeout_s=1.0, warm_up=1)
    assert len(measurement.requests) == 1
    assert "1 request cannot tell" in app.lines[-1]


def test_the_first_requests_warm_the_app_up_and_do_not_count() -> None:
    app = App(lambda number: 500 if number < 2 else 50)
    measurement = app.measure(Until.cpu(within=0.1), warm_up=2)
    assert len(app.sent) == 12
    assert set(measurement.cpu_values) == {500 * MS}


def test_a_number_of_requests_goes_in_one_round() -> None:
    app = App(random_samples(1, 5))
    measurement = app.measure(Until.sent(37))
    assert app.rounds == [37]
    assert measurement.is_precise


def test_each_request_has_its_functions_and_all_have_one_flame_graph() -> None:
    measurement = App(lambda number: number).measure(Until.sent(4), warm_up=0)
    assert measurement.self_values("search") == [0, 10 * MS, 20 * MS, 30 * MS]
    assert [request.samples for request in measurement.requests] == [0, 1, 2, 3]
    assert measurement.flamegraph.total == 60 * MS
    assert len(measurement.spans) == 4


def test_a_request_that_fails_is_not_measured() -> None:
    app = App(steady)

    def send() -> Any:
        answer = app.send()
        headers = {"traceparent": answer.traceparent}
        status = 503 if len(app.sent) == 3 else 200
        return SimpleNamespace(status_code=status, request=SimpleNamespace(headers=headers))

    with pytest.raises(MeasurementFailedError, match="request 3 was answered with 503"):
        repeat(send, app.collect, lambda found: measurement_of("t", found), Until.sent(5), Bounds(warm_up=1))


def test_calls_that_send_no_request_of_their_own_are_refused() -> None:
    app, same = App(steady), TraceContext.new()
    with pytest.raises(MeasurementFailedError, match=f"two calls answered with the trace {same.trace_id}"):
        repeat(lambda: same, app.collect, lambda found: measurement_of("t", found), Until.sent(5), Bounds())


def test_a_call_that_returns_nothing_is_told_to_return_the_response() -> None:
    nothing: Any = lambda: None  # noqa: E731  # as users write it
    with pytest.raises(NotTracedError, match="let it return the response"):
        repeat(nothing, App(steady).collect, lambda found: measurement_of("t", found), Until.sent(5), Bounds())


@pytest.mark.parametrize(
    "bounds",
    [{"at_least": 0}, {"at_least": 5, "at_most": 4}, {"timeout_s": 0}, {"timeout_s": float("nan")}, {"warm_up": -1}],
)
def test_bounds_that_contradict_one_another_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        Bounds(**bounds)


def test_samples_of_different_types_are_no_measurement() -> None:
    first, second = linked(TraceContext.new(), 5), linked(TraceContext.new(), 5)
    wall = FlameGraph([(("wait",), 10 * MS)], "wall:wall:nanoseconds:wall:nanoseconds")
    with pytest.raises(ValueError, match="different types do not add up"):
        measurement_of("t", [first, LinkedSpan(second.span, wall)])
    memory = FlameGraph([(("grow",), 10)], "memory:alloc_space:bytes:space:bytes")
    with pytest.raises(ValueError, match="is not a time"):
        measurement_of("t", [LinkedSpan(second.span, memory)])


def test_a_call_may_answer_with_the_id_of_its_trace() -> None:
    app = App(steady)

    def send() -> str:
        return app.send().trace_id

    def collect(ids: list[Any]) -> list[LinkedSpan]:
        return app.collect([context for context in app.sent if context.trace_id in ids])

    found = repeat(send, collect, lambda spans: measurement_of("test", spans), Until.sent(5), Bounds())
    assert len(found.requests) == 5
    with pytest.raises(MeasurementFailedError, match="two calls answered with the trace"):
        repeat(lambda: "ab" * 16, collect, lambda spans: measurement_of("test", spans), Until.sent(5), Bounds())
