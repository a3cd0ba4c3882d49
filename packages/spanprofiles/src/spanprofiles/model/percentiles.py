"""Percentiles of values that are known: of those that occurred. And estimates from counts, where they are not known."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[int], share: float) -> int:
    """Return the smallest value that at least this share (0 to 1) of the values do not exceed; 0 of none."""
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def share_below(ordered: Sequence[int], value: int) -> float:
    """Return the share (0 to 1) of values that are smaller than this one; 0 of none.

    Args:
        ordered: the values, smallest first.
        value: what they are compared with; it may be among them.
    """
    return bisect_left(ordered, value) / len(ordered) if ordered else 0.0


def estimated_percentile(counts: Mapping[float, float], share: float) -> float:
    """Estimate the value that a share of all values do not exceed, from how many lie up to each power of two.

    Between two powers the values are taken to lie evenly by their logarithms. The estimate is off by less than a
    factor of two.

    Args:
        counts: how many values there are up to each bound, above half of it.
        share: 0 to 1.

    Returns:
        The estimate; 0 of no values.
    """
    wanted = share * sum(counts.values())
    below, estimate = 0.0, 0.0
    for bound in sorted(bound for bound, count in counts.items() if count > 0):
        inside = (wanted - below) / counts[bound]
        estimate = bound / 2 * 2.0 ** min(max(inside, 0.0), 1.0)
        below += counts[bound]
        if below >= wanted:
            break
    return estimate
