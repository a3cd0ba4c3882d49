"""What a query asks of the store before it is evaluated: its conditions on spans, and which traces may answer it."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.indexed_attributes import (
    BOOLEAN,
    EVENT,
    FLOAT,
    INSTRUMENTATION,
    INTEGER,
    INTRINSIC,
    LINK,
    RESOURCE,
    SPAN,
    STRING,
)
from spanprofiles.embedded.trace_filters import (
    EVERY_TRACE,
    NO_TRACE,
    HasAttribute,
    HasSpanId,
    HasTraceId,
    Joined,
    LastsLonger,
    TraceFilter,
    all_of,
    any_of,
)
from spanprofiles.embedded.traceql.conditions import Condition, conditions_of
from spanprofiles.embedded.traceql.metrics import split
from spanprofiles.embedded.traceql.metrics_plan import finds_nothing, plan_of
from spanprofiles.embedded.traceql.parser import parse
from spanprofiles.embedded.traceql.trace_filter import trace_filter
from spanprofiles.embedded.traceql.values import text_of

BIKE = HasAttribute("vehicle", (SPAN,), (STRING,), ("bike",))
ERROR = HasAttribute("status", (INTRINSIC,), (INTEGER,), (2,))


def named(value: str) -> HasAttribute:
    return HasAttribute("name", (INTRINSIC,), (STRING,), (value,))


def filtered(query: str) -> TraceFilter:
    return trace_filter(parse(query), NO_DEADLINE)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{}", EVERY_TRACE),
        ("{ false }", NO_TRACE),
        ('{ span.vehicle = "bike" }', BIKE),
        ('{ "bike" = span.vehicle }', BIKE),
        ('{ resource.vehicle = "bike" }', HasAttribute("vehicle", (RESOURCE,), (STRING,), ("bike",))),
        ('{ .vehicle = "bike" }', HasAttribute("vehicle", (SPAN, RESOURCE), (STRING,), ("bike",))),
        ('{ event.vehicle = "bike" }', HasAttribute("vehicle", (EVENT,), (STRING,), ("bike",))),
        ('{ link.vehicle = "bike" }', HasAttribute("vehicle", (LINK,), (STRING,), ("bike",))),
        ('{ instrumentation.x = "y" }', HasAttribute("x", (INSTRUMENTATION,), (STRING,), ("y",))),
        ("{ span.n = 1 }", HasAttribute("n", (SPAN,), (INTEGER,), (1,))),
        ("{ span.n = 1.5 }", HasAttribute("n", (SPAN,), (FLOAT,), (1.5,))),
        ("{ span.n = true }", HasAttribute("n", (SPAN,), (BOOLEAN,), (True,))),
        ("{ span.n = 1 || span.n = 2 }", HasAttribute("n", (SPAN,), (INTEGER,), (1, 2))),
        ("{ span.n > 1 }", HasAttribute("n", (SPAN,), (INTEGER,), bound=(">", 1))),
        ("{ span.n >= 1 }", HasAttribute("n", (SPAN,), (INTEGER,), bound=(">=", 1))),
        ("{ span.n < 1.5 }", HasAttribute("n", (SPAN,), (FLOAT,), bound=("<", 1.5))),
        ("{ span.n <= 1 }", HasAttribute("n", (SPAN,), (INTEGER,), bound=("<=", 1))),
        # A query that lets integers and floats through compares them with each other.
        ("{ span.n > 1 && span.m < 2.5 }",
         Joined("AND", (HasAttribute("n", (SPAN,), (INTEGER, FLOAT), bound=(">", 1)),
                        HasAttribute("m", (SPAN,), (INTEGER, FLOAT), bound=("<", 2.5))))),
        ("{ span.n != nil && span.m = 1 }",
         Joined("AND", (HasAttribute("n", (SPAN,)), HasAttribute("m", (SPAN,), (INTEGER, FLOAT), (1,))))),
        ("{ span.n != nil }", HasAttribute("n", (SPAN,))),
        ("{ span.n = nil }", EVERY_TRACE),
        ("{ span.n = nil && span.n = 1 }", EVERY_TRACE),
        # Durations and kinds are in no attribute.
        ("{ span.n = 1s }", NO_TRACE),
        ("{ span.n = server }", NO_TRACE),
        ("{ span.n = error }", HasAttribute("n", (SPAN,), (INTEGER,), (2,))),
        ("{ status = error }", ERROR),
        ("{ kind = server }", EVERY_TRACE),
        ('{ name = "a" }', named("a")),
        ('{ event:name = "a" }', HasAttribute("event:name", (INTRINSIC,), (STRING,), ("a",))),
        ('{ instrumentation:name = "a" }', HasAttribute("instrumentation:name", (INTRINSIC,), (STRING,), ("a",))),
        ('{ instrumentation:version = "a" }', HasAttribute("instrumentation:version", (INTRINSIC,), (STRING,), ("a",))),
        ('{ statusMessage = "a" }', HasAttribute("statusMessage", (INTRINSIC,), (STRING,), ("a",))),
        ('{ rootName = "a" }', HasAttribute("rootName", (INTRINSIC,), (STRING,), ("a",))),
        ('{ rootServiceName = "a" }', HasAttribute("rootServiceName", (INTRINSIC,), (STRING,), ("a",))),
        ('{ rootName = "a" || rootName = "b" }', HasAttribute("rootName", (INTRINSIC,), (STRING,), ("a", "b"))),
        ('{ rootName = "" }', EVERY_TRACE),
        ('{ rootName != "a" }', EVERY_TRACE),
        ("{ rootName != nil }", EVERY_TRACE),
        ("{ duration > 1s }", LastsLonger(">", 10**9)),
        ("{ traceDuration >= 1s }", LastsLonger(">=", 10**9)),
        ("{ duration < 1s }", EVERY_TRACE),
        ("{ duration = 1s }", EVERY_TRACE),
        ("{ event:timeSinceStart > 1s }", EVERY_TRACE),
        ('{ trace:id = "0a1" }', HasTraceId((bytes(14) + b"\x00\xa1",))),
        ('{ trace:id = "x" }', HasTraceId((b"",))),
        (f'{{ trace:id = "{"1" * 33}" }}', HasTraceId((b"",))),
        (f'{{ trace:id = "{"1" * 32}" }}', HasTraceId((b"\x11" * 16,))),
        ('{ span:id = "a1" }', HasSpanId((bytes(7) + b"\xa1",))),
        (f'{{ span:id = "{"1" * 16}" || span:id = "2" }}', HasSpanId((b"\x11" * 8, bytes(7) + b"\x02"))),
        (f'{{ span:id = "{"1" * 17}" }}', HasSpanId((b"",))),
        ('{ trace:id != "a1" }', EVERY_TRACE),
        ('{ span:parentID = "a1" }', EVERY_TRACE),
        ("{ span.n + 1 = 2 }", EVERY_TRACE),
        ("{ 1 + span.n = span.m }", EVERY_TRACE),
        ("{ span.n = span.m }", EVERY_TRACE),
        ("{ !span.paid }", EVERY_TRACE),
        ("{ span.paid }", EVERY_TRACE),
        ('{ span.vehicle = "bike" && kind = server }', BIKE),
        ('{ span.vehicle = "bike" && status = error }', Joined("AND", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" || status = error }', Joined("OR", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" || kind = server }', EVERY_TRACE),
        ('{ span.vehicle = "bike" } && { status = error }', Joined("AND", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" } || { status = error }', Joined("OR", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" } >> { status = error }', Joined("AND", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" } &< { status = error }', Joined("AND", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" } !>> { status = error }', ERROR),
        ('{ span.vehicle = "bike" } | { status = error }', Joined("AND", (BIKE, ERROR))),
        ('{ span.vehicle = "bike" } | count() > 1', BIKE),
        # What has a column of its own is seen as the text `nil` where it is not there.
        ("{ span.http.method = span.n }", EVERY_TRACE),
        ('{ span.http.method = "GET" } | by(span.http.method)', EVERY_TRACE),
        ('{ event:name = "a" } | by(event:name)', EVERY_TRACE),
        ('{ span.vehicle = "bike" } | by(span.vehicle)', BIKE),
    ],
)  # fmt: skip
def test_traces_are_left_out_that_cannot_answer_a_query(query: str, found: TraceFilter) -> None:
    assert filtered(query) == found


@pytest.mark.parametrize(
    ("query", "passed", "failed"),
    [
        ("{ span.x =~ `a.` }", "ab", "b"),
        ("{ span.x !~ `a.` }", "b", "ab"),
        ("{ span.x =~ `a.` || span.x =~ `b` }", "b", "c"),
        ("{ span.x !~ `a.` && span.x !~ `b` }", "c", "b"),
        ("{ span.x != `a` }", "b", "a"),
        ("{ span.x != `a` && span.x != `b` }", "c", "b"),
        ("{ span.x > `b` }", "c", "b"),
        ("{ span.x >= `b` }", "b", "a"),
        ("{ span.n != 1 }", 2, 1),
        ("{ span.n != true }", False, True),
        ("{ name =~ `a.` }", "ab", "b"),
        ("{ statusMessage =~ `a.` }", "ab", "b"),
    ],
)
def test_what_the_index_cannot_compare_is_tested_value_by_value(query: str, passed: Any, failed: Any) -> None:
    found = filtered(query)
    assert isinstance(found, HasAttribute)
    assert found.test is not None
    assert (found.test(passed), found.test(failed)) == (True, False)
    assert (found.members, found.bound, len(found.types)) == (None, None, 1)


def test_filters_that_are_joined_alike_are_not_nested() -> None:
    a, b, c = named("a"), named("b"), named("c")
    assert all_of([a, all_of([b, c])]) == Joined("AND", (a, b, c))
    assert any_of([any_of([a, b]), c]) == Joined("OR", (a, b, c))
    assert all_of([a, any_of([b, c])]) == Joined("AND", (a, Joined("OR", (b, c))))
    assert all_of([]) == all_of([EVERY_TRACE]) == any_of([a, EVERY_TRACE]) == EVERY_TRACE
    assert all_of([a, EVERY_TRACE]) == a


def shown(conditions: list[Condition] | tuple[Condition, ...]) -> list[str]:
    """Conditions as one would write them."""
    return [
        " ".join(
            filter(
                None,
                [
                    str(condition.attribute),
                    condition.operator,
                    "" if condition.operand is None else text_of(condition.operand),
                ],
            )
        )
        for condition in conditions
    ]


@pytest.mark.parametrize(
    ("query", "first", "every", "second"),
    [
        ("{}", ["spanStartTime"], True, []),
        ("{ span.a = 1 }", ["span.a = 1"], True, []),
        ("{ 1 < span.a }", ["span.a < 1"], True, []),  # the real server does not turn it round
        ("{ span.a = 1 && name = `x` }", ["span.a = 1", "name = x"], True, []),
        ("{ span.a = 1 || name = `x` }", ["span.a = 1", "name = x"], False, []),
        ("{ span.a = 1 || span.a = 2 }", ["span.a IN [1, 2]"], True, []),
        ("{ span.a || span.b }", ["span.a", "span.b"], True, []),
        ("{ span.a && true }", ["span.a"], True, []),
        ("{ span.a + 1 = 2 }", ["span.a"], True, []),
        ("{ span.a = span.b }", ["span.a", "span.b"], True, []),
        ("{ !(span.a = 1) }", ["span.a = 1"], True, []),
        ("{ -span.a = 1 }", ["span.a"], True, []),
        ("{ span.a != nil }", ["span.a EXISTS"], True, []),
        ("{ span.a = nil }", ["span.a EXISTS NOT"], True, []),
        ("{ span.a } && { span.b }", ["span.a", "span.b"], False, []),
        ("{ span.a } >> { span.b }", ["structure >>", "span.a", "span.b"], False, []),
        ("{ } >> { span.b }", ["structure >>", "span.b"], False, []),
        ("{ span.a } && { }", ["span.a", "spanStartTime"], False, []),
        ("{ name != `x` } && { }", ["name != x", "spanStartTime"], False, []),
        ("{ duration > duration } && { }", ["duration", "duration"], False, []),
        ("{ span.a } | { span.b }", ["span.a", "span.b"], True, []),
        ("{ span.a } | count() > 1", ["span.a"], False, []),
        ("{ span.a } | max(span.b) > 1", ["span.a", "span.b"], False, []),
        ("{ span.a } | by(span.b)", ["span.a", "span.b"], False, []),
        ("{ span.a } | select(span.b, name)", ["span.a"], True, ["span.b", "name"]),
        ("{ span.a } | select(span.b) | { span.c = 1 }", ["span.a"], True, ["span.b", "span.c = 1"]),
        ("{ span.a } | select(span.b) | { span.a && span.b }", ["span.a"], True, ["span.b"]),
        ("({ span.a } | select(span.b)) && { span.c }", ["span.a", "span.c"], False, ["span.b"]),
        # Compared by both equalities with one value, an attribute is taken as it is.
        ("{ span.a = 1 && span.a != 1 }", ["span.a"], True, []),
        ("{ span.a = 1 && span.a != 2 }", ["span.a = 1", "span.a != 2"], True, []),
        ("{ span.a = 1 && span.b != 1 && span.c > 1 }", ["span.a = 1", "span.b != 1", "span.c > 1"], True, []),
        ("{ span.a = 1 && span.a != 1 && span.c > 1 }", ["span.c > 1", "span.a"], True, []),
        # What metrics take and group by is read of the spans that remain.
        ("{ span.a } | max_over_time(span.b) by (name)", ["span.a"], True, ["span.b", "name"]),
        ("{ span.a = 1 } | max_over_time(span.a) by (span.a)", ["span.a = 1"], True, []),
        ("{ span.a = 1 || span.b } | rate() by (span.a)", ["span.a = 1", "span.b"], False, ["span.a"]),
        ("{ span.a = 1 || name = `x` } | rate() by (span.a)", ["span.a = 1", "name = x"], False, ["span.a"]),
        ("{ span.a = 1 || name = `x` } | avg_over_time(duration) by (span.a)",
         ["span.a = 1", "name = x"], False, ["duration"]),
    ],
)  # fmt: skip
def test_a_query_fetches_spans_by_its_comparisons_with_constants(
    query: str, first: list[str], every: bool, second: list[str]
) -> None:
    found = conditions_of(parse(query))
    assert (shown(found.first), found.every, shown(found.second)) == (first, every, second)


@pytest.mark.parametrize(
    ("query", "first", "is_evaluated", "second"),
    [
        ("{} | rate()", ["spanStartTime"], False, []),
        ("{ name = `x` } | rate()", ["name = x", "spanStartTime"], False, []),
        ("{ name = `x` && duration > 1s } | rate()", ["name = x", "duration > 1s", "spanStartTime"], False, []),
        ("{ resource.service.name = `x` } | rate() by (name)",
         ["resource.service.name = x", "name", "spanStartTime"], False, []),
        # An attribute that a span may lack cannot be joined with another condition.
        ("{ span.a = 1 } | rate()", ["span.a = 1"], True, ["spanStartTime"]),
        ("{ .a = 1 } | rate()", [".a = 1"], True, ["spanStartTime"]),
        ("{ name = `x` } | rate() by (span.a)", ["name = x"], True, ["span.a", "spanStartTime"]),
        ("{ name != `x` && name != nil } | rate()", ["name != x", "name EXISTS"], True, ["spanStartTime"]),
        ("{ name = `x` || kind = server } | rate()", ["name = x", "kind = server"], True, ["spanStartTime"]),
    ],
)  # fmt: skip
def test_metrics_evaluate_a_query_where_its_conditions_do_not_say_all(
    query: str, first: list[str], is_evaluated: bool, second: list[str]
) -> None:
    pipeline, metrics = split(parse(query))
    assert metrics is not None
    plan = plan_of(pipeline, metrics, NO_DEADLINE, exemplars=False)
    assert (shown(plan.first), plan.pipeline is not None, shown(plan.second)) == (first, is_evaluated, second)
    assert not plan.everything


@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        ("{ span.a = 1 } | rate()", ["span.a = 1"], ["spanStartTime", "trace:id"]),
        ("{ name = `x` } | rate()", ["name = x", "spanStartTime", "trace:id"], []),
        ("{ trace:id = `a` } | rate()", ["trace:id = a", "spanStartTime"], []),
        ("{ trace:id = `a` || name = `x` } | rate()", ["trace:id = a", "name = x"], ["spanStartTime", "trace:id"]),
        ("{ span.a = 1 } | select(trace:id) | rate()", ["span.a = 1"], ["trace:id", "spanStartTime"]),
    ],
)
def test_metrics_with_exemplars_read_the_ids_of_traces(query: str, first: list[str], second: list[str]) -> None:
    pipeline, metrics = split(parse(query))
    assert metrics is not None
    plan = plan_of(pipeline, metrics, NO_DEADLINE, exemplars=True)
    assert (shown(plan.first), shown(plan.second)) == (first, second)


def test_a_comparison_reads_everything_of_each_span() -> None:
    pipeline, metrics = split(parse("{ name = `x` } | compare({ status = error })"))
    assert metrics is not None
    plan = plan_of(pipeline, metrics, NO_DEADLINE, exemplars=False)
    assert (plan.everything, plan.pipeline, plan.traces) == (True, pipeline, named("x"))


@pytest.mark.parametrize(
    ("query", "nothing"),
    [
        ("{ false }", True),
        ("{ false } && { false }", True),
        ("{ false } || { false }", True),
        ("{ false } && { }", False),
        ("{ false } | { }", False),
        ("{ false } | { false }", True),
        ("{ name = `x` }", False),
        ("{}", False),
    ],
)
def test_a_query_without_any_span_is_known_by_its_constants(query: str, nothing: bool) -> None:
    assert finds_nothing(parse(query)) == nothing
