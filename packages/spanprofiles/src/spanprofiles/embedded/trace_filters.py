"""Filters over traces, as plain data: TraceQL makes one of a query, the store finds the traces that pass it.

A filter may let through more than the query asks for, never less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Comparison = Literal["<", "<=", ">", ">="]
Join = Literal["AND", "OR"]


@dataclass(frozen=True)
class EveryTrace:
    """Passes every trace: nothing is known of the ones that are wanted."""


@dataclass(frozen=True)
class HasTraceId:
    """Passes the traces with one of these IDs, in binary."""

    trace_ids: tuple[bytes, ...]


@dataclass(frozen=True)
class HasSpanId:
    """Passes the traces that have a span with one of these IDs, in binary."""

    span_ids: tuple[bytes, ...]


@dataclass(frozen=True)
class LastsLonger:
    """Passes the traces whose duration compares so with a bound.

    Attributes:
        comparison: how.
        bound_ns: the bound, ns.
    """

    comparison: Comparison
    bound_ns: float


@dataclass(frozen=True)
class HasAttribute:
    """Passes the traces that hold an attribute anywhere.

    Attributes:
        key: its key, or the name of an intrinsic.
        scopes: where it may be found; see ``indexed_attributes``.
        types: of which types its value may be; none stands for all of them.
        members: the values it may have; None stands for all of them.
        bound: a comparison that its value has to pass, and the number to compare with; None for no comparison.
        test: a test that its value has to pass, for what the store cannot compare by itself.
    """

    key: str
    scopes: tuple[int, ...]
    types: tuple[int, ...] = ()
    members: tuple[Any, ...] | None = None
    bound: tuple[Comparison, float] | None = None
    test: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Joined:
    """Passes the traces that pass all of several filters (AND), or one of them (OR)."""

    join: Join
    filters: tuple[TraceFilter, ...]


TraceFilter: TypeAlias = "EveryTrace | HasTraceId | HasSpanId | LastsLonger | HasAttribute | Joined"
EVERY_TRACE = EveryTrace()
NO_TRACE = HasTraceId(())


def _flat(join: Join, filters: Sequence[TraceFilter]) -> tuple[TraceFilter, ...]:
    """Put filters that are joined in the same way in their parent's place: SQLite takes no deep nesting."""
    flat: list[TraceFilter] = []
    for part in filters:
        flat += part.filters if isinstance(part, Joined) and part.join == join else (part,)
    return tuple(flat)


def all_of(filters: Sequence[TraceFilter]) -> TraceFilter:
    """Pass the traces that pass every one of the filters."""
    useful = _flat("AND", [part for part in filters if not isinstance(part, EveryTrace)])
    if not useful:
        return EVERY_TRACE
    return useful[0] if len(useful) == 1 else Joined("AND", useful)


def any_of(filters: Sequence[TraceFilter]) -> TraceFilter:
    """Pass the traces that pass at least one of the filters."""
    passes_all = any(isinstance(part, EveryTrace) for part in filters)
    return EVERY_TRACE if passes_all else Joined("OR", _flat("OR", filters))
