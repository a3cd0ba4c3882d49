"""Percentiles of measured values: always of values that occurred, never between two of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence


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
