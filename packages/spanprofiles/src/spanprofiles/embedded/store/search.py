"""Finding traces: filters become SQL, and what passes them is given newest first.

A filter that few traces pass is looked up; one that many pass is only checked, trace by trace, so that the newest are
found without reading all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from spanprofiles.embedded.deadline import PIECE
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.traces import BLOCK_BITS, TRACES_IN_BLOCK
from spanprofiles.embedded.trace_filters import (
    EveryTrace,
    HasAttribute,
    HasSpanId,
    HasTraceId,
    Joined,
    LastsLonger,
    TraceFilter,
)

FEW_TRACES = 4_000
"""So many traces are looked up; more are checked one by one."""
FEW_VALUES = 64
"""So many values of an attribute are named in a query."""
FEW_BLOCKS = 32
"""The traces of so many blocks are named in a query."""
NEWEST, NEWEST_LOOKED_AT = 32, 2_000
"""So many traces are given, of so many of the newest, before a costly part of a filter is asked: often it is enough."""
NEWEST_FIRST = "t.id DESC"
BY_ID = "t.id > (SELECT min(id) FROM traces), t.trace_id"
DEPTH_LIMIT = 20
"""How many brackets in each other are asked of SQLite, whose parser takes some 40."""


def matching_traces(
    connection: StoreConnection,
    wanted: TraceFilter,
    start_ns: int | None = None,
    end_ns: int | None = None,
    *,
    by_id: bool = False,
) -> Iterator[tuple[int, bytes]]:
    """Find the traces that pass a filter: (number, trace ID), newest arrivals first.

    Args:
        connection: where to read.
        wanted: the filter; more traces may come than pass it.
        start_ns: only traces that end at or after this time, ns since the epoch.
        end_ns: only traces that start at or before this time, ns since the epoch.
        by_id: whether the oldest arrival comes first, and then all others by their IDs.

    Raises:
        QueryTooLongError: the connection's deadline passed.
    """
    bounds: list[tuple[str, int | None]] = [("t.start_ns <= ?", end_ns), ("t.end_ns >= ?", start_ns)]
    compiler = _Compiler(connection, asks_all=by_id)
    condition = compiler.condition(wanted)
    if compiler.is_complete:
        yield from _rows(connection, compiler, condition, bounds, BY_ID if by_id else NEWEST_FIRST)
        return
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM traces").fetchone()
    below = last - NEWEST_LOOKED_AT
    found = list(
        _rows(connection, compiler, condition, [*bounds, ("t.id > ?", below)], f"{NEWEST_FIRST} LIMIT {NEWEST}")
    )
    yield from found
    below = found[-1][0] if len(found) == NEWEST else below + 1
    compiler = _Compiler(connection)
    condition = compiler.condition(wanted)
    yield from _rows(connection, compiler, condition, [*bounds, ("t.id < ?", below)], NEWEST_FIRST)


def _rows(
    connection: StoreConnection,
    compiler: _Compiler,
    condition: str | None,
    bounds: Iterable[tuple[str, int | None]],
    order: str,
) -> Iterator[tuple[int, bytes]]:
    """Read the (number, trace ID) of the traces that meet a condition and some bounds."""
    given = [(where, bound) for where, bound in bounds if bound is not None]
    conditions = [where for where in (condition, *(where for where, _ in given)) if where]
    where = " AND ".join(f"({part})" for part in conditions) or "1"
    rows = connection.execute(
        f"SELECT t.id, t.trace_id FROM traces t WHERE {where} ORDER BY {order}",  # noqa: S608  # conditions of the compiler
        (*compiler.arguments, *(bound for _, bound in given)),
    )
    try:
        yield from connection.deadline.watch(rows)
    finally:
        rows.close()


def payload_of(connection: StoreConnection, table: Literal["resources", "scopes"], number: int) -> bytes:
    """Read the serialized OTLP of a resource or a scope."""
    payload: bytes
    (payload,) = connection.execute(f"SELECT payload FROM {table} WHERE id = ?", (number,)).fetchone()  # noqa: S608  # one of two tables
    return payload


class _Compiler:
    """Turns filters into SQL, asking the store how many traces each part would give.

    Args:
        connection: where to ask.
        asks_all: whether to ask about attributes of many values, too, which takes milliseconds.

    Attributes:
        arguments: of the SQL.
        is_complete: whether nothing was left out for not asking.
    """

    def __init__(self, connection: StoreConnection, *, asks_all: bool = True) -> None:
        self._connection = connection
        self._asks_all = asks_all
        self.arguments: list[Any] = []
        self.is_complete = True

    def condition(self, wanted: TraceFilter, depth: int = 0) -> str | None:
        """Write SQL over ``traces t``, and add its arguments; None where all traces have to be read."""
        self._connection.deadline.check()
        if isinstance(wanted, EveryTrace):
            return None
        if isinstance(wanted, HasAttribute):
            return self._attribute(wanted)
        if isinstance(wanted, Joined):
            return self._joined(wanted, depth)
        return self._direct(wanted)

    def _direct(self, wanted: HasTraceId | HasSpanId | LastsLonger) -> str:
        """Write a condition on the table of traces itself, or by the index of spans."""
        if isinstance(wanted, LastsLonger):
            self.arguments.append(wanted.bound_ns)
            return f"t.end_ns - t.start_ns {wanted.comparison} ?"
        if isinstance(wanted, HasTraceId):
            self.arguments += wanted.trace_ids
            return f"t.trace_id IN ({_marks(wanted.trace_ids)})" if wanted.trace_ids else "0"
        self.arguments += wanted.span_ids
        if not wanted.span_ids:
            return "0"
        values = ", ".join(["(?)"] * len(wanted.span_ids))
        return (
            f"t.id IN (SELECT trace FROM spans, (VALUES {values})"  # noqa: S608  # marks alone
            " WHERE length(column1) > 0 AND instr(span_ids, column1))"
        )

    def _joined(self, wanted: Joined, depth: int) -> str | None:
        if depth > DEPTH_LIMIT:
            return None
        before = len(self.arguments)
        parts = []
        for part in wanted.filters:
            sql = self.condition(part, depth + 1)
            if sql is not None:
                parts.append(f"({sql})")
            elif wanted.join == "OR":
                del self.arguments[before:]
                return None
        return f" {wanted.join} ".join(parts) or None

    def _attribute(self, wanted: HasAttribute) -> str | None:
        """Name few values by their numbers; leave many to the index where few traces have them."""
        where, arguments = _values_of(wanted)
        numbers = self._numbers(wanted, where, arguments)
        if numbers is not None:
            if not numbers:
                return "0"
            return self._of_few_values(", ".join(map(str, numbers)))
        if wanted.test is not None:
            return None
        if not self._asks_all:
            self.is_complete = False
            return None
        # Every value is in a trace at least: too many of them are too many traces, and are quicker counted.
        if not self._is_few(f"SELECT 1 FROM attributes WHERE {where}", arguments):  # noqa: S608  # of this module
            return None
        inner = f"SELECT trace FROM trace_attributes WHERE attribute IN (SELECT id FROM attributes WHERE {where})"  # noqa: S608  # of this module
        if not self._is_few(inner, arguments):
            return None
        self.arguments += arguments
        return f"t.id IN ({inner})"

    def _of_few_values(self, listed: str) -> str:
        """Write SQL for the traces that hold one of some attributes, which are named by their numbers."""
        blocks = self._connection.execute(
            f"SELECT block, traces FROM attribute_blocks WHERE attribute IN ({listed}) LIMIT {FEW_BLOCKS + 1}"  # noqa: S608  # numbers
        ).fetchall()
        if len(blocks) <= FEW_BLOCKS:
            traces = {block << BLOCK_BITS | place for block, bits in blocks for place in _places(bits)}
            return f"t.id IN ({', '.join(map(str, sorted(traces)))})"
        if self._asks_all and self._is_few(f"SELECT 1 FROM trace_attributes WHERE attribute IN ({listed})", ()):  # noqa: S608  # numbers
            return f"t.id IN (SELECT trace FROM trace_attributes WHERE attribute IN ({listed}))"  # noqa: S608  # numbers
        self.is_complete = self._asks_all
        return (
            f"EXISTS (SELECT 1 FROM attribute_blocks WHERE attribute IN ({listed})"  # noqa: S608  # numbers
            f" AND block = t.id >> {BLOCK_BITS} AND traces >> (t.id & {TRACES_IN_BLOCK - 1}) & 1)"
        )

    def _numbers(self, wanted: HasAttribute, where: str, arguments: tuple[Any, ...]) -> list[int] | None:
        """Find the numbers of the attributes that are asked for; None where they are many."""
        numbers: list[int] = []
        rows = self._connection.execute(f"SELECT id, value FROM attributes WHERE {where}", arguments)  # noqa: S608  # of this module
        for number, value in self._connection.deadline.watch(rows, PIECE):
            if wanted.test is None or wanted.test(value):
                numbers.append(number)
                if len(numbers) > FEW_VALUES:
                    return None
        return numbers

    def _is_few(self, select: str, arguments: tuple[Any, ...]) -> bool:
        counted = f"SELECT count(*) FROM ({select} LIMIT {FEW_TRACES + 1})"  # noqa: S608  # of this module
        count: int = self._connection.execute(counted, arguments).fetchone()[0]
        return count <= FEW_TRACES


def _values_of(wanted: HasAttribute) -> tuple[str, tuple[Any, ...]]:
    """Write SQL over ``attributes`` for the values that are asked for, and its arguments; tests are left out."""
    where = f"key = ? AND scope IN ({', '.join(map(str, wanted.scopes))})"
    arguments: tuple[Any, ...] = (wanted.key,)
    if wanted.types:
        where += f" AND type IN ({', '.join(map(str, wanted.types))})"
    if wanted.members is not None:
        where += f" AND value IN ({_marks(wanted.members)})"
        arguments += wanted.members
    if wanted.bound is not None:
        comparison, bound = wanted.bound
        where += f" AND value {comparison} ?"
        arguments = (*arguments, bound)
    return where, arguments


def _places(bits: int) -> Iterator[int]:
    """Give the places of the bits that are set, the lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _marks(values: tuple[Any, ...]) -> str:
    return ", ".join("?" * len(values))
