"""A trace by its ID, as Tempo writes it: what is empty is left out in JSON, and is there in protobuf."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.store.traces import StoredSpan
from spanprofiles.embedded.tempo.trace_json import (
    any_value,
    resource_json,
    scope_json,
    span_json,
    trace_json,
    trace_message,
)

TRACE_ID, SPAN_ID, PARENT_ID = bytes(range(16)), b"abcdefgh", b"ABCDEFGH"
NOTED = [KeyValue(key="note", value=AnyValue(string_value="x"))]
NOTED_JSON = [{"key": "note", "value": {"stringValue": "x"}}]


def in_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (AnyValue(string_value=""), {"stringValue": ""}),
        (AnyValue(int_value=-(2**63)), {"intValue": "-9223372036854775808"}),
        (AnyValue(double_value=1.5), {"doubleValue": 1.5}),
        (AnyValue(double_value=float("nan")), {"doubleValue": "NaN"}),
        (AnyValue(double_value=float("inf")), {"doubleValue": "Infinity"}),
        (AnyValue(double_value=-float("inf")), {"doubleValue": "-Infinity"}),
        (AnyValue(bool_value=False), {"boolValue": False}),
        (AnyValue(bytes_value=b"\xff"), {"bytesValue": "/w=="}),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])),
         {"arrayValue": {"values": [{"intValue": "1"}]}}),
        (AnyValue(array_value=ArrayValue()), {"arrayValue": {}}),
        (AnyValue(kvlist_value=KeyValueList(values=NOTED)), {"kvlistValue": {"values": NOTED_JSON}}),
        (AnyValue(kvlist_value=KeyValueList()), {"kvlistValue": {}}),
        (AnyValue(), {}),
    ],
)  # fmt: skip
def test_a_value_is_written_as_protobufs_json_has_it(value: AnyValue, written: dict[str, Any]) -> None:
    assert any_value(value) == written


def test_an_attribute_without_a_key_has_a_value_alone() -> None:
    resource = Resource(attributes=[KeyValue(value=AnyValue(int_value=1))])
    assert resource_json(resource.SerializeToString()) == {"attributes": [{"value": {"intValue": "1"}}]}


def test_a_span_is_written_with_everything_that_it_has() -> None:
    span = Span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        trace_state="a=b",
        parent_span_id=PARENT_ID,
        flags=257,
        name="work",
        kind=Span.SPAN_KIND_CONSUMER,
        start_time_unix_nano=5,
        end_time_unix_nano=2**64 - 1,
        attributes=NOTED,
        dropped_attributes_count=1,
        events=[Span.Event(time_unix_nano=6, name="retry", attributes=NOTED, dropped_attributes_count=2)],
        dropped_events_count=3,
        links=[
            Span.Link(
                trace_id=TRACE_ID,
                span_id=PARENT_ID,
                trace_state="c=d",
                attributes=NOTED,
                dropped_attributes_count=4,
                flags=1,
            )
        ],
        dropped_links_count=5,
        status=Status(code=Status.STATUS_CODE_ERROR, message="torn"),
    )
    assert span_json(span) == {
        "traceId": in_base64(TRACE_ID),
        "spanId": in_base64(SPAN_ID),
        "traceState": "a=b",
        "parentSpanId": in_base64(PARENT_ID),
        "flags": 257,
        "name": "work",
        "kind": "SPAN_KIND_CONSUMER",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "18446744073709551615",
        "attributes": NOTED_JSON,
        "droppedAttributesCount": 1,
        "events": [{"timeUnixNano": "6", "name": "retry", "attributes": NOTED_JSON, "droppedAttributesCount": 2}],
        "droppedEventsCount": 3,
        "links": [
            {
                "traceId": in_base64(TRACE_ID),
                "spanId": in_base64(PARENT_ID),
                "traceState": "c=d",
                "attributes": NOTED_JSON,
                "droppedAttributesCount": 4,
                "flags": 1,
            }
        ],
        "droppedLinksCount": 5,
        "status": {"code": "STATUS_CODE_ERROR", "message": "torn"},
    }


def test_of_a_span_without_anything_its_status_alone_is_written() -> None:
    assert span_json(Span()) == {"status": {}}


def test_events_and_links_without_anything_are_written_empty() -> None:
    assert span_json(Span(events=[Span.Event()], links=[Span.Link()])) == {"events": [{}], "links": [{}], "status": {}}


@pytest.mark.parametrize(
    ("kind", "code", "kind_written", "code_written"),
    [
        (1, 1, "SPAN_KIND_INTERNAL", "STATUS_CODE_OK"),
        (2, 2, "SPAN_KIND_SERVER", "STATUS_CODE_ERROR"),
        (6, 3, 6, 3),
        (-1, -1, -1, -1),
    ],
)
def test_a_kind_or_status_that_has_no_word_is_written_as_its_number(
    kind: int, code: int, kind_written: str | int, code_written: str | int
) -> None:
    # protobuf's Python classes take any number that stands in the bytes
    written = span_json(Span.FromString(b"\x30" + _varint(kind) + b"\x7a" + _with_length(b"\x18" + _varint(code))))
    assert (written["kind"], written["status"]["code"]) == (kind_written, code_written)


def _varint(number: int) -> bytes:
    number %= 2**64
    return bytes([number]) if number < 128 else b"\xff" * 9 + b"\x01"


def _with_length(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def test_a_resource_has_its_attributes_by_their_keys_and_a_scope_as_they_came() -> None:
    pairs = [KeyValue(key=key, value=AnyValue(bool_value=True)) for key in "cab"]
    resource = resource_json(Resource(attributes=pairs, dropped_attributes_count=7).SerializeToString())
    scope = scope_json(
        InstrumentationScope(name="n", version="v", attributes=pairs, dropped_attributes_count=8).SerializeToString()
    )
    assert [pair["key"] for pair in resource.pop("attributes")] == ["a", "b", "c"]
    assert resource == {"droppedAttributesCount": 7}
    assert [pair["key"] for pair in scope.pop("attributes")] == ["c", "a", "b"]
    assert scope == {"name": "n", "version": "v", "droppedAttributesCount": 8}


STORED = [
    StoredSpan(resource, scope, Span(span_id=name.encode(), attributes=[KeyValue(key="nothing")]).SerializeToString())
    for resource, scope, name in ((1, 1, "a"), (2, 1, "b"), (1, 2, "c"), (1, 1, "d"))
]
RESOURCES = {
    number: (Resource(attributes=NOTED, dropped_attributes_count=number).SerializeToString(), url)
    for number, url in ((1, "resource.example"), (2, ""))
}
SCOPES = {
    number: (InstrumentationScope(name=name, attributes=[KeyValue(key="nothing")]).SerializeToString(), url)
    for number, name, url in ((1, "one", "scope.example"), (2, "two", ""))
}


def test_spans_are_grouped_by_resource_and_scope_in_the_order_in_which_they_came() -> None:
    written = []
    for group in trace_json(STORED, RESOURCES, SCOPES):
        scopes = [scope | {"spans": [span["spanId"] for span in scope["spans"]]} for scope in group["scopeSpans"]]
        written.append(group | {"scopeSpans": scopes})
    nothing = [{"key": "nothing", "value": {}}]
    one = {"scope": {"name": "one", "attributes": nothing}, "schemaUrl": "scope.example"}
    two = {"scope": {"name": "two", "attributes": nothing}}
    assert written == [
        {
            "resource": {"attributes": NOTED_JSON, "droppedAttributesCount": 1},
            "scopeSpans": [one | {"spans": ["YQ==", "ZA=="]}, two | {"spans": ["Yw=="]}],
            "schemaUrl": "resource.example",
        },
        {
            "resource": {"attributes": NOTED_JSON, "droppedAttributesCount": 2},
            "scopeSpans": [one | {"spans": ["Yg=="]}],
        },
    ]


def test_a_trace_in_protobuf_says_the_same_as_in_json() -> None:
    message = trace_message(STORED, RESOURCES, SCOPES, NO_DEADLINE)
    written = [
        group | {"scopeSpans": [scope | {"spans": list(scope["spans"])} for scope in group["scopeSpans"]]}
        for group in trace_json(STORED, RESOURCES, SCOPES)
    ]
    assert json_format.MessageToDict(message)["resourceSpans"] == written


def test_in_protobuf_every_attribute_has_a_value_however_deep() -> None:
    empty = [KeyValue(key="nothing")]
    inner = AnyValue(kvlist_value=KeyValueList(values=empty))
    deep = AnyValue(
        array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(array_value=ArrayValue(values=[inner]))])
    )
    pairs = [KeyValue(key="deep", value=deep), *empty]
    span = Span(attributes=pairs, events=[Span.Event(attributes=pairs)], links=[Span.Link(attributes=pairs)])
    resources = {1: (Resource(attributes=pairs).SerializeToString(), "")}
    scopes = {1: (InstrumentationScope(attributes=pairs).SerializeToString(), "")}
    message = trace_message([StoredSpan(1, 1, span.SerializeToString())], resources, scopes, NO_DEADLINE)
    (resource_spans,) = message.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    (found,) = scope_spans.spans
    assert found.HasField("status")
    holders: list[Any] = [resource_spans.resource, scope_spans.scope, found, found.events[0], found.links[0]]
    for holder in holders:
        first, second = holder.attributes
        (within,) = first.value.array_value.values[1].array_value.values[0].kvlist_value.values
        assert [pair.HasField("value") for pair in (first, second, within)] == [True, True, True]
