"""The traces that a query may find, as TraceQL evaluates them: read from the store, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.search import matching_traces, payload_of
from spanprofiles.embedded.store.traces import read_spans
from spanprofiles.embedded.trace_filters import TraceFilter
from spanprofiles.embedded.traceql.records import ResourceRecord, ScopeRecord, SpanRecord, TraceRecord

Record = TypeVar("Record", ResourceRecord, ScopeRecord)

CACHE_BYTES = 8 * 1024 * 1024
"""How much memory the records of resources may take, and again those of scopes."""
RECORD_BYTES, BYTES_A_BYTE = 1_000, 32
"""About how much memory a record takes, and how much more for each byte of what it is made of, at most."""
TRACE_BYTES = 5_000_000
"""How many bytes of OTLP of one trace are searched: as many as a real Tempo keeps of one (``max_bytes_per_trace``)."""


class Candidates:
    """Makes records of what is stored; remembers those of resources and scopes, which never change."""

    def __init__(self) -> None:
        self._resources: ByteCache[int, tuple[ResourceRecord, int]] = ByteCache(CACHE_BYTES)
        self._scopes: ByteCache[int, tuple[ScopeRecord, int]] = ByteCache(CACHE_BYTES)

    def traces(
        self,
        connection: StoreConnection,
        wanted: TraceFilter,
        start_ns: int | None = None,
        end_ns: int | None = None,
        *,
        by_id: bool = False,
    ) -> Iterator[TraceRecord]:
        """Read the traces that pass a filter, newest arrivals first.

        Args:
            connection: where to read.
            wanted: the filter.
            start_ns: only traces that end at or after this time, ns since the epoch.
            end_ns: only traces that start at or before this time, ns since the epoch.
            by_id: whether the oldest arrival comes first, and then all others by their IDs.

        Raises:
            QueryTooLongError: the connection's deadline passed.
        """
        for number, trace_id in matching_traces(connection, wanted, start_ns, end_ns, by_id=by_id):
            spans = self._spans(connection, number)
            if spans:
                yield TraceRecord(trace_id, spans, connection.deadline)

    def _spans(self, connection: StoreConnection, trace: int) -> list[SpanRecord]:
        """Read the spans of one trace in the order in which they came, as far as they are searched."""
        spans: list[SpanRecord] = []
        resources: dict[int, ResourceRecord] = {}
        scopes: dict[int, ScopeRecord] = {}
        left = TRACE_BYTES
        for resource, scope, payload in read_spans(connection, trace):
            left -= len(payload)
            if resource not in resources:
                resources[resource], size = _remembered(
                    self._resources, ResourceRecord, connection, "resources", resource
                )
                left -= size
            if scope not in scopes:
                scopes[scope], size = _remembered(self._scopes, ScopeRecord, connection, "scopes", scope)
                left -= size
            if left < 0:
                break
            spans.append(SpanRecord(payload, resources[resource], scopes[scope]))
        inspected = connection.inspected
        inspected.traces += 1
        inspected.size_bytes += TRACE_BYTES - max(left, 0)
        return spans


def _remembered(
    cache: ByteCache[int, tuple[Record, int]],
    make: Callable[[bytes], Record],
    connection: StoreConnection,
    table: Literal["resources", "scopes"],
    number: int,
) -> tuple[Record, int]:
    """Return the record of a row and the bytes that it is made of, from the cache where it is known."""
    known = cache.get(number)
    if known is None:
        payload = payload_of(connection, table, number)
        known = make(payload), len(payload)
        cache.put(number, known, RECORD_BYTES + len(payload) * BYTES_A_BYTE)
    return known
