"""Spans in and out of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.indexed_attributes import IndexedAttribute, span_attribute
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import CACHE_BYTES, Interner
from spanprofiles.embedded.store.raw_spans import OpenedSpans, WholeSpans

LARGEST_INTEGER = 2**63 - 1
BLOCK_BITS = 5
"""How far a trace's number is shifted to give its block; the view ``trace_attributes`` says the same."""
TRACES_IN_BLOCK = 1 << BLOCK_BITS
"""For so many traces a row of ``attribute_blocks`` speaks."""
TRACE_BYTES = 32 * 1024 * 1024
"""How large a trace is given in one answer, in bytes of OTLP, and again how large its resources, and its scopes."""


AttributeKey: TypeAlias = "IndexedAttribute | bytes"


def _attribute_row(key: AttributeKey) -> IndexedAttribute:
    return span_attribute(key) if isinstance(key, bytes) else key


@dataclass(slots=True)
class NewTrace:
    """What one export brings of one trace.

    Attributes:
        start_ns: start of its earliest span, ns since the epoch.
        end_ns: end of its latest span, ns since the epoch.
        keys: the attributes under which it is found; those of spans that are no lists as serialized OTLP.
        spans: (span ID, place of the resource, place of the scope, serialized OTLP) of each span.
    """

    start_ns: int
    end_ns: int
    keys: set[AttributeKey] = field(default_factory=set)
    spans: list[tuple[bytes, int, int, bytes]] = field(default_factory=list)

    def widen(self, start_ns: int, end_ns: int) -> None:
        """Widen its times to those of another span, which are ns since the epoch."""
        self.start_ns = min(self.start_ns, start_ns)
        self.end_ns = max(self.end_ns, end_ns)

    @property
    def attributes(self) -> set[IndexedAttribute]:
        """The attributes under which it is found, decoded."""
        return set(map(_attribute_row, self.keys))

    def chunks(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Give the spans of each resource and scope: the places of those, the spans' IDs, and serialized OTLP."""
        for (resource, scope), some in groupby(self.spans, key=itemgetter(1, 2)):
            spans = list(some)
            payload = WholeSpans(spans=[span[3] for span in spans]).SerializeToString()
            yield resource, scope, b"".join([span[0] for span in spans]), payload


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
            trace.widen(start_ns, end_ns)
        return trace


class SpanInterners:
    """The numbers that the writer remembers between batches of spans."""

    def __init__(self) -> None:
        columns = ("key", "scope", "type", "value")
        self.attributes = Interner("attributes", columns, limit_bytes=2 * CACHE_BYTES, encode=_attribute_row)
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
        traces = self._spans.traces
        numbers = _trace_numbers(connection, traces)
        connection.executemany(
            "INSERT INTO spans (trace, resource, scope, span_ids, payload) VALUES (?, ?, ?, ?, ?)",
            [
                (numbers[trace_id], resources[resource], scopes[scope], span_ids, payload)
                for trace_id, trace in traces.items()
                for resource, scope, span_ids, payload in trace.chunks()
            ],
        )
        self._index(connection, numbers)

    def _index(self, connection: StoreConnection, numbers: Mapping[bytes, int]) -> None:
        """Note which traces hold which attributes.

        Args:
            connection: the writer's.
            numbers: of the traces, by their IDs.
        """
        blocks: dict[int, dict[AttributeKey, int]] = {}
        for trace_id, trace in self._spans.traces.items():
            block, place = divmod(numbers[trace_id], TRACES_IN_BLOCK)
            holders, bit = blocks.setdefault(block, {}), 1 << place
            for key in trace.keys:
                holders[key] = holders.get(key, 0) | bit
        attributes = self._interners.attributes
        connection.executemany(
            "INSERT INTO attribute_blocks (attribute, block, traces) VALUES (?, ?, ?)"
            " ON CONFLICT (attribute, block) DO UPDATE SET traces = traces | excluded.traces",
            [
                (number, block, bits)
                for block, holders in blocks.items()
                for number, bits in zip(attributes.numbers(connection, list(holders)), holders.values(), strict=True)
            ],
        )

    def forget(self) -> None:
        """Drop the numbers of rows that were rolled back."""
        self._interners.forget()


def _trace_numbers(connection: sqlite3.Connection, traces: Mapping[bytes, NewTrace]) -> dict[bytes, int]:
    """Find the traces' numbers, or make them, and widen the times of those that are there to their new spans."""
    last: int = connection.execute("SELECT max(id) FROM traces").fetchone()[0] or 0
    connection.executemany(
        "INSERT INTO traces (trace_id, start_ns, end_ns) VALUES (?, ?, ?) ON CONFLICT (trace_id) DO NOTHING",
        [(trace_id, trace.start_ns, trace.end_ns) for trace_id, trace in traces.items()],
    )
    numbers: dict[bytes, int] = dict(connection.execute("SELECT trace_id, id FROM traces WHERE id > ?", (last,)))
    for trace_id in traces.keys() - numbers.keys():
        numbers[trace_id] = _widened(connection, trace_id, traces[trace_id])
    return numbers


def _widened(connection: sqlite3.Connection, trace_id: bytes, trace: NewTrace) -> int:
    """Widen the times of a trace that is there to its new spans, and return its number."""
    number: int
    number, *known = connection.execute(
        "SELECT id, start_ns, end_ns FROM traces WHERE trace_id = ?", (trace_id,)
    ).fetchone()
    widened = [min(known[0], trace.start_ns), max(known[1], trace.end_ns)]
    if widened != known:
        connection.execute("UPDATE traces SET start_ns = ?, end_ns = ? WHERE id = ?", (*widened, number))
    return number


@dataclass(frozen=True)
class StoredSpan:
    """A span as it is kept: the numbers of its resource and scope, and its OTLP payload."""

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
    spans: list[StoredSpan] = []
    left = TRACE_BYTES
    found = connection.execute("SELECT id FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
    for resource, scope, payload in read_spans(connection, found[0]) if found else ():
        left -= len(payload)
        if left < 0:
            raise TraceTooLargeError(f"trace exceeds max size (max bytes: {TRACE_BYTES})")
        spans.append(StoredSpan(resource, scope, payload))
    return spans


def read_spans(connection: StoreConnection, trace: int) -> Iterator[tuple[int, int, bytes]]:
    """Read a trace's spans in the order in which they came: (resource, scope, serialized OTLP), each once.

    A client's and a server's span may share an ID, so a span is known by its kind, too.

    Raises:
        QueryTooLongError: the connection's deadline passed.
    """
    known: set[tuple[bytes, int]] = set()
    rows = connection.execute("SELECT resource, scope, payload FROM spans WHERE trace = ? ORDER BY id", (trace,))
    try:
        for resource, scope, chunk in connection.deadline.watch(rows):
            spans = zip(OpenedSpans.FromString(chunk).spans, WholeSpans.FromString(chunk).spans, strict=True)
            for span, payload in connection.deadline.watch(spans, PIECE):
                key = span.span_id, span.kind
                if key not in known:
                    known.add(key)
                    yield resource, scope, payload
    finally:
        rows.close()


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
