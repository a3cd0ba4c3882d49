"""CPU without a span ID: whether it explains what some spans did while they have no samples of their own.

A span that waited and a span whose work ran where its label does not follow look alike: both have no samples. What
tells them apart is the CPU of their process, in their time, that carries no span ID at all. This is the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import sqrt

from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS

Interval = tuple[int, int]
"""Start and end, ms since the epoch."""

_NS_PER_MS = 1_000_000

# So much of their time, left unexplained by samples of their own, spans must have in CPU to have computed: without
# knowing what the process spends otherwise, and with it.
_MOSTLY = 0.5
_PARTLY = 0.3

# So small a part of their time is none.
_NOTHING = 0.15

# To take a request, answer it and export its span costs so much that is in no span, ns.
_SERVING_NS = 5_000_000

# What a process spends on its own (serving, exporting telemetry) where it is not known: a part of the time.
_USUAL_SHARE = 0.03

# So many standard deviations of a count of samples are no chance.
_DEVIATIONS = 4.0

# Of the usual steps the busiest are left out: start-up and jobs by the clock are not usual.
_KEPT_SHARE = 0.9
_ENOUGH_USUAL_MS = 5_000


class Explains(Enum):
    """Whether CPU without a span ID explains what spans without samples did."""

    YES = "they computed, and their CPU carries no span ID"
    NO = "they waited: their process had no CPU to explain them"
    PERHAPS = "cannot be told"


@dataclass(frozen=True)
class Timeline:
    """The CPU of a process that carries no span ID, over time.

    Attributes:
        points: (time, CPU); ms since the epoch, the end of the step in which profiles are dated, and ns.
        step_ms: length of a step, ms.
        interval_ms: the agent's upload interval, ms: a profile holds the samples of so long after its date.
        until_ms: what is known ends here, ms since the epoch.
        is_exact: whether all of it is without a span ID for sure; else it is that much at most.
    """

    points: tuple[tuple[int, float], ...]
    step_ms: float
    interval_ms: float
    until_ms: float
    is_exact: bool = True

    def profiles_of(self, start_ms: float, end_ms: float) -> Interval:
        """Return between which dates the profiles are that can hold samples of that time, ms since the epoch."""
        return int(start_ms - self.interval_ms), int(end_ms)

    def points_of(self, start_ms: float, end_ms: float) -> Interval:
        """Return between which points those profiles are: dates are rounded up to a step."""
        first_ms, last_ms = self.profiles_of(start_ms, end_ms)
        return first_ms, int(last_ms + self.step_ms)


@dataclass(frozen=True)
class UnlabelledCpu:
    """What was found around some spans.

    Attributes:
        cpu_ns: CPU of their process that carries no span ID, in the profiles of their time, ns.
        usual_ns: what the process spends so in as much time otherwise, ns; None where there is no other time.
        looked_at_ns: how much time those profiles cover, ns.
        open_ns: how much of their time their own samples leave unexplained, ns.
        spans: how many spans.
        is_exact: whether all of the CPU is without a span ID for sure; else it is that much at most.
        served: how many requests of the process there were in that time, these spans' among them.
        burst_share: the share of the CPU in the two busiest profiles that follow each other, 0 to 1.
    """

    cpu_ns: float
    usual_ns: float | None
    looked_at_ns: float
    open_ns: float
    spans: int = 1
    is_exact: bool = True
    served: int = 1
    burst_share: float = 1.0

    @property
    def serving_ns(self) -> float:
        """What it takes to answer the requests of that time and to export their spans, ns."""
        return float(_SERVING_NS * max(self.served, self.spans))

    @property
    def is_next_to_none(self) -> bool:
        """Whether there is no more than it takes to answer, be it usual or not."""
        return self.cpu_ns - self.serving_ns <= max(_NOTHING * self.open_ns, SAMPLE_PERIOD_NS)

    @property
    def explains(self) -> Explains:
        """Whether it explains what the spans did."""
        usual_ns = self.usual_ns if self.usual_ns is not None else _USUAL_SHARE * self.looked_at_ns
        noise_ns = _DEVIATIONS * sqrt(max(usual_ns, SAMPLE_PERIOD_NS) * SAMPLE_PERIOD_NS)
        part = _MOSTLY if self.usual_ns is None else _PARTLY
        excess_ns = self.cpu_ns - usual_ns - self.serving_ns
        if excess_ns <= max(_NOTHING * self.open_ns, SAMPLE_PERIOD_NS):
            drowned = noise_ns / 2 > _PARTLY * self.open_ns  # in what the process does besides
            return Explains.PERHAPS if drowned else Explains.NO
        if not self.is_exact:
            return Explains.PERHAPS
        if excess_ns >= max(MANY_PERIODS * SAMPLE_PERIOD_NS, part * self.open_ns, noise_ns):
            return Explains.YES
        return Explains.PERHAPS


def unlabelled_cpu(
    busy: Iterable[Interval],
    timeline: Timeline,
    *,
    others: Iterable[Interval] = (),
    explained_ns: float = 0.0,
    requests: Iterable[Interval] = (),
) -> UnlabelledCpu:
    """Add up the CPU without a span ID around some spans.

    Args:
        busy: when the spans of one process ran, and what goes on after them.
        timeline: the process's CPU.
        others: when other spans without samples ran: what they may have spent is not what is usual.
        explained_ns: CPU in the spans' own samples, ns.
        requests: when the process's requests ran, these spans' among them.
    """
    spans = list(busy)
    ran = merged(spans)
    around = merged(timeline.points_of(*interval) for interval in ran)
    elsewhere = merged([*around, *(timeline.points_of(*interval) for interval in others)])
    points = [(time_ms, value) for time_ms, value in timeline.points if _is_in(time_ms, around)]
    cpu_ns = sum(value for _, value in points)
    return UnlabelledCpu(
        cpu_ns,
        _usual_ns(timeline, elsewhere, length_ms(around)),
        length_ms(around) * _NS_PER_MS,
        max(0.0, length_ms(ran) * _NS_PER_MS - explained_ns),
        len(spans),
        timeline.is_exact,
        sum(_overlaps(timeline.profiles_of(*interval), around) for interval in requests),
        _burst_ns(points, max(timeline.step_ms, timeline.interval_ms)) / cpu_ns if cpu_ns > 0 else 1.0,
    )


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals that do not overlap and cover the same time, in order."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def length_ms(intervals: Iterable[Interval]) -> int:
    """Return how long intervals are together, ms."""
    return sum(end - start for start, end in intervals)


def _burst_ns(points: Sequence[tuple[int, float]], apart_ms: float) -> float:
    """Return the most CPU in two profiles that follow each other, ns."""
    pairs = zip(points, [*points[1:], (0, 0.0)], strict=True)
    return max(
        own + (after if 0 < later_ms - time_ms <= apart_ms else 0.0) for (time_ms, own), (later_ms, after) in pairs
    )


def _overlaps(interval: Interval, intervals: Sequence[Interval]) -> bool:
    return any(start <= interval[1] and interval[0] <= end for start, end in intervals)


def _is_in(time_ms: float, intervals: Sequence[Interval]) -> bool:
    return any(start <= time_ms <= end for start, end in intervals)


def _usual_ns(timeline: Timeline, around: Sequence[Interval], time_ms: float) -> float | None:
    """Return what the process spends in so much time, ns, where it is known from elsewhere in its timeline."""
    if not timeline.points:
        return None
    first_ms = timeline.points[0][0] - timeline.step_ms
    until_ms = timeline.until_ms - timeline.interval_ms
    inside = [(max(start, int(first_ms)), min(end, int(until_ms))) for start, end in around]
    elsewhere_ms = until_ms - first_ms - length_ms((start, end) for start, end in inside if end > start)
    if elsewhere_ms < max(_ENOUGH_USUAL_MS, 2 * timeline.interval_ms):
        return None
    values = sorted(
        value for point_ms, value in timeline.points if point_ms <= until_ms and not _is_in(point_ms, around)
    )
    steps = max(1, int(elsewhere_ms / max(timeline.step_ms, timeline.interval_ms)))
    quiet = max(0, steps - len(values))  # steps without any CPU have no point
    kept = max(1, int(_KEPT_SHARE * steps))
    return sum(values[: max(0, kept - quiet)]) / kept * time_ms / (elsewhere_ms / steps)
