"""From an export to the rows that the store keeps: its IDs are checked, its attributes are made ready for the index."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.indexed_attributes import (
    BOOLEAN,
    EVENT,
    FLOAT,
    INSTRUMENTATION,
    INTEGER,
    INTRINSIC,
    LINK,
    OTHER,
    RESOURCE,
    SPAN,
    STRING,
    IndexedAttribute,
)
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.traces import LARGEST_INTEGER, NewSpans

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
NO_TRACE_ID = bytes(TRACE_ID_BYTES)
SERVICE_NAME = "service.name"
NAME, ROOT_NAME, ROOT_SERVICE, STATUS, STATUS_MESSAGE, EVENT_NAME, SCOPE_NAME, SCOPE_VERSION = (
    "name",
    "rootName",
    "rootServiceName",
    "status",
    "statusMessage",
    "event:name",
    "instrumentation:name",
    "instrumentation:version",
)
"""The intrinsics that are indexed, as TraceQL names them."""
NO_STATUS: IndexedAttribute = (STATUS, INTRINSIC, INTEGER, 0)


def service_of(resource: Resource) -> str:
    """Return the resource's ``service.name``, or an empty text."""
    return next((pair.value.string_value for pair in resource.attributes if pair.key == SERVICE_NAME), "")


def first_service(export: ExportTraceServiceRequest) -> str:
    """Return the ``service.name`` of an export's first resource, or an empty text."""
    return service_of(export.resource_spans[0].resource) if export.resource_spans else ""


def span_count(export: ExportTraceServiceRequest) -> int:
    """How many spans are in an export."""
    return sum(len(scope_spans.spans) for group in export.resource_spans for scope_spans in group.scope_spans)


def span_rows(export: ExportTraceServiceRequest) -> NewSpans:
    """Make the rows of an export.

    Raises:
        ExportError: a span has no trace ID, or one that is all zeros, or an ID of a wrong length.
    """
    rows = NewSpans()
    for resource_spans in export.resource_spans:
        try:
            _add_resource(rows, resource_spans)
        except ExportError as error:
            error.service, error.spans = service_of(resource_spans.resource), span_count(export)
            raise
    return rows


def _add_resource(rows: NewSpans, resource_spans: ResourceSpans) -> None:
    payload = resource_spans.resource.SerializeToString(deterministic=True)
    rows.resources.append((payload, resource_spans.schema_url))
    common = tuple(_indexed(RESOURCE, resource_spans.resource.attributes))
    service = next((value for key, _, kind, value in common if key == SERVICE_NAME and kind == STRING), "")
    if not service:
        common = (*common, (SERVICE_NAME, RESOURCE, STRING, ""))
    for scope_spans in resource_spans.scope_spans:
        scope = scope_spans.scope
        rows.scopes.append((scope.SerializeToString(deterministic=True), scope_spans.schema_url))
        _add_spans(rows, scope_spans.spans, (*common, *_scope_attributes(scope)), service)


def _add_spans(rows: NewSpans, spans: Iterable[Span], common: tuple[IndexedAttribute, ...], service: str) -> None:
    """Add the spans of the latest resource and scope.

    Args:
        rows: where to.
        spans: the spans.
        common: the attributes of their resource and scope.
        service: the resource's service.
    """
    resource, scope = len(rows.resources) - 1, len(rows.scopes) - 1
    seen: set[bytes] = set()
    for span in spans:
        trace_id, span_id, parent_id, name = span.trace_id, span.span_id, span.parent_span_id, span.name
        _check_ids(trace_id, span_id, parent_id)
        start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        if start_ns > LARGEST_INTEGER or end_ns > LARGEST_INTEGER:
            start_ns, end_ns = min(start_ns, LARGEST_INTEGER), min(end_ns, LARGEST_INTEGER)
        trace = rows.trace(trace_id, start_ns, end_ns)
        attributes = trace.attributes
        if trace_id not in seen:
            seen.add(trace_id)
            attributes.update(common)
        _add_attributes(attributes, span, name)
        if not parent_id:
            attributes.add((ROOT_NAME, INTRINSIC, STRING, name))
            attributes.add((ROOT_SERVICE, INTRINSIC, STRING, service))
        trace.spans.append((span_id, span.kind, resource, scope, span.SerializeToString()))


def _check_ids(trace_id: bytes, span_id: bytes, parent_id: bytes) -> None:
    if len(trace_id) != TRACE_ID_BYTES or trace_id == NO_TRACE_ID:
        bits = len(trace_id.lstrip(b"\0")) and len(trace_id) * 8
        raise ExportError(f"trace ids must be 128 bit, received {bits} bits", Reason.TRACE_ID)
    if len(span_id) not in {0, SPAN_ID_BYTES}:
        raise ExportError(f"span ids must be 64 bit, received {len(span_id) * 8} bits", Reason.SPAN_ID)
    if len(parent_id) not in {0, SPAN_ID_BYTES}:
        raise ExportError(f"parent span ids must be 64 bit, received {len(parent_id) * 8} bits", Reason.SPAN_ID)


def _scope_attributes(scope: InstrumentationScope) -> list[IndexedAttribute]:
    return [
        *_indexed(INSTRUMENTATION, scope.attributes),
        (SCOPE_NAME, INTRINSIC, STRING, scope.name),
        (SCOPE_VERSION, INTRINSIC, STRING, scope.version),
    ]


def _add_attributes(found: set[IndexedAttribute], span: Span, name: str) -> None:
    """Add those of one span: what is done for each attribute of each span counts, so texts take the short way."""
    for pair in span.attributes:
        text = pair.value.string_value
        if text:
            found.add((pair.key, SPAN, STRING, text))
        else:
            found.update(_indexed(SPAN, (pair,)))
    found.add((NAME, INTRINSIC, STRING, name))
    if span.HasField("status"):
        status = span.status
        found.add((STATUS, INTRINSIC, INTEGER, status.code))
        if status.message:
            found.add((STATUS_MESSAGE, INTRINSIC, STRING, status.message))
    else:
        found.add(NO_STATUS)
    for event in span.events:
        found.add((EVENT_NAME, INTRINSIC, STRING, event.name))
        found.update(_indexed(EVENT, event.attributes))
    for link in span.links:
        found.update(_indexed(LINK, link.attributes))


def _indexed(scope: int, pairs: Iterable[KeyValue]) -> Iterator[IndexedAttribute]:
    """Make the rows under which attributes are found: a list has one for each of its members."""
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield pair.key, scope, STRING, value.string_value
        elif kind == "array_value":
            yield from _members(scope, pair.key, value.array_value.values)
        else:
            yield _scalar(scope, pair.key, kind, value)


def _members(scope: int, key: str, values: Iterable[AnyValue]) -> Iterator[IndexedAttribute]:
    yield key, scope, OTHER, 0
    for value in values:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield key, scope, STRING, value.string_value
        elif kind != "array_value":
            yield _scalar(scope, key, kind, value)


def _scalar(scope: int, key: str, kind: str | None, value: AnyValue) -> IndexedAttribute:
    if kind == "int_value":
        return key, scope, INTEGER, value.int_value
    if kind == "double_value":
        number = value.double_value
        return (key, scope, OTHER, 0) if math.isnan(number) else (key, scope, FLOAT, number)
    if kind == "bool_value":
        return key, scope, BOOLEAN, int(value.bool_value)
    return key, scope, OTHER, 0
