"""From an export to the rows that the store keeps: its IDs are checked, its attributes are made ready for the index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.indexed_attributes import (
    EVENT,
    INSTRUMENTATION,
    INTEGER,
    INTRINSIC,
    LINK,
    RESOURCE,
    SPAN,
    STRING,
    IndexedAttribute,
    indexed,
    may_be_list,
)
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.raw_spans import OpenedSpans, WholeSpans
from spanprofiles.embedded.store.traces import (
    LARGEST_INTEGER,
    TRACES_IN_WINDOW,
    AttributeKey,
    NewChunk,
    NewSpans,
    NewTrace,
)

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
SPAN_ID_LENGTHS = (0, SPAN_ID_BYTES)
"""A span may have no ID. Together, too, two lengths have no other bits: 8 is a power of two."""
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


def check_ids(export: ExportTraceServiceRequest) -> None:
    """See that every span has IDs with which it can be kept.

    Raises:
        ExportError: a span has no trace ID, or one that is all zeros, or an ID of a wrong length.
    """
    for resource_spans in export.resource_spans:
        try:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
                    if len(trace_id) != TRACE_ID_BYTES or trace_id == NO_TRACE_ID:
                        raise _wrong_trace_id(trace_id)
                    if (len(span_id) | len(parent_id)) not in SPAN_ID_LENGTHS:
                        raise _wrong_span_id(span_id, parent_id)
        except ExportError as error:
            error.service, error.spans = service_of(resource_spans.resource), span_count(export)
            raise


def span_rows(export: ExportTraceServiceRequest) -> NewSpans:
    """Make the rows of an export, or of several together, whose IDs were checked."""
    rows = NewSpans()
    for resource_spans in export.resource_spans:
        _add_resource(rows, resource_spans)
    for holders in rows.holders:
        _open_lists(holders)
    return rows


def _add_resource(rows: NewSpans, resource_spans: ResourceSpans) -> None:
    payload = resource_spans.resource.SerializeToString(deterministic=True)
    rows.resources.append((payload, resource_spans.schema_url))
    common = tuple(indexed(RESOURCE, resource_spans.resource.attributes))
    service = next((value for key, _, kind, value in common if key == SERVICE_NAME and kind == STRING), "")
    if not service:
        common = (*common, (SERVICE_NAME, RESOURCE, STRING, ""))
    for scope_spans in resource_spans.scope_spans:
        scope = scope_spans.scope
        rows.scopes.append((scope.SerializeToString(deterministic=True), scope_spans.schema_url))
        _add_spans(rows, scope_spans, (*common, *_scope_attributes(scope)), service)


def _add_spans(rows: NewSpans, scope_spans: ScopeSpans, common: tuple[IndexedAttribute, ...], service: str) -> None:
    """Add the spans of the latest resource and scope.

    Args:
        rows: where to.
        scope_spans: the spans.
        common: the attributes of their resource and scope.
        service: the resource's service.
    """
    resource, scope = len(rows.resources) - 1, len(rows.scopes) - 1
    held: dict[int, _Held] = {}
    known: dict[bytes, tuple[NewTrace, NewChunk, _Held, int]] = {}
    serialized = scope_spans.SerializeToString()
    payloads = WholeSpans.FromString(serialized).spans
    for span, payload in zip(OpenedSpans.FromString(serialized).spans, payloads, strict=True):
        trace_id, span_id, parent_id, name = span.trace_id, span.span_id, span.parent_span_id, span.name
        start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        if start_ns > LARGEST_INTEGER or end_ns > LARGEST_INTEGER:
            start_ns, end_ns = min(start_ns, LARGEST_INTEGER), min(end_ns, LARGEST_INTEGER)
        if trace_id not in known:
            trace = rows.trace(trace_id, start_ns, end_ns)
            window, place = divmod(trace.place, TRACES_IN_WINDOW)
            if window not in held:
                held[window] = _Held(rows.holders[window])
            held[window].all |= 1 << place
            chunk = NewChunk(trace_id, resource, scope)
            rows.chunks.append(chunk)
            known[trace_id] = trace, chunk, held[window], 1 << place
        trace, chunk, of_window, bit = known[trace_id]
        if start_ns < trace.start_ns or end_ns > trace.end_ns:
            trace.widen(start_ns, end_ns)
        holders, names = of_window.holders, of_window.names
        for attribute in span.attributes:
            holders[attribute] = holders.get(attribute, 0) | bit
        names[name] = names.get(name, 0) | bit
        if span.status or span.events or span.links:
            for key in _inner_attributes(span):
                holders[key] = holders.get(key, 0) | bit
        else:
            of_window.without_status |= bit
        if not parent_id:
            roots = of_window.roots
            roots[name] = roots.get(name, 0) | bit
        chunk.span_ids.append(span_id)
        chunk.spans.append(payload)
    for of_window in held.values():
        of_window.finish(common, service)


class _Held:
    """What the spans of one resource and scope have, of a window of traces: a bit for each trace.

    Most of it is told apart by a text alone, which takes less time than by a whole row.

    Args:
        holders: which traces of the window hold which attributes.

    Attributes:
        names: the names of spans.
        roots: the names of spans without a parent.
        without_status: the traces that have a span with neither status, events nor links.
        all: all the traces.
    """

    __slots__ = ("all", "holders", "names", "roots", "without_status")

    def __init__(self, holders: dict[AttributeKey, int]) -> None:
        self.holders = holders
        self.names: dict[str, int] = {}
        self.roots: dict[str, int] = {}
        self.without_status = 0
        self.all = 0

    def finish(self, common: Iterable[IndexedAttribute], service: str) -> None:
        """Put everything among the attributes.

        Args:
            common: the attributes of the resource and scope.
            service: the resource's service.
        """
        for key in common:
            self._hold(key, self.all)
        for name, bits in self.names.items():
            self._hold((NAME, INTRINSIC, STRING, name), bits)
        for name, bits in self.roots.items():
            self._hold((ROOT_NAME, INTRINSIC, STRING, name), bits)
            self._hold((ROOT_SERVICE, INTRINSIC, STRING, service), bits)
        if self.without_status:
            self._hold(NO_STATUS, self.without_status)

    def _hold(self, key: AttributeKey, bits: int) -> None:
        self.holders[key] = self.holders.get(key, 0) | bits


def _open_lists(holders: dict[AttributeKey, int]) -> None:
    """Put the members of lists in the place of lists."""
    for raw in [key for key in holders if isinstance(key, bytes) and may_be_list(key)]:
        bits = holders.pop(raw)
        for key in indexed(SPAN, (KeyValue.FromString(raw),)):
            holders[key] = holders.get(key, 0) | bits


def _wrong_trace_id(trace_id: bytes) -> ExportError:
    bits = len(trace_id.lstrip(b"\0")) and len(trace_id) * 8
    return ExportError(f"trace ids must be 128 bit, received {bits} bits", Reason.TRACE_ID)


def _wrong_span_id(span_id: bytes, parent_id: bytes) -> ExportError:
    """Tell which of a span's two IDs is wrong, as one of them is."""
    if len(span_id) not in SPAN_ID_LENGTHS:
        return ExportError(f"span ids must be 64 bit, received {len(span_id) * 8} bits", Reason.SPAN_ID)
    return ExportError(f"parent span ids must be 64 bit, received {len(parent_id) * 8} bits", Reason.SPAN_ID)


def _scope_attributes(scope: InstrumentationScope) -> list[IndexedAttribute]:
    return [
        *indexed(INSTRUMENTATION, scope.attributes),
        (SCOPE_NAME, INTRINSIC, STRING, scope.name),
        (SCOPE_VERSION, INTRINSIC, STRING, scope.version),
    ]


def _inner_attributes(span: Any) -> Iterator[IndexedAttribute]:  # a span that is opened
    """Make the rows for what is inside a span."""
    status = Status.FromString(span.status)
    yield STATUS, INTRINSIC, INTEGER, status.code
    if status.message:
        yield STATUS_MESSAGE, INTRINSIC, STRING, status.message
    for raw in span.events:
        event = Span.Event.FromString(raw)
        yield EVENT_NAME, INTRINSIC, STRING, event.name
        yield from indexed(EVENT, event.attributes)
    for raw in span.links:
        yield from indexed(LINK, Span.Link.FromString(raw).attributes)
