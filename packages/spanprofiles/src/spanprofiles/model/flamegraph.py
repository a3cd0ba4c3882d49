"""A flame graph: call paths with values, the questions that it answers, and the difference of two flame graphs.

Values are what the profile counts: nanoseconds for CPU and wall time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Union

from spanprofiles.model import estimate_text, sampling, sandwich
from spanprofiles.model.claim import Claim, ClaimedShare, ClaimedValue
from spanprofiles.model.difference import FlameGraphDifference
from spanprofiles.model.frame import Frame
from spanprofiles.model.intervals import Interval, count_interval, share_interval
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.selector import CPU
from spanprofiles.model.similar_names import similar_names

Function = Union[str, "re.Pattern[str]"]
"""A function's name as it stands in the profile, or a pattern that must match the whole name."""

ROOT = "total"

_MOST_CLAIMS = 20


@dataclass(frozen=True)
class FunctionTotals:
    """One row of the top table.

    Attributes:
        name: the function.
        self: value of its own code, over all call paths.
        total: value of the call paths that it is on; a recursive function counts once for each path.
        share: ``total`` as a part of the whole, 0 to 1.
    """

    name: str
    self: int
    total: int
    share: float


class FlameGraph:
    """The call tree of a set of samples. It is immutable, and equal to another with the same call paths and values.

    It remembers the names that it was asked for and does not have: a misspelt name has no time either, and the report
    of a failed claim says so. It also remembers what its figures were compared with. Neither is a part of its value.
    """

    def __init__(
        self,
        stacks: Mapping[tuple[str, ...], int] | Iterable[tuple[tuple[str, ...], int]] = (),
        profile_type: str = CPU,
        *,
        sample_value: float | None = None,
    ) -> None:
        """Build the tree.

        Args:
            stacks: call path (outermost function first) and the value of the samples whose stack it is. The values of
                a repeated path are added up.
            profile_type: what the values are, as ``name:type:unit:period type:period unit``.
            sample_value: the value of one sample, where it is known; None to tell it from the values. See
                :attr:`sample_value`.

        Raises:
            ValueError: a value is negative.
        """
        merged: dict[tuple[str, ...], int] = defaultdict(int)
        for path, value in stacks.items() if isinstance(stacks, Mapping) else stacks:
            if value < 0:
                raise ValueError(f"a call path cannot have the negative value {value}: {' > '.join(path)}")
            merged[path] += value
        self._stacks = {path: value for path, value in merged.items() if value}
        self._asked_in_vain: dict[str, None] = {}
        self._claims: dict[tuple[str, float], Claim] = {}
        self._sample_value = sample_value
        #: What the values are, as ``name:type:unit:period type:period unit``.
        self.profile_type = profile_type

    @property
    def stacks(self) -> Mapping[tuple[str, ...], int]:
        """Call paths, outermost function first, with the value of their innermost function's own code."""
        return dict(self._stacks)

    @cached_property
    def total(self) -> int:
        """The value of all samples together."""
        return sum(self._stacks.values())

    @property
    def cpu_ns(self) -> int:
        """The CPU time of all samples together, ns; 0 if the values are something else."""
        return self.total if ProfileType.of(self.profile_type).is_cpu_ns else 0

    @property
    def amount(self) -> str:
        """The value of all samples in words, and how well it is known: ``550 ms of CPU (55 samples, 420 to 720 ms)``.

        Where the samples cannot be counted, it is the value alone: ``1.5 MiB of alloc_space``.
        """
        return estimate_text.of_what(self)

    @property
    def measure(self) -> str:
        """What its values are shares of: ``CPU time``, ``wall time``."""
        return ProfileType.of(self.profile_type).measure

    def as_text(self, value: int) -> str:
        """Write one of its values with the unit, and no digit that is not known: ``380 ms``, ``38 samples``."""
        return estimate_text.figure(self, value)

    def amount_of(self, value: int) -> str:
        """Write one of its values with how well it is known: ``380 ms (38 samples, 280 to 520 ms)``."""
        return estimate_text.amount(self, value)

    def reach_of(self, value: int) -> str:
        """Write the 95 % interval of one of its values: ``280 to 520 ms``; empty if the samples cannot be counted."""
        return estimate_text.reach(self, value)

    def share_of(self, value: int) -> str:
        """Write one of its values as a share of the whole, with its interval: ``69 % (56 to 80 %)``."""
        return estimate_text.share_of(self, value)

    @property
    def is_empty(self) -> bool:
        """Whether there are no samples at all, as for an unknown span."""
        return not self._stacks

    @cached_property
    def sample_value(self) -> float | None:
        """The value of one sample, such as 10,000,000 for 10 ms; None if unknown.

        It is the greatest common divisor of the values, since each call path has a whole number of samples; for time it
        is the usual period of 10 ms if all values are multiples of that. It is unknown for bytes, and of time that
        was measured instead of counted. Then there are no intervals either.
        """
        if self._sample_value is not None:
            return self._sample_value
        known = ProfileType.of(self.profile_type)
        return sampling.sample_value(self._stacks.values(), known.unit, is_time=known.is_time)

    @property
    def samples(self) -> int | None:
        """The number of its samples; None if unknown, see :attr:`sample_value`."""
        return round(self.total / self.sample_value) if self.sample_value else None

    @cached_property
    def functions(self) -> frozenset[str]:
        """The names of all functions on any call path."""
        return frozenset(name for path in self._stacks for name in path)

    @cached_property
    def root(self) -> Frame:
        """The call tree, under one frame called ``total``."""
        names, totals, own, parents = [ROOT], [self.total], [self._stacks.get((), 0)], [0]
        below: list[dict[str, int]] = [{}]
        for path, value in self._stacks.items():
            place = 0
            for name in path:
                child = below[place].setdefault(name, len(names))
                if child == len(names):
                    names.append(name)
                    totals.append(0)
                    own.append(0)
                    parents.append(place)
                    below.append({})
                totals[child] += value
                place = child
            if path:
                own[place] = value
        callees: list[list[Frame]] = [[] for _ in names]
        for place in range(len(names) - 1, 0, -1):  # children before parents, however deep
            callees[parents[place]].append(_frame(names[place], totals[place], own[place], callees[place]))
        return _frame(ROOT, totals[0], own[0], callees[0])

    @property
    def unknown_functions(self) -> Mapping[str, list[str]]:
        """The names that it, or a part of it, was asked about and that no function has, with similar names."""
        names = [] if self.is_empty else [name for name in self._asked_in_vain if name not in self.functions]
        return {name: similar_names(name, self.functions) for name in names}

    def total_of(self, function: Function) -> int:
        """Return the value of the samples taken while the function was running or had called another.

        It is 0 if no function has that name; see :attr:`unknown_functions`.
        """
        return self._claimed(f"the total of {_named(function)}", self._total_of(function))

    def self_of(self, function: Function) -> int:
        """Return the value of the samples taken in the function's own code."""
        self._note(function)
        own = sum(value for path, value in self._stacks.items() if path and _matches(function, path[-1]))
        return self._claimed(f"the own value of {_named(function)}", own)

    def share(self, function: Function) -> float:
        """Return ``total_of(function)`` as a part of the whole, 0 to 1; 0 if no sample has the function."""
        value = self._total_of(function)
        note = partial(self._note_claim, f"the share of {_named(function)}", value, is_share=True)
        return ClaimedShare(value / self.total if self.total else 0.0, note)

    def share_interval(self, function: Function) -> Interval | None:
        """Return the 95 % interval of :meth:`share`, by the number of samples; None if that number is unknown."""
        return self.interval_of_share(self._total_of(function))

    def total_interval(self, function: Function | None = None) -> Interval | None:
        """Return the 95 % interval of :meth:`total_of`, or of the whole without a function, in the same unit.

        It says how well the samples show what these requests used, and not how much other requests may differ. It is
        None if the number of samples is unknown.
        """
        return self.interval_of(self.total if function is None else self.total_of(function))

    def self_interval(self, function: Function) -> Interval | None:
        """Return the 95 % interval of :meth:`self_of`, like :meth:`total_interval`."""
        return self.interval_of(self.self_of(function))

    def interval_of(self, value: int) -> Interval | None:
        """Return the 95 % interval of any value of it, such as a frame's; None if the samples cannot be counted."""
        if not self.sample_value:
            return None
        return count_interval(value / self.sample_value, sampling.DISPERSION).times(self.sample_value)

    def interval_of_share(self, value: int) -> Interval | None:
        """Return the 95 % interval of any value's share of the whole; None if the samples cannot be counted."""
        if not self.sample_value:
            return None
        return share_interval(value / self.sample_value, self.total / self.sample_value, sampling.DISPERSION)

    @property
    def claims(self) -> list[Claim]:
        """What its figures, or those of a part of it, were compared with, in that order."""
        return list(self._claims.values())

    def below(self, function: Function) -> FlameGraph:
        """Return the part of the flame graph from the outermost occurrence of the function on."""
        self._note(function)
        found: list[tuple[tuple[str, ...], int]] = []
        for path, value in self._stacks.items():
            start = next((index for index, name in enumerate(path) if _matches(function, name)), None)
            if start is not None:
                found.append((path[start:], value))
        return self._part(found)

    def callees_of(self, function: Function) -> FlameGraph:
        """Return what a function called: the part below its outermost occurrence, without the function itself."""
        self._note(function)
        return self._part(sandwich.callees(self._stacks.items(), lambda name: _matches(function, name)))

    def callers_of(self, function: Function) -> FlameGraph:
        """Return who called a function, upside down: its direct callers outermost, and their callers below.

        Like :meth:`callees_of`, it counts a recursive function once for each call path, at its outermost occurrence, so
        that both have the total of :meth:`total_of`.
        """
        self._note(function)
        return self._part(sandwich.callers(self._stacks.items(), lambda name: _matches(function, name)))

    @cached_property
    def by_function(self) -> Mapping[str, FunctionTotals]:
        """Own and total value of every function on any call path."""
        own: dict[str, int] = defaultdict(int)
        totals: dict[str, int] = defaultdict(int)
        for path, value in self._stacks.items():
            if path:
                own[path[-1]] += value
            for name in set(path):
                totals[name] += value
        return {name: FunctionTotals(name, own[name], totals[name], totals[name] / self.total) for name in totals}

    def top(self, count: int | None = 10) -> list[FunctionTotals]:
        """Return the functions with the largest own value, largest first; all of them if ``count`` is None."""
        rows = [row for row in self.by_function.values() if row.self]
        rows.sort(key=lambda row: (-row.self, -row.total, row.name))
        return rows[:count]

    def diff(self, other: FlameGraph) -> FlameGraphDifference:
        """Compare this flame graph with a later one: what grew, what shrank, by function."""
        return FlameGraphDifference(self, other)

    def __add__(self, other: FlameGraph) -> FlameGraph:
        """Merge two flame graphs, as for several spans of one route.

        Raises:
            ValueError: they have different types; CPU and wall time do not add up.
        """
        if not isinstance(other, FlameGraph):
            return NotImplemented
        if self.profile_type != other.profile_type and not (self.is_empty or other.is_empty):
            raise ValueError(f"{self.profile_type} and {other.profile_type} do not add up")
        stacks = [*self._stacks.items(), *other._stacks.items()]
        profile_type = other.profile_type if self.is_empty else self.profile_type
        return FlameGraph(stacks, profile_type, sample_value=self._sample_value_with(other))

    def divided(self, count: float) -> FlameGraph:
        """Divide every value by a count, as for the average of that many spans."""
        values = {path: round(value / count) for path, value in self._stacks.items()}
        sample_value = self.sample_value / count if self.sample_value else None
        return FlameGraph(values, self.profile_type, sample_value=sample_value)

    def walk(self) -> Iterator[tuple[int, Frame]]:
        """Yield (depth, frame), parents before children, largest child first."""
        pending = [(0, self.root)]
        while pending:
            depth, frame = pending.pop()
            yield depth, frame
            pending.extend((depth + 1, child) for child in reversed(frame.children))

    def _sample_value_with(self, other: FlameGraph) -> float | None:
        """Return what one sample of both together stands for, so that the variance of their sum is right."""
        if self._sample_value is None and other._sample_value is None:
            return None  # the values of both tell more than those of one
        if self.is_empty or other.is_empty:
            return other._sample_value if self.is_empty else self._sample_value
        if self.sample_value is None or other.sample_value is None:
            return None
        return (self.sample_value * self.total + other.sample_value * other.total) / (self.total + other.total)

    def _total_of(self, function: Function) -> int:
        self._note(function)
        return sum(value for path, value in self._stacks.items() if any(_matches(function, name) for name in path))

    def _claimed(self, subject: str, value: int) -> int:
        return ClaimedValue(value, partial(self._note_claim, subject, value, is_share=False))

    def _note_claim(self, subject: str, value: int, bound: float, *, is_share: bool) -> None:
        if len(self._claims) < _MOST_CLAIMS:
            self._claims[subject, bound] = Claim(self, subject, value, bound, is_share)

    def _note(self, function: Function) -> None:
        if isinstance(function, str) and function not in self.functions:
            self._asked_in_vain[function] = None

    def _part(self, stacks: Iterable[tuple[tuple[str, ...], int]]) -> FlameGraph:
        """Return a part of the flame graph, which remembers with the whole what it was asked about."""
        part = FlameGraph(stacks, self.profile_type, sample_value=self.sample_value)
        part._asked_in_vain = self._asked_in_vain
        part._claims = self._claims
        return part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlameGraph) and self._stacks == other._stacks

    def __hash__(self) -> int:
        return hash(frozenset(self._stacks.items()))

    def __repr__(self) -> str:
        """Name the total and the functions that matter, for the message of a failed assertion."""
        if self.is_empty:
            return "<FlameGraph: no samples>"
        top = ", ".join(f"{row.name} {row.self / self.total:.0%}" for row in self.top(5))
        if ProfileType.of(self.profile_type).is_cpu_ns:
            return f"<FlameGraph of {self.total / 1e6:g} ms; own time: {top}>"
        return f"<FlameGraph of {self.amount}; own value: {top}>"


def _frame(name: str, total: int, own: int, callees: list[Frame]) -> Frame:
    return Frame(name, total, own, tuple(sorted(callees, key=lambda frame: (-frame.total, frame.name))))


def _named(function: Function) -> str:
    return function if isinstance(function, str) else function.pattern


def _matches(function: Function, name: str) -> bool:
    return function == name if isinstance(function, str) else function.fullmatch(name) is not None
