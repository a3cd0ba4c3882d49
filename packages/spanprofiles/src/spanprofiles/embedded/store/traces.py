"""Spans in and out of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.store.attributes import (
    EVENT,
    INSTRUMENTATION,
    INTEGER,
    INTRINSIC,
    LINK,
    RESOURCE,
    SPAN,
    STRING,
    Attribute,
    indexed,
)
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import CACHE_BYTES, Interner

LARGEST_INTEGER = 2**63 - 1
TRACE_BYTES = 32 * 1024 * 1024
"""How large a trace is given in one answer, in bytes of OTLP, and again how large its resources, and its scopes."""
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


@dataclass
class NewTrace:
    """What one export request brings of one trace."""

    start_ns: int
    end_ns: int
    attributes: set[Attribute] = field(default_factory=set)
    spans: list[tuple[bytes, int, int, int, bytes]] = field(default_factory=list)
    """(span ID, kind, index of the resource, index of the scope, payload) of each span."""


class SpanInterners:
    """The numbers that the writer remembers between batches of spans."""

    def __init__(self) -> None:
        columns = ("key", "scope", "type", "value")
        self.attributes = Interner("attributes", columns, limit_bytes=2 * CACHE_BYTES)
        self.resources = Interner("resources", ("payload", "schema_url"), marks=True)
        self.scopes = Interner("scopes", ("payload", "schema_url"), marks=True)

    def forget(self) -> None:
        """Forget every number."""
        for interner in (self.attributes, self.resources, self.scopes):
            interner.forget()


class SpanBatch:
    """The spans of one export request, made ready in the thread of the request, written in that of the writer."""

    def __init__(self, request: ExportTraceServiceRequest, interners: SpanInterners) -> None:
        self._interners = interners
        self._resources: list[tuple[bytes, str]] = []
        self._scopes: list[tuple[bytes, str]] = []
        self._traces: dict[bytes, NewTrace] = {}
        for resource_spans in request.resource_spans:
            payload = resource_spans.resource.SerializeToString(deterministic=True)
            self._resources.append((payload, resource_spans.schema_url))
            common = tuple(indexed(RESOURCE, resource_spans.resource.attributes))
            service = next((value for key, _, kind, value in common if key == SERVICE_NAME and kind == STRING), "")
            if not service:
                common = (*common, (SERVICE_NAME, RESOURCE, STRING, ""))
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope
                self._scopes.append((scope.SerializeToString(deterministic=True), scope_spans.schema_url))
                self._add_spans(scope_spans.spans, (*common, *_scope_attributes(scope)), service)

    def _add_spans(self, spans: Iterable[Any], common: tuple[Attribute, ...], service: str) -> None:
        resource, scope = len(self._resources) - 1, len(self._scopes) - 1
        for span in spans:
            start = min(span.start_time_unix_nano, LARGEST_INTEGER)
            end = min(span.end_time_unix_nano, LARGEST_INTEGER)
            trace = self._traces.get(span.trace_id)
            if trace is None:
                trace = self._traces[span.trace_id] = NewTrace(start, end)
            else:
                trace.start_ns = min(trace.start_ns, start)
                trace.end_ns = max(trace.end_ns, end)
            trace.attributes.update(common)
            trace.attributes.update(_span_attributes(span))
            if not span.parent_span_id:
                trace.attributes.add((ROOT_NAME, INTRINSIC, STRING, span.name))
                trace.attributes.add((ROOT_SERVICE, INTRINSIC, STRING, service))
            trace.spans.append((span.span_id, span.kind, resource, scope, span.SerializeToString()))

    def write(self, connection: StoreConnection) -> None:
        """Write every span that is not there yet, and index its trace."""
        interners = self._interners
        resources = [interners.resources.number(connection, resource) for resource in self._resources]
        scopes = [interners.scopes.number(connection, scope) for scope in self._scopes]
        rows: list[tuple[Any, ...]] = []
        index: list[tuple[int, int]] = []
        number = interners.attributes.number
        for trace_id, trace in self._traces.items():
            trace_number = _trace_number(connection, trace_id, trace)
            index += [(number(connection, attribute), trace_number) for attribute in trace.attributes]
            rows += [
                (trace_number, span_id, kind, resources[resource], scopes[scope], payload)
                for span_id, kind, resource, scope, payload in trace.spans
            ]
        connection.executemany(
            "INSERT OR IGNORE INTO spans (trace, span_id, kind, resource, scope, payload) VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.executemany("INSERT OR IGNORE INTO trace_attributes (attribute, trace) VALUES (?, ?)", index)

    def forget(self) -> None:
        """Drop the numbers of rows that were rolled back."""
        self._interners.forget()


def _trace_number(connection: sqlite3.Connection, trace_id: bytes, trace: NewTrace) -> int:
    """The number of a trace, made where there is none yet; its times are widened to what came."""
    known = connection.execute("SELECT id, start_ns, end_ns FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
    if known is None:
        row = (trace_id, trace.start_ns, trace.end_ns)
        return (
            connection.execute("INSERT INTO traces (trace_id, start_ns, end_ns) VALUES (?, ?, ?)", row).lastrowid or 0
        )
    number: int = known[0]
    start, end = min(known[1], trace.start_ns), max(known[2], trace.end_ns)
    if (start, end) != known[1:]:
        connection.execute("UPDATE traces SET start_ns = ?, end_ns = ? WHERE id = ?", (start, end, number))
    return number


def _scope_attributes(scope: Any) -> list[Attribute]:  # an OTLP InstrumentationScope
    return [
        *indexed(INSTRUMENTATION, scope.attributes),
        (SCOPE_NAME, INTRINSIC, STRING, scope.name),
        (SCOPE_VERSION, INTRINSIC, STRING, scope.version),
    ]


def _span_attributes(span: Any) -> list[Attribute]:  # an OTLP Span
    found = [
        *indexed(SPAN, span.attributes),
        (NAME, INTRINSIC, STRING, span.name),
        (STATUS, INTRINSIC, INTEGER, span.status.code),
    ]
    if span.status.message:
        found.append((STATUS_MESSAGE, INTRINSIC, STRING, span.status.message))
    for event in span.events:
        found.append((EVENT_NAME, INTRINSIC, STRING, event.name))
        found.extend(indexed(EVENT, event.attributes))
    for link in span.links:
        found.extend(indexed(LINK, link.attributes))
    return found


@dataclass(frozen=True)
class StoredSpan:
    """A span as it is kept: the numbers of its resource and scope, and its OTLP payload."""

    trace: int
    resource: int
    scope: int
    payload: bytes


class TraceTooLargeError(Exception):
    """A trace is larger than it is given in one answer; the message says what the limit is."""


def spans_of_trace(connection: StoreConnection, trace_id: bytes) -> list[StoredSpan]:
    """The spans of a trace, in the order in which they came; empty where the trace is not known.

    Raises:
        TraceTooLargeError: they are too much for one answer.
        QueryTooLongError: the connection's deadline passed.
    """
    rows = connection.execute(
        "SELECT s.trace, s.resource, s.scope, s.payload FROM traces t JOIN spans s ON s.trace = t.id"
        " WHERE t.trace_id = ? ORDER BY s.id",
        (trace_id,),
    )
    spans: list[StoredSpan] = []
    left = TRACE_BYTES
    for row in connection.deadline.watch(rows):
        spans.append(StoredSpan(*row))
        left -= len(spans[-1].payload)
        if left < 0:
            rows.close()
            raise TraceTooLargeError(f"trace exceeds max size (max bytes: {TRACE_BYTES})")
    return spans


def payloads(connection: StoreConnection, table: str, numbers: Iterable[int]) -> dict[int, tuple[bytes, str]]:
    """Payload and schema URL of `resources` or `scopes`, by number.

    Raises:
        TraceTooLargeError: they are too much for one answer.
        QueryTooLongError: the connection's deadline passed.
    """
    found: dict[int, tuple[bytes, str]] = {}
    left = TRACE_BYTES
    select = f"SELECT payload, schema_url FROM {table} WHERE id = ?"  # noqa: S608  # the table is named by this program
    for number in connection.deadline.watch(numbers):
        found[number] = payload, _ = connection.execute(select, (number,)).fetchone()
        left -= len(payload)
        if left < 0:
            raise TraceTooLargeError(f"trace exceeds max size (max bytes: {TRACE_BYTES} of {table})")
    return found
