"""Reading traces for searches: candidates newest first, each made into a record with all its spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.traceql.plan import Compiler, Plan
from spanprofiles.embedded.traceql.records import ResourceRecord, ScopeRecord, SpanRecord, TraceRecord

Record = TypeVar("Record", ResourceRecord, ScopeRecord)

CACHE_BYTES = 8 * 1024 * 1024
"""How much memory the records of resources may take, and again those of scopes."""
RECORD_BYTES, BYTES_A_BYTE = 1_000, 32
"""About how much memory a record takes, and how much more for each byte of what it is made of, at most."""
TRACE_BYTES = 5_000_000
"""How much of one trace is searched, in bytes of OTLP: as much as a real Tempo keeps of one (`max_bytes_per_trace`)."""


class Records:
    """Makes records of what is stored; remembers those of resources and scopes, which never change."""

    def __init__(self) -> None:
        self._resources: ByteCache[int, tuple[ResourceRecord, int]] = ByteCache(CACHE_BYTES)
        self._scopes: ByteCache[int, tuple[ScopeRecord, int]] = ByteCache(CACHE_BYTES)

    def candidates(
        self, connection: StoreConnection, plan: Plan, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[TraceRecord]:
        """The traces that a plan leaves, newest arrivals first.

        Args:
            connection: where to read.
            plan: what is known of the traces wanted.
            start_ns: only traces that end at or after this time.
            end_ns: only traces that start at or before this time.

        Raises:
            QueryTooLongError: the connection's deadline passed.
        """
        compiler = Compiler(connection)
        conditions = [compiler.condition(plan)]
        for bound, where in ((end_ns, "t.start_ns <= ?"), (start_ns, "t.end_ns >= ?")):
            if bound is not None:
                conditions.append(where)
                compiler.arguments.append(bound)
        where = " AND ".join(f"({condition})" for condition in conditions if condition) or "1"
        rows = connection.execute(
            f"SELECT t.id, t.trace_id FROM traces t WHERE {where} ORDER BY t.id DESC",  # noqa: S608  # conditions of the compiler
            compiler.arguments,
        )
        try:
            for number, trace_id in connection.deadline.watch(rows):
                batches = self._batches(connection, number)
                if batches:
                    yield TraceRecord(trace_id, batches, connection.deadline)
        finally:
            rows.close()

    def _batches(self, connection: StoreConnection, trace: int) -> list[list[list[SpanRecord]]]:
        """The spans of one trace by resource and scope, as far as they are searched."""
        rows = connection.execute("SELECT resource, scope, payload FROM spans WHERE trace = ? ORDER BY id", (trace,))
        groups: dict[int, dict[int, list[SpanRecord]]] = {}
        resources: dict[int, ResourceRecord] = {}
        scopes: dict[int, ScopeRecord] = {}
        left = TRACE_BYTES
        for resource, scope, payload in connection.deadline.watch(rows):
            left -= len(payload)
            if resource not in resources:
                resources[resource], size = self._resource(connection, resource)
                left -= size
            if scope not in scopes:
                scopes[scope], size = self._scope(connection, scope)
                left -= size
            if left < 0:
                rows.close()
                break
            span = SpanRecord(payload, resources[resource], scopes[scope])
            groups.setdefault(resource, {}).setdefault(scope, []).append(span)
        return [list(batch.values()) for batch in groups.values()]

    def _resource(self, connection: StoreConnection, number: int) -> tuple[ResourceRecord, int]:
        """A resource and the bytes that it is made of."""
        return _remembered(self._resources, ResourceRecord, connection, "resources", number)

    def _scope(self, connection: StoreConnection, number: int) -> tuple[ScopeRecord, int]:
        """A scope and the bytes that it is made of."""
        return _remembered(self._scopes, ScopeRecord, connection, "scopes", number)


def _remembered(
    cache: ByteCache[int, tuple[Record, int]],
    make: Callable[[bytes], Record],
    connection: StoreConnection,
    table: str,
    number: int,
) -> tuple[Record, int]:
    """The record of a row and the bytes that it is made of, from the cache where it is known."""
    known = cache.get(number)
    if known is None:
        payload = _payload(connection, table, number)
        known = make(payload), len(payload)
        cache.put(number, known, RECORD_BYTES + len(payload) * BYTES_A_BYTE)
    return known


def _payload(connection: StoreConnection, table: str, number: int) -> bytes:
    payload: bytes
    (payload,) = connection.execute(f"SELECT payload FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608  # one of two tables
    return payload
