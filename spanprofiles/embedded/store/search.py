"""Reading traces for searches: candidates newest first, each made into a record with all its spans."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TypeVar

from spanprofiles.embedded.store.connection import check_time
from spanprofiles.embedded.traceql.planning import Compiler, Plan
from spanprofiles.embedded.traceql.records import ResourceRecord, ScopeRecord, SpanRecord, TraceRecord

CHUNKS = (16, 64, 256)
CACHE_LIMIT = 4_096
Record = TypeVar("Record", ResourceRecord, ScopeRecord)


class Records:
    """Makes records of what is stored; remembers those of resources and scopes, which never change."""

    def __init__(self) -> None:
        self._resources: dict[int, ResourceRecord] = {}
        self._scopes: dict[int, ScopeRecord] = {}

    def candidates(
        self, connection: sqlite3.Connection, plan: Plan, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[TraceRecord]:
        """The traces that a plan leaves, newest arrivals first.

        Args:
            connection: where to read.
            plan: what is known of the traces wanted.
            start_ns: only traces that end at or after this time.
            end_ns: only traces that start at or before this time.
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
        sizes = iter(CHUNKS)
        size = next(sizes)
        try:
            while chunk := rows.fetchmany(size):
                for trace in self.traces(connection, chunk):
                    check_time(connection)
                    yield trace
                size = next(sizes, size)
        finally:
            rows.close()

    def traces(self, connection: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> Iterator[TraceRecord]:
        """The traces of (number, trace ID) rows, in their order."""
        groups: dict[int, dict[int, dict[int, list[SpanRecord]]]] = {number: {} for number, _ in rows}
        numbers = ", ".join(str(number) for number in groups)
        for trace, resource, scope, payload in connection.execute(
            f"SELECT trace, resource, scope, payload FROM spans WHERE trace IN ({numbers}) ORDER BY id"  # noqa: S608  # numbers
        ):
            span = SpanRecord(payload, self._resource(connection, resource), self._scope(connection, scope))
            groups[trace].setdefault(resource, {}).setdefault(scope, []).append(span)
        for number, trace_id in rows:
            batches = [list(batch.values()) for batch in groups[number].values()]
            if batches:
                yield TraceRecord(trace_id, batches)

    def _resource(self, connection: sqlite3.Connection, number: int) -> ResourceRecord:
        return _remembered(self._resources, number) or _read(
            connection, "resources", number, ResourceRecord, self._resources
        )

    def _scope(self, connection: sqlite3.Connection, number: int) -> ScopeRecord:
        return _remembered(self._scopes, number) or _read(connection, "scopes", number, ScopeRecord, self._scopes)


def _remembered(known: dict[int, Record], number: int) -> Record | None:
    return known.get(number)


def _read(
    connection: sqlite3.Connection, table: str, number: int, kind: type[Record], known: dict[int, Record]
) -> Record:
    (payload,) = connection.execute(f"SELECT payload FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608  # one of two tables
    if len(known) >= CACHE_LIMIT:
        known.clear()
    record = known[number] = kind(payload)
    return record
