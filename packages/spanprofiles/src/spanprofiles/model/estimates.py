"""What many requests say about the usual one: a mean or a share, and how well it is known.

The request is the unit. Requests differ by chance and by what they do, and how much they differ among themselves shows
both. Chance alone sets a floor: ten requests that agree by luck are not known better than their samples allow. Where
requests differ by more, Student's quantile makes up for their being few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from spanprofiles.model.intervals import CONFIDENCE, Z95, Interval, count_interval, share_interval, student_quantile
from spanprofiles.model.moments import mean_and_variance

#: With fewer requests, how much they differ says next to nothing.
FEWEST_REQUESTS = 3


class Estimate(NamedTuple):
    """A figure and its 95 % interval.

    Attributes:
        value: the figure.
        interval: where the truth may lie; None where there are too few requests to tell.
    """

    value: float
    interval: Interval | None

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval."""
        return None if self.interval is None else (self.interval.high - self.interval.low) / 2

    @property
    def relative_half_width(self) -> float | None:
        """Half the width of the interval as a part of the value; infinite for 0."""
        half = self.half_width
        if half is None:
            return None
        return half / self.value if self.value else math.inf


def mean(values: Sequence[float], sample_value: float = 0.0, dispersion: float = 1.0) -> Estimate:
    """Return the mean of a value that each request has, such as its CPU.

    Args:
        values: a value for each request.
        sample_value: the value of one sample, if the values are counted by samples; 0 if they are measured.
        dispersion: the variance of a number of samples, as a part of its mean, at least.
    """
    count = len(values)
    if not count:
        return Estimate(0.0, None)
    middle, variance = mean_and_variance(values)
    if count < FEWEST_REQUESTS:
        return Estimate(middle, None)
    quantile = student_quantile((1 + CONFIDENCE) / 2, count - 1)
    if not sample_value:
        reach = quantile * math.sqrt(variance / count)
        return Estimate(middle, Interval(max(0.0, middle - reach), middle + reach))
    seen = variance / (middle * sample_value) if middle > 0 else 0.0
    samples = middle * count / sample_value
    interval = count_interval(samples, max(dispersion, seen * (quantile / Z95) ** 2))
    return Estimate(middle, interval.times(sample_value / count))


def share(
    parts: Sequence[float], wholes: Sequence[float], sample_value: float = 0.0, dispersion: float = 1.0
) -> Estimate:
    """Return the share that a part has of the whole, over all requests together.

    Args:
        parts: the part in each request, such as a function's CPU.
        wholes: the whole in each request, in the same order.
        sample_value: the value of one sample; 0 if the values are measured.
        dispersion: the variance of a number of samples, as a part of its mean, at least.
    """
    count, whole = len(wholes), math.fsum(wholes)
    if not whole:
        return Estimate(0.0, None)
    ratio = math.fsum(parts) / whole
    if count < FEWEST_REQUESTS:
        return Estimate(ratio, None)
    squares = math.fsum((part - ratio * all_of_it) ** 2 for part, all_of_it in zip(parts, wholes, strict=True))
    variance = squares * count / (count - 1)
    quantile = student_quantile((1 + CONFIDENCE) / 2, count - 1)
    if not sample_value:
        reach = quantile * math.sqrt(variance) / whole
        return Estimate(ratio, Interval(max(0.0, ratio - reach), min(1.0, ratio + reach)))
    independent = whole * sample_value * ratio * (1 - ratio)
    seen = variance / independent if independent > 0 else 0.0
    samples = whole / sample_value
    return Estimate(ratio, share_interval(ratio * samples, samples, max(dispersion, seen * (quantile / Z95) ** 2)))
