"""How a metrics query divides time: into steps that begin and end at multiples of their length.

A step takes what begins after its own beginning, up to and including its end, and is named by that end.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLISECOND_NS, SECOND_NS = 10**6, 10**9
MINUTE_NS = 60 * SECOND_NS
BASELINE_STEPS = 240
"""A query that names no step gets about so many, or somewhat more."""
SHORTEST_STEP_NS = 50 * MILLISECOND_NS
DEFAULT_STEPS_NS = (3_600 * SECOND_NS, 5 * MINUTE_NS, MINUTE_NS, 15 * SECOND_NS, 5 * SECOND_NS, SECOND_NS)
"""A step that nobody named is a multiple of the longest of these that is shorter, from a minute on."""


def default_step_ns(size_ns: int) -> int:
    """Choose the step of a query over a range of some size, both ns."""
    baseline = size_ns // BASELINE_STEPS
    units = DEFAULT_STEPS_NS if size_ns >= MINUTE_NS else (SHORTEST_STEP_NS,)
    for unit in units:
        if baseline > unit:
            return baseline // unit * unit
    return units[-1]


@dataclass(frozen=True)
class Intervals:
    """The steps of a query, times in ns since the epoch.

    Attributes:
        start_ns: the end of what is before the first step.
        end_ns: the end of the last one.
        step_ns: their length.
        earliest_ns: spans that begin after it are read, even if they are too early for the first step.
        instant: whether there is but one, from start to end.
        rate_ns: the time for which rates are given, where it is not the length of the step; else 0.
    """

    start_ns: int
    end_ns: int
    step_ns: int
    earliest_ns: int
    instant: bool = False
    rate_ns: int = 0

    @classmethod
    def of_range(cls, start_ns: int, end_ns: int, step_ns: int) -> Intervals:
        """Make the steps of a query over a range: whole ones, and one before its start.

        Spans of one more step give their series, but no values.
        """
        first = start_ns - start_ns % step_ns
        start = first - step_ns if first > step_ns else first
        earliest = start - step_ns if start > step_ns else start
        return cls(start, end_ns + -end_ns % step_ns, step_ns, earliest)

    @classmethod
    def at_once(cls, start_ns: int, end_ns: int, rate_ns: int = 0) -> Intervals:
        """Make the one step of an instant query."""
        return cls(start_ns, end_ns, end_ns - start_ns, start_ns, instant=True, rate_ns=rate_ns)

    @property
    def count(self) -> int:
        """How many steps there are."""
        return (self.end_ns - self.start_ns) // self.step_ns

    def index(self, at_ns: int) -> int:
        """Return the number of the step that a time is in, from 0; a negative one where it is too early."""
        return (at_ns - self.start_ns - 1) // self.step_ns

    def takes(self, at_ns: int) -> bool:
        """Whether a span that begins at a time is read."""
        return self.earliest_ns < at_ns <= self.end_ns

    def timestamp_ms(self, index: int) -> int:
        """Return the time by which a step is named, ms since the epoch."""
        return (self.start_ns + (index + 1) * self.step_ns) // MILLISECOND_NS

    def index_of_ms(self, at_ms: int) -> int | None:
        """Return the step of a time in ms; None where it is in none."""
        at_ns = at_ms * MILLISECOND_NS
        # Times in ms are rounded down, and so are bounds that they are compared with.
        start_ns, end_ns = (bound - bound % MILLISECOND_NS for bound in (self.start_ns, self.end_ns))
        if self.instant:
            return 0 if start_ns <= at_ns <= end_ns else None
        return (at_ns - start_ns - 1) // self.step_ns if start_ns < at_ns <= end_ns else None
