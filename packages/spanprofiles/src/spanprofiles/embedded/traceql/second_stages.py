"""What is done with the series of a metrics query: the largest or smallest at each step, and values that compare so."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.series import Series
from spanprofiles.embedded.traceql.syntax import Ranking, Threshold

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    operators.EQUAL: lambda value, bound: value == bound,
    operators.NOT_EQUAL: lambda value, bound: value != bound,
    operators.GREATER: lambda value, bound: value > bound,
    operators.GREATER_EQUAL: lambda value, bound: value >= bound,
    operators.LESS: lambda value, bound: value < bound,
    operators.LESS_EQUAL: lambda value, bound: value <= bound,
}
TOP = "topk"
END = 256
COMPLEMENTS = bytes(range(255, -1, -1))
NO_TEXT = (END,)


def _descending(text: str) -> tuple[int, ...]:
    """Return by what a text comes before those that are before it in the alphabet."""
    return *text.encode("utf-8", "replace").translate(COMPLEMENTS), END


def _rank(series: Series) -> tuple[object, ...]:
    """Return by what series with equal values are ordered: their labels, last in the alphabet first.

    Labels without a text are ordered by their type and the bits of their value, as the real server does.
    """
    slots: list[tuple[object, ...]] = []
    for name, (kind, content) in series.labels:
        if kind == values.STRING:
            slots.append((_descending(content), _descending(name), kind, 0))
        elif kind == values.FLOAT:
            bits = int.from_bytes(struct.pack(">d", content), "big")
            slots.append((NO_TEXT, _descending(name), kind, bits))
        else:
            slots.append((NO_TEXT, _descending(name), kind, int(content) % 2**64))
    return *slots, (NO_TEXT, NO_TEXT, values.NIL, 0)


def ranked(found: list[Series], ranking: Ranking, steps: int, deadline: Deadline) -> list[Series]:
    """Keep the values that are among the largest or smallest at their step.

    Raises:
        QueryTooLongError: the deadline passed.
    """
    if len(found) <= ranking.limit:
        return found
    largest = ranking.name == TOP
    # Where values are equal, `topk` prefers what is first in the alphabet, and `bottomk` what is last.
    ranks = sorted((_rank(series), place) for place, series in enumerate(deadline.watch(found)))
    places = [0] * len(found)
    for rank, (_, place) in enumerate(reversed(ranks) if largest else ranks):
        places[place] = rank
    given: dict[int, Series] = {}
    sign = -1 if largest else 1
    for step in range(steps):
        here = []
        for place, series in zip(places, deadline.watch(found, PIECE), strict=True):
            value = series.value(step)
            if value is not None:
                here.append((sign * value, place, value, series))
        here.sort()  # no two places are equal, so that nothing after them is compared
        for _, place, value, series in here[: ranking.limit]:
            kept = given.get(place)
            if kept is None:
                kept = given[place] = Series(series.labels, {}, zeros=False, exemplars=series.exemplars)
            kept.values[step] = value
    return list(given.values())


def compared(found: list[Series], threshold: Threshold, steps: int, deadline: Deadline) -> list[Series]:
    """Keep the values that compare as they have to, and the series that have such.

    Raises:
        QueryTooLongError: the deadline passed.
    """
    compare, bound = COMPARISONS[threshold.operator], threshold.bound
    given = []
    for series in deadline.watch(found):
        kept: dict[int, float] = {}
        numbers = range(steps) if series.zeros and compare(0.0, bound) else sorted(series.values)
        for step in deadline.watch(numbers, PIECE):
            value = series.value(step) if 0 <= step < steps else None
            if value is not None and compare(value, bound):
                kept[step] = value
        if kept:
            exemplars = [each for each in series.exemplars if not math.isnan(each.value) and compare(each.value, bound)]
            given.append(Series(series.labels, kept, zeros=False, exemplars=exemplars))
    return given
