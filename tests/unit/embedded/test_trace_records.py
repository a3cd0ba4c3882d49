"""What a query knows of a trace: its length, its root, its services, and the place of each span in its tree."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.traceql.fetcher import SpanView
from spanprofiles.embedded.traceql.records import (
    ResourceRecord,
    ScopeRecord,
    SpanRecord,
    TraceRecord,
    attributes_of,
    long_hex,
    short_hex,
    values_of,
)
from spanprofiles.embedded.traceql.relations import related
from spanprofiles.embedded.traceql.values import BOOLEAN, FLOAT, INTEGER, STRING

SCOPE = ScopeRecord(InstrumentationScope(name="tests", version="1").SerializeToString())
TRACE_ID = bytes(15) + b"\x0a"


def text(content: str) -> AnyValue:
    return AnyValue(string_value=content)


def resource(service: str | None = "shop") -> ResourceRecord:
    pairs = [] if service is None else [KeyValue(key="service.name", value=text(service))]
    return ResourceRecord(Resource(attributes=pairs).SerializeToString())


def record(span: Span, service: str | None = "shop") -> SpanRecord:
    return SpanRecord(span.SerializeToString(), resource(service), SCOPE)


def trace_of(*spans: SpanRecord) -> TraceRecord:
    return TraceRecord(TRACE_ID, list(spans), NO_DEADLINE)


def tree(*pairs: tuple[str, str], **fields: Any) -> dict[str, SpanRecord]:
    """The spans of a placed trace by their names: each pair is a span and its parent."""
    spans = {
        name: record(Span(name=name, span_id=name.encode(), parent_span_id=parent.encode(), **fields))
        for name, parent in pairs
    }
    trace_of(*spans.values()).place(NO_DEADLINE)
    return spans


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (text("a"), (STRING, ("a",))),
        (AnyValue(int_value=0), (INTEGER, (0,))),
        (AnyValue(double_value=1.5), (FLOAT, (1.5,))),
        (AnyValue(bool_value=False), (BOOLEAN, (False,))),
        (AnyValue(array_value=ArrayValue(values=[text("a"), text("b")])), (STRING, ("a", "b"))),
        (AnyValue(array_value=ArrayValue(values=[text("a"), AnyValue(int_value=1)])), (STRING, ())),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(bytes_value=b"a")])), (STRING, ())),
        (AnyValue(array_value=ArrayValue()), (STRING, ())),
        (AnyValue(kvlist_value=KeyValueList()), (STRING, ())),
        (AnyValue(), (STRING, ())),
    ],
)
def test_scalars_and_lists_of_one_type_are_what_a_query_can_compare(
    value: AnyValue, found: tuple[int, tuple[Any, ...]]
) -> None:
    assert values_of(value) == found


def test_of_two_attributes_with_one_name_the_first_counts() -> None:
    pairs = [KeyValue(key=key, value=text(value)) for key, value in (("a", "1"), ("b", "2"), ("a", "3"))]
    assert attributes_of(pairs) == {"a": (STRING, ("1",)), "b": (STRING, ("2",))}


def test_ids_are_written_as_searches_have_them() -> None:
    assert short_hex(bytes.fromhex("00" * 14 + "0a10")) == "a10"
    assert (long_hex(b"\x01\x02"), long_hex(b"")) == ("0000000000000102", "0" * 16)


@pytest.mark.parametrize(
    ("value", "service"),
    [
        (text("shop"), "shop"),
        (AnyValue(int_value=5), ""),
        (AnyValue(array_value=ArrayValue(values=[text("a"), text("b")])), ""),
    ],
)
def test_a_service_has_a_name_where_it_is_one_text(value: AnyValue, service: str) -> None:
    found = ResourceRecord(Resource(attributes=[KeyValue(key="service.name", value=value)]).SerializeToString())
    assert found.service == service
    assert ("service.name" in found.attributes) == (not service)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "duration_ns"),
    [(5, 9, 4), (9, 5, -4), (0, 2**63 - 1, 2**63 - 1), (0, 2**63, -(2**63)), (7, 7, 0)],
)
def test_a_span_is_as_long_as_64_bits_say(start_ns: int, end_ns: int, duration_ns: int) -> None:
    span = record(Span(start_time_unix_nano=start_ns, end_time_unix_nano=end_ns))
    assert (span.start_ns, span.duration_ns) == (start_ns, duration_ns)


@pytest.mark.parametrize(
    ("times", "start_ns", "duration_ns"),
    [
        ([(5, 9), (3, 7)], 3, 6),
        ([(0, 9), (4, 7)], 4, 5),
        ([(0, 9)], 0, 9),
        ([(9, 5)], 9, -4),
        ([(1, 2**63)], 1, 2**63 - 1),
        ([(1, 2**63 + 1)], 1, -(2**63)),
    ],
)
def test_a_trace_lasts_from_its_first_time_to_its_last(
    times: list[tuple[int, int]], start_ns: int, duration_ns: int
) -> None:
    trace = trace_of(*(record(Span(start_time_unix_nano=start, end_time_unix_nano=end)) for start, end in times))
    assert (trace.start_ns, trace.duration_ns) == (start_ns, duration_ns)


def bridged(trace_id: bytes, key: str, value: str) -> Span:
    """A span without a parent that has a link."""
    link = Span.Link(trace_id=trace_id, attributes=[KeyValue(key="x"), KeyValue(key=key, value=text(value))])
    return Span(name="linked", trace_id=TRACE_ID, links=[Span.Link(), link])


@pytest.mark.parametrize(
    ("second", "root"),
    [
        (Span(name="second"), "second"),
        (Span(name="child", parent_span_id=b"first"), "first"),
        (bridged(TRACE_ID, "opentracing.ref_type", "child_of"), "first"),
        (bridged(TRACE_ID, "opentracing.ref_type", "follows_from"), "linked"),
        (bridged(TRACE_ID, "ref_type", "child_of"), "linked"),
        (bridged(b"another trace id", "opentracing.ref_type", "child_of"), "linked"),
    ],
)
def test_a_trace_is_called_by_its_last_span_without_a_parent(second: Span, root: str) -> None:
    spans = (record(Span(name="first", trace_id=TRACE_ID), service="first"), record(second, service="second"))
    trace = trace_of(*spans)
    assert (trace.root_name, trace.root_service) == (root, "first" if root == "first" else "second")


def test_a_trace_whose_root_has_not_come_has_no_name() -> None:
    trace = trace_of(record(Span(name="child", parent_span_id=b"parent")))
    assert (trace.root_name, trace.root_service) == ("", "")


def test_the_spans_and_errors_of_each_service_are_counted() -> None:
    failed = Span(status=Status(code=Status.STATUS_CODE_ERROR))
    fine = Span(status=Status(code=Status.STATUS_CODE_OK))
    spans = [record(fine, "a"), record(failed, "b"), record(failed, "b"), record(fine, "b"), record(fine, "a")]
    assert trace_of(*spans).services(NO_DEADLINE) == {"a": {"spanCount": 2}, "b": {"spanCount": 3, "errorCount": 2}}


def places(spans: dict[str, SpanRecord]) -> dict[str, tuple[int, int, int, int]]:
    return {name: (span.left, span.right, span.parent, span.child_count) for name, span in spans.items()}


def test_descendants_lie_between_the_left_and_the_right_of_a_span() -> None:
    spans = tree(("root", ""), ("a", "root"), ("b", "root"), ("leaf", "a"), ("lost", "nobody"), ("other", ""))
    assert places(spans) == {
        "root": (1, 8, -1, 2),
        "a": (2, 5, 1, 1),
        "leaf": (3, 4, 2, 0),
        "b": (6, 7, 1, 0),
        "lost": (0, 0, 0, 0),
        "other": (9, 10, -1, 0),
    }


def test_without_a_root_no_span_has_a_place() -> None:
    assert places(tree(("a", "nobody"), ("b", "a"))) == {"a": (0, 0, 0, 0), "b": (0, 0, 0, 0)}


def place(*spans: Span) -> list[tuple[int, int, int]]:
    records = [record(span) for span in spans]
    trace_of(*records).place(NO_DEADLINE)
    return [(span.left, span.right, span.parent) for span in records]


CLIENT = Span(span_id=b"shared", parent_span_id=b"root", kind=Span.SPAN_KIND_CLIENT)
SERVER = Span(span_id=b"shared", parent_span_id=b"shared", kind=Span.SPAN_KIND_SERVER)
WORK = Span(span_id=b"work", parent_span_id=b"shared", kind=Span.SPAN_KIND_INTERNAL)
ROOT = Span(span_id=b"root")


def test_a_client_is_above_the_server_of_its_id_and_that_above_all_else() -> None:
    expected = [(1, 8, -1), (2, 7, 1), (3, 6, 2), (4, 5, 3)]
    assert place(ROOT, CLIENT, SERVER, WORK) == expected
    assert place(ROOT, SERVER, CLIENT, WORK) == [expected[0], expected[2], expected[1], expected[3]]


def test_what_has_two_parents_with_one_id_of_other_kinds_has_no_place() -> None:
    assert place(ROOT, CLIENT, CLIENT, WORK)[-1] == (0, 0, 0)


def test_three_spans_with_one_id_leave_a_whole_trace_without_places() -> None:
    assert place(ROOT, CLIENT, CLIENT, SERVER) == [(0, 0, 0)] * 4


def test_a_trace_is_placed_once() -> None:
    spans = [record(ROOT), record(CLIENT)]
    trace = trace_of(*spans)
    trace.place(NO_DEADLINE)
    trace.place(NO_DEADLINE)
    assert spans[0].child_count == 1


FAMILY = [
    ("grandmother", ""),
    ("mother", "grandmother"),
    ("aunt", "grandmother"),
    ("son", "mother"),
    ("daughter", "mother"),
    ("cousin", "aunt"),
    ("stranger", ""),
    ("lost", "nobody"),
]
EVERYBODY = [name for name, _ in FAMILY]


@pytest.mark.parametrize(
    ("left", "operator", "right", "found"),
    [
        ("mother", ">", "*", "son daughter"),
        ("mother", ">>", "*", "son daughter"),
        ("grandmother", ">>", "*", "mother aunt son daughter cousin"),
        ("mother aunt", ">>", "*", "son daughter cousin"),
        ("grandmother mother", ">>", "aunt son stranger", "aunt son"),
        ("mother aunt", ">>", "grandmother stranger lost", ""),
        ("son", "<", "*", "mother"),
        ("son cousin", "<<", "*", "grandmother mother aunt"),
        ("stranger", "<<", "*", ""),
        ("son", "~", "*", "daughter"),
        ("son daughter", "~", "*", "son daughter"),
        ("grandmother", "~", "*", "stranger"),  # roots have the same parent: none
        ("lost", "~", "*", ""),
        ("lost", ">", "*", ""),
        ("*", ">", "lost", ""),
        ("mother", "!>", "son cousin lost", "cousin lost"),
        ("grandmother", "!>>", "*", "grandmother stranger lost"),
        ("son", "!<", "mother aunt", "aunt"),
        ("cousin", "!<<", "*", "mother son daughter cousin stranger lost"),
        ("son", "!~", "*", "grandmother mother aunt son cousin stranger lost"),
        ("mother aunt stranger", "&>", "son cousin lost", "son cousin mother aunt"),
        ("grandmother stranger", "&>>", "son lost", "son grandmother"),
        ("son cousin", "&<", "mother stranger", "mother son"),
        ("son stranger", "&<<", "grandmother aunt", "grandmother son"),
        ("son cousin", "&~", "daughter aunt", "daughter son"),
    ],
)
def test_relations_find_spans_on_the_right_and_with_an_ampersand_on_both_sides(
    left: str, operator: str, right: str, found: str
) -> None:
    views = {name: SpanView(span) for name, span in tree(*FAMILY).items()}

    def named(names: str) -> list[SpanView]:
        return [views[name] for name in (EVERYBODY if names == "*" else names.split())]

    result = related(operator, named(left), named(right), NO_DEADLINE)
    assert [view.record.message.name for view in result] == found.split()
