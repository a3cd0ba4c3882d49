"""Spans in and out of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spanprofiles.embedded.indexed_attributes import IndexedAttribute
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import CACHE_BYTES, Interner

LARGEST_INTEGER = 2**63 - 1
TRACE_BYTES = 32 * 1024 * 1024
"""How large a trace is given in one answer, in bytes of OTLP, and again how large its resources, and its scopes."""


@dataclass
class NewTrace:
    """What one export brings of one trace.

    Attributes:
        start_ns: start of its earliest span, ns since the epoch.
        end_ns: end of its latest span, ns since the epoch.
        attributes: under which it is found.
        spans: (span ID, kind, place of the resource, place of the scope, serialized OTLP) of each span.
    """

    start_ns: int
    end_ns: int
    attributes: set[IndexedAttribute] = field(default_factory=set)
    spans: list[tuple[bytes, int, int, int, bytes]] = field(default_factory=list)


@dataclass
class NewSpans:
    """The spans of one export, as they are handed to the store.

    Attributes:
        resources: (serialized OTLP, schema URL) of each resource.
        scopes: the same of each scope.
        traces: what it brings of each trace, by trace ID.
    """

    resources: list[tuple[bytes, str]] = field(default_factory=list)
    scopes: list[tuple[bytes, str]] = field(default_factory=list)
    traces: dict[bytes, NewTrace] = field(default_factory=dict)

    def trace(self, trace_id: bytes, start_ns: int, end_ns: int) -> NewTrace:
        """Return the trace to which a span belongs, widened to the span's times, which are ns since the epoch."""
        trace = self.traces.get(trace_id)
        if trace is None:
            trace = self.traces[trace_id] = NewTrace(start_ns, end_ns)
        else:
            trace.start_ns = min(trace.start_ns, start_ns)
            trace.end_ns = max(trace.end_ns, end_ns)
        return trace


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
    """The spans of one export, made ready in the thread of the request, written in that of the writer."""

    def __init__(self, spans: NewSpans, interners: SpanInterners) -> None:
        self._spans = spans
        self._interners = interners

    def write(self, connection: StoreConnection) -> None:
        """Write every span that is not there yet, and index its trace."""
        interners = self._interners
        resources = [interners.resources.number(connection, resource) for resource in self._spans.resources]
        scopes = [interners.scopes.number(connection, scope) for scope in self._spans.scopes]
        rows: list[tuple[Any, ...]] = []
        index: list[tuple[int, int]] = []
        number = interners.attributes.number
        for trace_id, trace in self._spans.traces.items():
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
    """Find a trace's number, or make one, and widen the trace's times to its new spans."""
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
    """Read the spans of a trace, in the order in which they came; empty where the trace is not known.

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
    """Payload and schema URL of ``resources`` or ``scopes``, by number.

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
