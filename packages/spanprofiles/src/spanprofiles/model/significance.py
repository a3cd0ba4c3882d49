"""Whether two numbers of samples differ by more than chance, where many pairs are compared."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence

from spanprofiles.model.intervals import CONFIDENCE

# Above so many events the normal distribution is as good as the exact sum, and faster.
_MOST_SUMMED = 2000

# What a quotient of values may lack to a whole number of events.
_ROUNDING = 1e-6


def directions(pairs: Sequence[tuple[float, float]], odds: float = 1.0, error: float = 1 - CONFIDENCE) -> list[int]:
    """Tell for each of many pairs of counts whether the second is larger (1), smaller (-1) or neither (0).

    All together are wrong with the probability ``error`` at most, if the events are independent. The test of a pair is
    the exact binomial one. The correction is Bonferroni's for those pairs only that have enough events to be told apart
    at all (Tarone): the hundreds of functions with one sample take nothing from those with many.

    Args:
        pairs: two counts each; parts of an event are rounded down.
        odds: events of the second for each of the first, where nothing differs.
        error: probability that any pair is told apart that does not differ, in one direction or the other.
    """
    counts = [(math.floor(first + _ROUNDING), math.floor(second + _ROUNDING)) for first, second in pairs]
    grown = _grown(counts, odds / (1 + odds), error / 2)
    shrunk = _grown([(second, first) for first, second in counts], 1 / (1 + odds), error / 2)
    return [int(grew) - int(shrank) for grew, shrank in zip(grown, shrunk, strict=True)]


def _grown(counts: Sequence[tuple[int, int]], share: float, error: float) -> list[bool]:
    """Tell which pairs have more in the second than its share of both, all together with that error."""
    least = [share ** (first + second) for first, second in counts]
    level = _level(sorted(least), error)
    return [
        smallest <= level and _tail(second, first + second, share) <= level
        for smallest, (first, second) in zip(least, counts, strict=True)
    ]


def _level(least: Sequence[float], error: float) -> float:
    """Return the level at which each pair is tested: the error by the number of pairs that can reach that level.

    Args:
        least: the smallest probability that each pair can reach, in ascending order.
        error: of all pairs together.
    """
    divisor = 1
    while bisect_right(least, error / divisor) > divisor:
        divisor += 1
    return error / divisor


def _tail(count: int, trials: int, share: float) -> float:
    """Return the probability of at least so many hits in independent trials."""
    if count <= 0:
        return 1.0
    if trials > _MOST_SUMMED:
        spread = math.sqrt(trials * share * (1 - share))
        return 1 - statistics.NormalDist(trials * share, spread).cdf(count - 0.5)
    hit, miss = math.log(share), math.log1p(-share)
    whole = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1) + hits * hit + (trials - hits) * miss)
        for hits in range(count, trials + 1)
    )
