"""Mean and variance, in floating point: the standard library's variance is exact, and a hundred times as slow."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the variance of a sample; the variance of a single value is 0.

    Raises:
        ZeroDivisionError: there are no values.
    """
    number = len(values)
    mean = math.fsum(values) / number
    if number == 1:
        return mean, 0.0
    return mean, math.fsum((value - mean) ** 2 for value in values) / (number - 1)
