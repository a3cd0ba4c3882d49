"""Traces as Tempo's API gives them: OTLP in protobuf's JSON, grouped by resource and scope.

IDs are base64 and 64-bit integers strings there, unlike in OTLP's own JSON.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, TracesData

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.store.traces import StoredSpan

Payloads = dict[int, tuple[bytes, str]]
KINDS = (
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
)
STATUS_CODES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _double(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


VALUES: dict[str | None, Callable[[Any], dict[str, Any]]] = {
    "string_value": lambda value: {"stringValue": value.string_value},
    "int_value": lambda value: {"intValue": str(value.int_value)},
    "double_value": lambda value: {"doubleValue": _double(value.double_value)},
    "bool_value": lambda value: {"boolValue": value.bool_value},
    "bytes_value": lambda value: {"bytesValue": _base64(value.bytes_value)},
    "array_value": lambda value: {
        "arrayValue": {"values": [any_value(member) for member in value.array_value.values]}
        if value.array_value.values
        else {}
    },
    "kvlist_value": lambda value: {
        "kvlistValue": {"values": attributes(value.kvlist_value.values)} if value.kvlist_value.values else {}
    },
    None: lambda _: {},
}


def any_value(value: Any) -> dict[str, Any]:  # an OTLP AnyValue
    """Write an OTLP value as JSON."""
    return VALUES.get(value.WhichOneof("value"), VALUES[None])(value)


def attributes(pairs: Iterable[Any]) -> list[dict[str, Any]]:
    """OTLP attributes as JSON, in their order."""
    return [
        {"key": pair.key, "value": any_value(pair.value)} if pair.key else {"value": any_value(pair.value)}
        for pair in pairs
    ]


def _with(target: dict[str, Any], **fields: Any) -> dict[str, Any]:  # JSON values
    """Add the fields that are not empty: protobuf's JSON leaves out what has its default."""
    target.update({name: value for name, value in fields.items() if value})
    return target


def _number(value: int) -> str:
    return str(value) if value else ""


def event_json(event: Any) -> dict[str, Any]:  # an OTLP Span.Event
    """Write a span's event as JSON."""
    return _with(
        {},
        timeUnixNano=_number(event.time_unix_nano),
        name=event.name,
        attributes=attributes(event.attributes),
        droppedAttributesCount=event.dropped_attributes_count,
    )


def link_json(link: Any) -> dict[str, Any]:  # an OTLP Span.Link
    """Write a span's link as JSON."""
    return _with(
        {},
        traceId=_base64(link.trace_id),
        spanId=_base64(link.span_id),
        traceState=link.trace_state,
        attributes=attributes(link.attributes),
        droppedAttributesCount=link.dropped_attributes_count,
        flags=link.flags,
    )


def _enumerated(names: tuple[str, ...], number: int) -> str | int:
    return names[number] if 0 <= number < len(names) else number


def span_json(span: Span) -> dict[str, Any]:
    """Write a span as JSON; its status is always there, if only empty."""
    status = _with({}, message=span.status.message)
    if span.status.code:
        status["code"] = _enumerated(STATUS_CODES, span.status.code)
    return _with(
        {},
        traceId=_base64(span.trace_id),
        spanId=_base64(span.span_id),
        traceState=span.trace_state,
        parentSpanId=_base64(span.parent_span_id),
        flags=span.flags,
        name=span.name,
        kind=_enumerated(KINDS, span.kind) if span.kind else "",
        startTimeUnixNano=_number(span.start_time_unix_nano),
        endTimeUnixNano=_number(span.end_time_unix_nano),
        attributes=attributes(span.attributes),
        droppedAttributesCount=span.dropped_attributes_count,
        events=[event_json(event) for event in span.events],
        droppedEventsCount=span.dropped_events_count,
        links=[link_json(link) for link in span.links],
        droppedLinksCount=span.dropped_links_count,
    ) | {"status": status}


def resource_json(payload: bytes) -> dict[str, Any]:
    """Write a resource as JSON, its attributes sorted by key."""
    resource = Resource.FromString(payload)
    return _with(
        {},
        attributes=attributes(sorted(resource.attributes, key=lambda pair: pair.key)),
        droppedAttributesCount=resource.dropped_attributes_count,
    )


def scope_json(payload: bytes) -> dict[str, Any]:
    """Write an instrumentation scope as JSON."""
    scope = InstrumentationScope.FromString(payload)
    return _with(
        {},
        name=scope.name,
        version=scope.version,
        attributes=attributes(scope.attributes),
        droppedAttributesCount=scope.dropped_attributes_count,
    )


def grouped(spans: Iterable[StoredSpan]) -> dict[int, dict[int, list[bytes]]]:
    """Spans by the number of their resource, then of their scope, in the order in which they came."""
    groups: dict[int, dict[int, list[bytes]]] = {}
    for span in spans:
        groups.setdefault(span.resource, {}).setdefault(span.scope, []).append(span.payload)
    return groups


def trace_json(spans: Iterable[StoredSpan], resources: Payloads, scopes: Payloads) -> Iterator[dict[str, Any]]:
    """Write the resource spans of a trace as JSON, one by one (see ``answers.JsonWriter``)."""
    for resource, by_scope in grouped(spans).items():
        payload, schema_url = resources[resource]
        yield _with(
            {"resource": resource_json(payload), "scopeSpans": _scope_spans(by_scope, scopes)}, schemaUrl=schema_url
        )


def _scope_spans(by_scope: dict[int, list[bytes]], scopes: Payloads) -> Iterator[dict[str, Any]]:
    for scope, members in by_scope.items():
        payload, schema_url = scopes[scope]
        spans = map(span_json, map(Span.FromString, members))
        yield _with({"scope": scope_json(payload), "spans": spans}, schemaUrl=schema_url)


def trace_message(spans: Iterable[StoredSpan], resources: Payloads, scopes: Payloads, deadline: Deadline) -> TracesData:
    """Make a protobuf message of a trace's resource spans; Tempo's ``Trace`` has the same fields."""
    trace = TracesData()
    for resource, by_scope in grouped(spans).items():
        payload, schema_url = resources[resource]
        resource_spans = ResourceSpans(resource=Resource.FromString(payload), schema_url=schema_url)
        _complete_values(resource_spans.resource.attributes)
        for scope, members in by_scope.items():
            scope_payload, scope_schema_url = scopes[scope]
            scope_spans = resource_spans.scope_spans.add(
                scope=InstrumentationScope.FromString(scope_payload), schema_url=scope_schema_url
            )
            _complete_values(scope_spans.scope.attributes)
            for member in deadline.watch(members):
                span = scope_spans.spans.add()
                span.ParseFromString(member)
                _complete_span(span)
        trace.resource_spans.append(resource_spans)
    return trace


def _complete_span(span: Span) -> None:
    """Write the parts of a span that were left out as empty ones, as the real server does: its readers count on them.

    The Tempo data source of Grafana stops at a span without a status.
    """
    span.status.SetInParent()
    _complete_values(span.attributes)
    for event in span.events:
        _complete_values(event.attributes)
    for link in span.links:
        _complete_values(link.attributes)


def _complete_values(pairs: Iterable[Any]) -> None:  # OTLP KeyValues
    waiting = [pairs]
    while waiting:
        for pair in waiting.pop():
            pair.value.SetInParent()
            waiting += _pairs_within(pair.value)


def _pairs_within(value: Any) -> list[Iterable[Any]]:  # an OTLP AnyValue
    """Return the lists of attributes within a value, however deep."""
    found: list[Iterable[Any]] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        kind = value.WhichOneof("value")
        if kind == "array_value":
            waiting += value.array_value.values
        elif kind == "kvlist_value":
            found.append(value.kvlist_value.values)
    return found
