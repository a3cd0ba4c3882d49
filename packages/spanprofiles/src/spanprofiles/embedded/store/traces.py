"""Spans in and out of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.indexed_attributes import IndexedAttribute, span_attribute
from spanprofiles.embedded.store.bulk_insert import BulkInsert
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.interner import CACHE_BYTES, Interner
from spanprofiles.embedded.store.raw_spans import OpenedSpans, WholeSpans, framed_spans

LARGEST_INTEGER = 2**63 - 1
BLOCK_BITS = 5
"""How far a trace's number is shifted to give its block; the view ``trace_attributes`` says the same."""
TRACES_IN_BLOCK = 1 << BLOCK_BITS
"""For so many traces a row of ``attribute_blocks`` speaks."""
BLOCK_MASK = (1 << TRACES_IN_BLOCK) - 1
TRACES_IN_WINDOW = 2 * TRACES_IN_BLOCK
"""For so many traces of an export a number says which of them hold an attribute."""
TRACE_BYTES = 32 * 1024 * 1024
"""How large a trace is given in one answer, in bytes of OTLP, and again how large its resources, and its scopes."""

_NEW_TRACES = BulkInsert("traces", ("trace_id", "start_ns", "end_ns"), "ON CONFLICT (trace_id) DO NOTHING")
_NEW_SPANS = BulkInsert("spans", ("trace", "resource", "scope", "span_ids", "payload"))
_NEW_ENTRIES = BulkInsert(
    "attribute_blocks",
    ("attribute", "block", "traces"),
    "ON CONFLICT (attribute, block) DO UPDATE SET traces = traces | excluded.traces",
)

AttributeKey: TypeAlias = "IndexedAttribute | bytes"


def _attribute_row(key: AttributeKey) -> IndexedAttribute:
    return span_attribute(key) if isinstance(key, bytes) else key


@dataclass(slots=True)
class NewTrace:
    """What one export brings of one trace.

    Attributes:
        place: which trace of the export it is, from 0 on.
        start_ns: start of its earliest span, ns since the epoch.
        end_ns: end of its latest span, ns since the epoch.
    """

    place: int
    start_ns: int
    end_ns: int

    def widen(self, start_ns: int, end_ns: int) -> None:
        """Widen its times to those of another span, which are ns since the epoch."""
        self.start_ns = min(self.start_ns, start_ns)
        self.end_ns = max(self.end_ns, end_ns)


@dataclass(slots=True)
class NewChunk:
    """The spans of one trace, one resource and one scope, which are kept in one row.

    Attributes:
        trace_id: the ID of the trace.
        resource: the place of the resource.
        scope: the place of the scope.
        span_ids: the ID of each span.
        spans: serialized OTLP of each span.
    """

    trace_id: bytes
    resource: int
    scope: int
    span_ids: list[bytes] = field(default_factory=list)
    spans: list[bytes] = field(default_factory=list)

    @property
    def payload(self) -> bytes:
        """The spans in serialized OTLP, as the store keeps them."""
        return framed_spans(self.spans)


@dataclass
class NewSpans:
    """The spans of one export, as they are handed to the store.

    Attributes:
        resources: (serialized OTLP, schema URL) of each resource.
        scopes: the same of each scope.
        traces: what it brings of each trace, by trace ID.
        chunks: the spans.
        holders: for each TRACES_IN_WINDOW traces, in their order, which of them hold which attributes: a bit for each
            trace, the lowest for the first. Attributes of spans that are no lists are keys as serialized OTLP.
    """

    resources: list[tuple[bytes, str]] = field(default_factory=list)
    scopes: list[tuple[bytes, str]] = field(default_factory=list)
    traces: dict[bytes, NewTrace] = field(default_factory=dict)
    chunks: list[NewChunk] = field(default_factory=list)
    holders: list[dict[AttributeKey, int]] = field(default_factory=list)

    def trace(self, trace_id: bytes, start_ns: int, end_ns: int) -> NewTrace:
        """Return the trace to which a span belongs, widened to the span's times, which are ns since the epoch."""
        trace = self.traces.get(trace_id)
        if trace is None:
            place = len(self.traces)
            trace = self.traces[trace_id] = NewTrace(place, start_ns, end_ns)
            if place % TRACES_IN_WINDOW == 0:
                self.holders.append({})
        else:
            trace.widen(start_ns, end_ns)
        return trace

    def attributes_of(self, trace_id: bytes) -> set[IndexedAttribute]:
        """Return the attributes under which a trace is found."""
        window, place = divmod(self.traces[trace_id].place, TRACES_IN_WINDOW)
        return {_attribute_row(key) for key, bits in self.holders[window].items() if bits >> place & 1}


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
        _NEW_SPANS.run(
            connection,
            [
                (
                    numbers[chunk.trace_id],
                    resources[chunk.resource],
                    scopes[chunk.scope],
                    b"".join(chunk.span_ids),
                    chunk.payload,
                )
                for chunk in self._spans.chunks
            ],
        )
        self._index(connection, list(numbers.values()))

    def _index(self, connection: StoreConnection, numbers: Sequence[int]) -> None:
        """Note which traces hold which attributes.

        Args:
            connection: the writer's.
            numbers: of the traces, in their order.
        """
        attributes = self._interners.attributes
        for window, holders in enumerate(self._spans.holders):
            blocks_of = holders_by_block(numbers[window * TRACES_IN_WINDOW : (window + 1) * TRACES_IN_WINDOW])
            _NEW_ENTRIES.run(
                connection,
                [
                    (attribute, block, bits)
                    for attribute, held in zip(
                        attributes.numbers(connection, list(holders)), holders.values(), strict=True
                    )
                    for block, bits in blocks_of(held)
                ],
            )

    def forget(self) -> None:
        """Drop the numbers of rows that were rolled back."""
        self._interners.forget()


def holders_by_block(numbers: Sequence[int]) -> Callable[[int], Iterable[tuple[int, int]]]:
    """Return a function that tells which traces of which blocks hold an attribute.

    Args:
        numbers: of some traces.

    Returns:
        The function. It is given which of these traces hold the attribute, a bit for each, the lowest for the first;
        it gives the blocks, and for each a bit for each of its traces, as the table has them.
    """

    def of_consecutive(held: int) -> Iterator[tuple[int, int]]:
        block = first_block
        held <<= first_place
        while held:
            if bits := held & BLOCK_MASK:
                yield block, bits
            held >>= TRACES_IN_BLOCK
            block += 1

    def of_any(held: int) -> Iterable[tuple[int, int]]:
        blocks: dict[int, int] = {}
        for place, number in enumerate(numbers):
            if held >> place & 1:
                block, bit = divmod(number, TRACES_IN_BLOCK)
                blocks[block] = blocks.get(block, 0) | 1 << bit
        return blocks.items()

    first_block, first_place = divmod(numbers[0], TRACES_IN_BLOCK)
    are_consecutive = list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))  # as those of new traces are
    return of_consecutive if are_consecutive else of_any


def _trace_numbers(connection: sqlite3.Connection, traces: Mapping[bytes, NewTrace]) -> dict[bytes, int]:
    """Find the traces' numbers, or make them, and widen the times of those that are there to their new spans."""
    made = _NEW_TRACES.numbers(
        connection, [(trace_id, trace.start_ns, trace.end_ns) for trace_id, trace in traces.items()]
    )
    numbers = dict(zip(traces, made, strict=True))
    if 0 in made:
        for trace_id in [trace_id for trace_id, number in numbers.items() if not number]:
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
