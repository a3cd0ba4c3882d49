"""The difference of two flame graphs: what grew, what shrank, and which of it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from spanprofiles.model import sampling
from spanprofiles.model.intervals import Interval, difference_interval
from spanprofiles.model.significance import directions

if TYPE_CHECKING:
    from spanprofiles.model.flamegraph import FlameGraph, FunctionTotals


@dataclass(frozen=True)
class FunctionChange:
    """One function in both flame graphs; values as in the flame graphs (ns for CPU).

    Attributes:
        name: the function.
        self_before: value of its own code in the first flame graph.
        self_after: the same in the second.
        total_before: value of the call paths it is on in the first.
        total_after: the same in the second.
        self_interval: 95 % interval of :attr:`self_change`; None if the samples cannot be counted.
        total_interval: 95 % interval of :attr:`total_change`; None if the samples cannot be counted.
        is_significant: whether its own code changed by more than chance, all functions considered together.
    """

    name: str
    self_before: int
    self_after: int
    total_before: int
    total_after: int
    self_interval: Interval | None = None
    total_interval: Interval | None = None
    is_significant: bool = False

    @property
    def self_change(self) -> int:
        """How much the function's own code grew; negative if it shrank."""
        return self.self_after - self.self_before

    @property
    def total_change(self) -> int:
        """How much the call paths through the function grew; negative if they shrank."""
        return self.total_after - self.total_before


@dataclass(frozen=True)
class FlameGraphDifference:
    """Two flame graphs side by side, as of the same number of requests each; iterate over :attr:`changes`.

    Changes are significant here by the number of samples. A flame graph does not know how much requests differ among
    themselves: to compare many requests, use :func:`spanprofiles.model.comparison.compare_measurements`.
    """

    before: FlameGraph
    after: FlameGraph

    @property
    def total_change(self) -> int:
        """How much the whole grew; negative if it shrank."""
        return self.after.total - self.before.total

    @property
    def total_change_interval(self) -> Interval | None:
        """The 95 % interval of :attr:`total_change`; None if the samples cannot be counted."""
        return self.interval_of(self.before.total, self.after.total)

    @property
    def has_intervals(self) -> bool:
        """Whether the samples of both can be counted, so that chance can be told from change."""
        return bool(self.before.sample_value and self.after.sample_value)

    @property
    def is_noise(self) -> bool:
        """Whether neither the whole nor any function is known to have changed."""
        whole = self.directions([(self.before.total, self.after.total)])
        return whole == [0] and not any(change.is_significant for change in self.changes)

    def interval_of(self, before: int, after: int) -> Interval | None:
        """Return the 95 % interval of ``after - before``, of any two values; None if samples cannot be counted."""
        around, about = self.before.interval_of(before), self.after.interval_of(after)
        return None if around is None or about is None else difference_interval(before, around, after, about)

    def directions(self, pairs: Sequence[tuple[int, int]]) -> list[int]:
        """Tell for each pair of values (before, after) whether it grew (1), shrank (-1) or neither for sure (0).

        The chance that any pair is wrong is one in 20 at most, so it matters which pairs are put together: the boxes of
        a picture, the rows of a table. Where samples cannot be counted, nothing is sure.
        """
        first, second = self.before.sample_value, self.after.sample_value
        if not first or not second:
            return [0] * len(pairs)
        first, second = first * sampling.DISPERSION, second * sampling.DISPERSION
        return directions([(before / first, after / second) for before, after in pairs], first / second)

    @cached_property
    def changes(self) -> list[FunctionChange]:
        """Every function of either flame graph, the largest change of own value (either way) first."""
        before, after = self.before.by_function, self.after.by_function
        values = []
        for name in before.keys() | after.keys():
            old_own, old_total = _own_and_total(before.get(name))
            new_own, new_total = _own_and_total(after.get(name))
            values.append((name, (old_own, new_own), (old_total, new_total)))
        values.sort(key=lambda row: (-abs(row[1][1] - row[1][0]), -abs(row[2][1] - row[2][0]), row[0]))
        found = self.directions([own for _, own, _ in values])
        return [
            FunctionChange(
                name,
                *own,
                *totals,
                self_interval=self.interval_of(*own),
                total_interval=self.interval_of(*totals),
                is_significant=direction != 0,
            )
            for (name, own, totals), direction in zip(values, found, strict=True)
        ]

    @property
    def top_regression(self) -> FunctionChange | None:
        """The function whose own code grew most, of those that grew by more than chance; None if there is none."""
        return next((change for change in self.changes if change.is_significant and change.self_change > 0), None)

    @property
    def guilty(self) -> FunctionChange | None:
        """The earlier name of :attr:`top_regression`, kept for one version."""
        return self.top_regression


def _own_and_total(function: FunctionTotals | None) -> tuple[int, int]:
    return (function.self, function.total) if function else (0, 0)
