"""How sure a figure is: intervals and quantiles, by the textbook. Pure arithmetic."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_Z95 = statistics.NormalDist().inv_cdf(0.975)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share (0 to 1) of the values lies, by the nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values have no percentile")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def share_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson score).

    Raises:
        ValueError: there was no trial.
    """
    if trials < 1:
        raise ValueError("a share of nothing has no interval")
    share, square = hits / trials, _Z95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    reach = _Z95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2)) / (1 + square / trials)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval, by rank: no assumption about how the values are spread.

    Raises:
        ValueError: there are fewer than 6 values, of which no two enclose the median with that certainty.
    """
    count = len(values)
    if count < 6:
        raise ValueError(f"a median of {count} values has no 95 % interval: 6 are needed")
    ordered = sorted(values)
    below = max(0, math.floor(count / 2 - _Z95 * math.sqrt(count) / 2))
    return statistics.median(ordered), ordered[below], ordered[count - 1 - below]


def ratio_interval(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the ratio of two sums and its 95 % interval, from pairs of which each is a part of both.

    By the delta method, with Student's quantile: pairs may be few.

    Raises:
        ValueError: there are fewer than 2 pairs, or the second parts sum up to nothing.
    """
    count = len(pairs)
    above, below = sum(one for one, _ in pairs), sum(other for _, other in pairs)
    if count < 2 or below <= 0:
        raise ValueError("a ratio needs two pairs, and something to divide by")
    ratio = above / below
    residual = sum((one - ratio * other) ** 2 for one, other in pairs) / (count - 1)
    reach = _student95(count - 1) * math.sqrt(residual * count) / below
    return ratio, ratio - reach, ratio + reach


def _student95(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, by the first terms of its expansion in 1/freedom (to 2 % from 4)."""
    z = _Z95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def counted_ratio_reach(one: int, other: int) -> float:
    """Return how far the ratio of two counts of chance events may be off, as a part of it (95 %, Poisson).

    Raises:
        ValueError: a count is not positive.
    """
    if one < 1 or other < 1:
        raise ValueError(f"the ratio of {one} and {other} events has no bounds")
    return _Z95 * math.sqrt(1 / one + 1 / other)
