"""What TraceQL finds in one trace and what it sees of each span, without a store: the behaviour of Tempo 3.0.3."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.traceql.conditions import conditions_of
from spanprofiles.embedded.traceql.errors import EvaluationError
from spanprofiles.embedded.traceql.evaluation import Spanset, stage_of
from spanprofiles.embedded.traceql.fetcher import Fetcher, SpanView
from spanprofiles.embedded.traceql.parser import parse
from spanprofiles.embedded.traceql.records import ResourceRecord, ScopeRecord, SpanRecord, TraceRecord
from spanprofiles.embedded.traceql.values import text_of

MS_NS = 10**6
START_NS = 10**18


def value_of(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[value_of(member) for member in value]))
    return AnyValue(string_value=value)


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value_of(value)) for key, value in values.items()]


def span(name: str, parent: str = "", length_ms: int = 10, values: dict[str, Any] | None = None, **more: Any) -> Span:
    """A span whose ID is its name."""
    start_ns = START_NS + more.pop("after_ms", 0) * MS_NS
    return Span(
        name=name,
        span_id=name.encode(),
        parent_span_id=parent.encode(),
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + length_ms * MS_NS,
        attributes=pairs(values or {}),
        **more,
    )


def event(name: str, after_ms: int, **values: Any) -> Span.Event:
    return Span.Event(name=name, time_unix_nano=START_NS + after_ms * MS_NS, attributes=pairs(values))


SHOP = ResourceRecord(Resource(attributes=pairs({"service.name": "shop", "region": "eu", "n": 7})).SerializeToString())
BANK = ResourceRecord(Resource(attributes=pairs({"service.name": "bank", "k8s.pod.name": "p"})).SerializeToString())
SDK = ScopeRecord(InstrumentationScope(name="sdk", version="1", attributes=pairs({"lib": "x"})).SerializeToString())
OWN = ScopeRecord(InstrumentationScope(name="own").SerializeToString())
ERROR = Status(code=Status.STATUS_CODE_ERROR, message="torn")
LINK = Span.Link(trace_id=bytes(15) + b"\xab", span_id=b"12345678", attributes=pairs({"why": "retry"}))


def trace() -> TraceRecord:
    """An order with its steps in one service, and a payment in another."""
    spans = [
        (span("order", "", 200, {"items": 3, "price": 1.5, "paid": True, "http.method": "GET", "mixed": 3}, kind=2),
         SHOP, SDK),
        (span("pick", "order", 150, {"items": 2, "tags": ["a", "b"], "n": 1, "note": "x", "mixed": "3"}, after_ms=10),
         SHOP, SDK),
        (span("pack", "order", 20, {"items": 1, "paid": False, "price": -2.5}, after_ms=170, status=ERROR), SHOP, OWN),
        (span("pay", "order", 5, {"note": "y", "http.status_code": 200}, after_ms=180, kind=3,
              events=[event("retry", 181, attempt=1), event("done", 185)], links=[LINK]), BANK, OWN),
        (span("idle", "pay", 0, after_ms=190), BANK, OWN),
    ]  # fmt: skip
    records = [SpanRecord(made.SerializeToString(), resource, scope) for made, resource, scope in spans]
    return TraceRecord(bytes(15) + b"\x0a", records, NO_DEADLINE)


def spansets(query: str) -> list[Spanset]:
    pipeline = parse(query)
    conditions = conditions_of(pipeline)
    views = Fetcher(conditions.first, NO_DEADLINE, every=conditions.every).fetch(trace())
    return stage_of(pipeline, NO_DEADLINE)([Spanset(views)]) if views else []


def names(views: list[SpanView]) -> str:
    return " ".join(view.record.message.name for view in views)


ALL = "order pick pack pay idle"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{}", ALL),
        ("{ kind = server }", "order"),
        ("{ kind != server }", "pick pack pay idle"),
        ("{ status = error }", "pack"),
        ("{ status = unset }", "order pick pay idle"),
        ("{ statusMessage = `torn` }", "pack"),
        ("{ duration = 0 }", "idle"),
        ("{ duration >= 150ms }", "order pick"),
        ("{ duration > 150ms }", "order"),
        ("{ duration <= 5ms }", "pay idle"),
        ("{ duration < 5ms }", "idle"),
        ("{ duration * 2 > 300ms }", "order"),
        ("{ traceDuration = 200ms && name = `idle` }", "idle"),
        ("{ rootName = `order` && kind = client }", "pay"),
        ("{ rootServiceName = `bank` }", ""),
        ("{ trace:id = `a` && name = `idle` }", "idle"),
        ("{ trace:id = `00a` && name = `idle` }", "idle"),
        ("{ span:childCount = 3 }", "order"),
        ("{ nestedSetParent = 1 }", "pick pack pay"),
        ("{ nestedSetLeft = 1 && nestedSetRight = 10 }", "order"),
        # The left side of a division is looked at first, as Go does.
        ("{ span.items / 2 = 1 }", "order pick"),
        ("{ span.items % 2 = 1 }", "order pack"),
        ("{ span.items - 1 = 1 }", "pick"),
        ("{ -span.items < -2 }", "order"),
        ("{ span.price + 1.0 < 0.0 }", "pack"),
        ("{ span.paid }", "order"),
        ("{ !span.paid }", "pack"),
        ("{ span.paid = false }", "pack"),
        ("{ span.note != nil }", "pick pay"),
        ("{ span.note = nil }", "order pack"),
        ("{ span.tags = `b` }", "pick"),
        ("{ span.tags =~ `b|c` }", "pick"),
        ("{ span.tags != `c` }", "pick"),
        ("{ span.note > `x` }", "pay"),
        ("{ span.note =~ `x|y` && span.note != `x` }", "pay"),
        ("{ .n = 7 }", "order pack"),
        ("{ .n = 1 }", "pick"),
        ("{ .n > 0 }", "order pick pack"),
        ("{ resource.n = 7 }", "order pick pack"),
        ("{ resource.region = `eu` && kind = server }", "order"),
        # The bank has nothing but columns of their own, and so nothing that another attribute could be missed beside.
        ("{ resource.region = nil }", ""),
        ("{ resource.service.name = `bank` }", "pay idle"),
        ("{ resource.service.name != `bank` }", "order pick pack"),
        ("{ resource.service.name =~ `b.*` }", "pay idle"),
        ("{ resource.k8s.pod.name = `p` }", "pay idle"),
        ("{ resource.k8s.pod.name = nil }", "order pick pack"),
        ("{ instrumentation:name = `sdk` }", "order pick"),
        ("{ instrumentation:version = `` }", "pack pay idle"),
        ("{ instrumentation.lib = `x` }", "order pick"),
        ("{ span.http.method = `GET` }", "order"),
        ("{ span.http.method = nil }", "pick pack pay idle"),
        ("{ span.http.method = nil || span.items = 3 }", ALL),
        ("{ span.http.method = nil && span.items = 3 }", ""),
        ("{ span.items = 3s }", ""),
        ("{ span.http.status_code >= 200 }", "pay"),
        ("{ event:name = `done` }", "pay"),
        ("{ event:timeSinceStart = 1ms }", "pay"),
        ("{ event:timeSinceStart > 5ms }", ""),
        ("{ event.attempt = 1 }", "pay"),
        ("{ event.attempt != nil }", "pay"),
        ("{ link:traceID = `ab` }", "pay"),
        ("{ link:spanID = `3132333435363738` }", "pay"),
        ("{ link.why = `retry` }", "pay"),
        ("{ link.why = `other` }", ""),
        ("{ event:name = `done` || link.why = `other` }", "pay"),
        # Regular expressions are matched on every level.
        ("{ rootName =~ `or.*` && duration = 0 }", "idle"),
        ("{ instrumentation:name =~ `s.*` }", "order pick"),
        ("{ resource.region =~ `e.` && kind = server }", "order"),
        ("{ event:name =~ `d.*` }", "pay"),
        ("{ link.why =~ `re.*` }", "pay"),
        ("{ link.why !~ `re.*` }", ""),
        ("{ duration != nil && kind = server }", "order"),
        ("{ name = `pay` || name = `pack` || name = `nobody` }", "pack pay"),
        ("{ name != `pay` && name != `pack` }", "order pick idle"),
        ("{ kind = server || duration = 0 }", "order idle"),
        ("{ kind = server && duration = 0 }", ""),
        ("{ span.nothing || kind = server }", ""),
        ("{ kind = server || span.nothing }", ""),
        ("{ kind = server && span.nothing }", ""),
        ("{ name = `pick` } > {}", ""),
        ("{ name = `pay` } > {}", "idle"),
        ("{ name = `idle` } << {}", "order pay"),
        ("{ name = `pick` } ~ {}", "pack pay"),
        ("{ name = `pay` } && { name = `pick` }", "pick pay"),
        ("{ kind = server } && {}", ALL),
        ("{ name = `pay` } && { name = `nobody` }", ""),
        ("{ name = `nobody` } || { name = `pay` }", "pay"),
        ("{ name = `nobody` } !> { name = `pay` }", "pay"),
        ("{ duration > 1ms } | { duration < 10ms }", "pay"),
        ("{} | count() = 5", ALL),
        ("{} | count() != 5", ""),
        ("{} | count() >= 6", ""),
        ("{} | count() <= 5", ALL),
        ("{} | count() < 5", ""),
        ("{} | sum(span.items) = 6", ALL),
        ("{} | sum(duration) = 375ms", ALL),
        # What is no number is added to nothing, and divides all the same.
        ("{} | sum(span.mixed) = 3", ALL),
        ("{} | avg(span.mixed) = 1.5", ALL),
        ("{} | sum(span.note) != 1", ""),
        ("{} | avg(span.note) != 1", ""),
        ("{} | sum(span.price) = -1", ALL),
        ("{} | avg(span.items) = 2", ALL),
        ("{} | avg(duration) = 75ms", ALL),
        ("{} | avg(-duration) = -75ms", ALL),
        ("{} | avg(span.price) = -0.5", ALL),
        ("{} | max(span.items) = 3", ALL),
        ("{} | min(span.items) = 1", ALL),
        ("{} | max(duration) > 200ms", ""),
        ("{} | min(duration) = 0", ALL),
        ("{} | max(span.nothing) > 0", ""),
        ("{} | max(span.nothing) < 0", ""),
        ("{} | min(span.note) < 5", ""),
        ("{} | max(span.note) != 5", ""),
        ("{} | by(name) | max(span.n) > 0", "pick"),  # groups without a value are left out
        ("{} | ({} | count())", ALL),
    ],
)  # fmt: skip
def test_these_spans_of_a_trace_answer_a_query(query: str, found: str) -> None:
    assert " ".join(names(spanset.spans) for spanset in spansets(query)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{} | by(resource.service.name)",
         {"by(resource.service.name)=shop": "order pick pack", "by(resource.service.name)=bank": "pay idle"}),
        ("{} | by(status)", {"by(status)=unset": "order pick pay idle", "by(status)=error": "pack"}),
        ("{} | by(span.items > 1)",
         {"by(span.items > 1)=true": "order pick", "by(span.items > 1)=false": "pack pay idle"}),
        ("{} | by(status) | count() > 1", {"by(status)=unset, count()=4": "order pick pay idle"}),
        ("{} | by(status) | by(kind)",
         {"by(status)=unset, by(kind)=server": "order", "by(status)=unset, by(kind)=unspecified": "pick idle",
          "by(status)=unset, by(kind)=client": "pay", "by(status)=error, by(kind)=unspecified": "pack"}),
        ("{} | by(status) | coalesce()", {"": "order pick pay idle pack"}),
        ("{} | max(span.items) > 1", {"max(span.items)=3": ALL}),
        ("{} | avg(duration) > 1ms | { kind = client }", {"avg(duration)=75ms": "pay"}),
        ("{} | by(status) | { kind = client }", {"by(status)=unset": "pay"}),
        ("({} | by(status)) && { kind = client }", {"": "pay order pick idle pack"}),
    ],
)  # fmt: skip
def test_groups_and_aggregates_are_said_of_the_spans(query: str, found: dict[str, str]) -> None:
    assert {
        ", ".join(f"{name}={text_of(value)}" for name, value in spanset.attributes): names(spanset.spans)
        for spanset in spansets(query)
    } == found


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ span.items / 0 = 1 }", "division by zero"),
        ("{ span.items % 0 = 1 }", "modulo by zero"),
        ("{ !span.items }", "expected a boolean"),
        ("{ -span.note = 1 }", "expected a numeric"),
        ("{ span.tags = span.tags }", "array operators must consist of a scalar and an array operand"),
        ("({} | by(status)) > {}", "spanset operators are not supported for multiple spansets per trace"),
        ("{} > ({} | by(status))", "consider using coalesce"),
    ],
)
def test_a_query_that_fails_on_a_span_says_why(query: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        spansets(query)


@pytest.mark.parametrize(
    ("query", "name", "seen"),
    [
        ("{ span.items > 1 }", "order", {"span.items": "3"}),
        ("{ span.http.method != `x` || span.items > 0 }", "pick", {"span.items": "2"}),
        # A column of its own is seen as the text `nil` where it is empty.
        ("{ } | by(span.http.method)", "pick", {"span.http.method": "nil"}),
        ("{ } | by(span.http.method)", "order", {"span.http.method": "GET"}),
        ("{ } | by(resource.k8s.pod.name)", "order", {"resource.k8s.pod.name": "nil"}),
        ("{ } | by(span.note)", "order", {}),
        ("{ span.tags = `a` }", "pick", {"span.tags": "a"}),
        ("{ span.tags != `c` }", "pick", {"span.tags": "[`a`, `b`]"}),
        ("{ } | by(event:name)", "pick", {"event:name": ""}),
        ("{ } | by(event:timeSinceStart)", "pick", {"event:timeSinceStart": "0s"}),
        ("{ } | by(link:spanID)", "pick", {"link:spanID": "0000000000000000"}),
        ("{ event:name = `retry` }", "pay", {"event:name": "retry"}),
        ("{ kind = client } | by(event:timeSinceStart)", "pay", {"kind": "client", "event:timeSinceStart": "5ms"}),
        ("{ kind = client } | by(link:spanID)", "pay", {"kind": "client", "link:spanID": "3132333435363738"}),
        ("{ kind = client } | by(link:traceID)", "pay", {"kind": "client", "link:traceID": "ab"}),
        ("{ name = `idle` } < { name = `pay` }", "pay", {"name": "pay"}),
        ("{ nestedSetLeft > 5 } > { }", "pay", {"nestedSetLeft": "6"}),
    ],
)
def test_a_query_sees_of_a_span_what_it_asks_for(query: str, name: str, seen: dict[str, str]) -> None:
    conditions = conditions_of(parse(query))
    views = Fetcher(conditions.first, NO_DEADLINE, every=conditions.every).fetch(trace())
    (view,) = (view for view in views if view.record.message.name == name)
    assert {str(attribute): text_of(value) for attribute, value in view.everything()} == seen
