"""The figures of a comparison in words, without digits that nobody knows: ``+90 ms``, ``+50 % (+41 to +60 %)``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spanprofiles.model.comparison import Basis, Change, Comparison, FunctionComparison
from spanprofiles.model.intervals import Interval

_UNITS_NS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))
_LARGEST_PERCENT = 1000


@dataclass(frozen=True)
class ChangeWords:
    """A change in words.

    Attributes:
        base: the value of the base, such as ``180 ms``, or ``12 %`` of the CPU.
        head: the value of the head.
        change: how much it grew, with its sign.
        interval: from where to where that may be, such as ``+81 to +98 ms``; the change itself where that is unknown.
        relative: the same as a part of the base, with its interval, such as ``+50 % (+41 to +60 %)``; ``new`` where the
            base has nothing of it, and ``gone`` where the head has nothing.
    """

    base: str
    head: str
    change: str
    interval: str
    relative: str


def change_words(change: Change, basis: Basis) -> ChangeWords:
    """Return a change in words. All figures end where the change's interval makes the next digit a guess."""
    around = change.interval or Interval(change.change, change.change)
    most = max(abs(change.base), abs(change.head), abs(around.low), abs(around.high))
    size, unit = (0.01, "%") if basis is Basis.SHARE else next((u for u in _UNITS_NS if most >= u[0]), _UNITS_NS[-1])
    difference = "points" if basis is Basis.SHARE else unit
    half = (around.high - around.low) / 2 / size
    decimals = _decimals(half)
    base, head = (f"{value / size:,.{decimals}f} {unit}" for value in (change.base, change.head))
    grown, low, high = (f"{value / size + 0.0:+,.{decimals}f}" for value in (change.change, *around))
    return ChangeWords(base, head, f"{grown} {difference}", f"{low} to {high} {difference}", _relative(change))


def _relative(change: Change) -> str:
    if not change.base:
        return "new" if change.head else ""
    if not change.head:
        return "gone"
    grown = f"{change.change / change.base * 100:+,.0f} %"
    around = change.relative_interval
    if around is None or not math.isfinite(around.high) or around.high * 100 > _LARGEST_PERCENT:
        return grown
    return f"{grown} ({around.low * 100:+,.0f} to {around.high * 100:+,.0f} %)"


def _decimals(half: float) -> int:
    """Return how many decimals are worth writing of a figure that is known to so much: at most two."""
    if half <= 0:
        return 0
    return min(2, max(0, -math.floor(math.log10(half))))


@dataclass(frozen=True)
class FunctionRow:
    """A function that changed.

    Attributes:
        name: the function.
        of: what is shown of it, ``own code`` or ``with what it calls``.
        words: the change.
        grew: whether it grew.
    """

    name: str
    of: str
    words: ChangeWords
    grew: bool


def function_rows(comparison: Comparison, count: int) -> tuple[list[FunctionRow], int]:
    """Return the functions that changed for sure, in the comparison's order, and how many are left out.

    Where the own code of any changed, those are all: that their callers took longer with them is no news.

    Args:
        comparison: of two measurements.
        count: how many to return at most.
    """
    own = [function for function in comparison.changed if function.self.is_significant]
    shown = own or comparison.changed
    return [_row(function, comparison.basis) for function in shown[:count]], max(0, len(shown) - count)


def _row(function: FunctionComparison, basis: Basis) -> FunctionRow:
    is_own = function.self.is_significant
    change = function.self if is_own else function.total
    of = "own code" if is_own else "with what it calls"
    return FunctionRow(function.name, of, change_words(change, basis), change.change > 0)


def more_requests_words(comparison: Comparison) -> str:
    """Say how many more requests a verdict takes; empty where there is one."""
    if not comparison.more_requests:
        return ""  # None, where no number of them would
    return f"about {comparison.more_requests:,} more requests on each side would tell"
