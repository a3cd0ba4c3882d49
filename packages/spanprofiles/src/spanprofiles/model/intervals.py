"""Intervals of counted chance events: how well a number of samples, and a share of them, are known.

They are score intervals (Wilson's for a share, its counterpart for a count). They need no iteration, hold for counts
of 0 and 1 too, and cover the truth in 95 % of cases on average over what the truth may be, where "exact" intervals
cover it in 97 to 99 % and are that much wider.

The dispersion is the variance of a count as a part of what it is for independent events. Twice the dispersion is
as good as half the events.
"""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

#: Probability that an interval holds the truth.
CONFIDENCE = 0.95

#: How many standard errors such an interval reaches to either side, where the error is known.
Z95 = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


# The terms in 1/freedom, 1/freedom**2, ... of Student's quantile for a normal quantile z: the factors of z, z**3, z**5,
# ..., and what divides their sum.
_STUDENT_EXPANSION = (
    ((1, 1), 4),
    ((3, 16, 5), 96),
    ((-15, 17, 19, 3), 384),
    ((-945, -1920, 1482, 776, 79), 92_160),
)


class Interval(NamedTuple):
    """The range in which a figure lies, 95 times in 100.

    Attributes:
        low: the lower end.
        high: the upper end.
    """

    low: float
    high: float

    def covers(self, value: float) -> bool:
        """Tell whether a value lies within the interval, its ends included."""
        return self.low <= value <= self.high

    def times(self, factor: float) -> Interval:
        """Return the interval of so many times the figure; the factor is not negative."""
        return Interval(self.low * factor, self.high * factor)


def count_interval(count: float, dispersion: float = 1.0, quantile: float = Z95) -> Interval:
    """Return the interval of the number of events that was to be expected, from the number that came.

    Args:
        count: events that came.
        dispersion: the variance of such a count, as a part of its mean.
        quantile: how many standard errors to reach for.
    """
    middle = count + dispersion * quantile**2 / 2
    high = middle + quantile * math.sqrt(dispersion * count + (dispersion * quantile) ** 2 / 4)
    return Interval(count**2 / high, high)  # the product of both ends, without the rounding of their difference


def share_interval(part: float, whole: float, dispersion: float = 1.0, quantile: float = Z95) -> Interval:
    """Return the interval of a share, from a part of the events and their number. Without events it is 0 to 1.

    Args:
        part: events that count.
        whole: all events.
        dispersion: the variance of the part, as a part of what independent events would have.
        quantile: how many standard errors to reach for.
    """
    if whole <= 0:
        return Interval(0.0, 1.0)
    share, square, events = part / whole, quantile**2, whole / dispersion
    widened = 1 + square / events
    reach = quantile * math.sqrt(share * (1 - share) / events + square / (4 * events**2))
    high = (share + square / (2 * events) + reach) / widened
    return Interval(share**2 / widened / high, min(1.0, high))


def difference_interval(before: float, around: Interval, after: float, about: Interval) -> Interval:
    """Return the interval of ``after - before`` from an estimate and an interval of each (MOVER).

    Args:
        before: the first figure.
        around: its interval.
        after: the second figure, independent of the first.
        about: its interval.
    """
    change = after - before
    down = math.hypot(after - about.low, around.high - before)
    up = math.hypot(about.high - after, before - around.low)
    return Interval(change - down, change + up)


def ratio_interval(before: float, around: Interval, after: float, about: Interval) -> Interval | None:
    """Return the interval of ``after / before`` from an estimate and an interval of each; None of nothing before.

    Args:
        before: the first figure, not negative.
        around: its interval.
        after: the second figure, independent of the first and not negative.
        about: its interval.
    """
    if before <= 0 or around.low <= 0:
        return None
    if after <= 0 or about.low <= 0:
        return Interval(0.0, about.high / around.low)
    ratio = after / before
    down = math.hypot(math.log(after / about.low), math.log(around.high / before))
    up = math.hypot(math.log(about.high / after), math.log(before / around.low))
    return Interval(ratio * math.exp(-down), ratio * math.exp(up))


def student_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t, by its expansion in 1/freedom (to 1 % from 3 degrees of freedom on).

    Args:
        probability: from 0.5 to 1.
        freedom: degrees of freedom, at least 1.
    """
    if freedom < 2:
        return math.tan(math.pi * (probability - 0.5))
    if freedom < 3:
        excess = 2 * probability - 1
        return excess * math.sqrt(2 / (1 - excess**2))
    z = statistics.NormalDist().inv_cdf(probability)
    terms = (
        sum(factor * z ** (2 * place + 1) for place, factor in enumerate(factors)) / divisor
        for factors, divisor in _STUDENT_EXPANSION
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))
