"""How well the CPU of a request, and a function's share of it, are known from many requests.

Each request gives one value, so the intervals hold both what chance does to the samples and how much the requests
really differ. Student's quantile makes up for few requests. The dispersion is never taken for smaller than that of the
sampling alone: a few requests that happen to agree do not make a figure better known than its samples allow.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from spanprofiles.model import sampling
from spanprofiles.model.intervals import CONFIDENCE, Interval, count_interval, share_interval, student_quantile
from spanprofiles.model.moments import mean_and_variance

#: Fewer requests tell nothing of how much requests differ.
LEAST_REQUESTS = 2

# Chance that what is planned for is found.
_POWER = statistics.NormalDist().inv_cdf(0.8)


def mean_interval(
    values: Sequence[float], sample_value: float = sampling.SAMPLE_PERIOD_NS, confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the interval of the mean of all requests like these; None of fewer than two.

    Args:
        values: one for each request, such as its CPU, ns.
        sample_value: the value of one sample, in the same unit.
        confidence: probability that the interval holds the truth.
    """
    number = len(values)
    if number < LEAST_REQUESTS:
        return None
    mean, variance = mean_and_variance(values)
    excess = variance / (mean * sample_value) if mean > 0 else 0.0
    samples = mean * number / sample_value
    quantile = student_quantile((1 + confidence) / 2, number - 1)
    interval = count_interval(samples, max(sampling.DISPERSION, excess), quantile)
    return interval.times(sample_value / number)


def share_of_requests_interval(
    parts: Sequence[float],
    wholes: Sequence[float],
    sample_value: float = sampling.SAMPLE_PERIOD_NS,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Return the interval of a function's share of the CPU of all requests like these; None of fewer than two.

    Args:
        parts: the function's CPU in each request, ns.
        wholes: the CPU of each request, ns, in the same order.
        sample_value: the value of one sample, in the same unit.
        confidence: probability that the interval holds the truth.
    """
    number, whole = len(wholes), math.fsum(wholes)
    if number < LEAST_REQUESTS or whole <= 0:
        return None
    share = math.fsum(parts) / whole
    residuals = [part - share * each for part, each in zip(parts, wholes, strict=True)]
    variance = number / (number - 1) * math.fsum(residual**2 for residual in residuals)
    independent = whole * sample_value * share * (1 - share)
    excess = variance / independent if independent > 0 else 0.0
    quantile = student_quantile((1 + confidence) / 2, number - 1)
    samples = whole / sample_value
    return share_interval(share * samples, samples, max(sampling.DISPERSION, excess), quantile)


def requests_for_precision(values: Sequence[float], relative: float) -> int | None:
    """Return how many requests it takes to know the mean to within a part of it (half the width of its interval).

    Args:
        values: one for each request so far.
        relative: the half width that is wanted, as a part of the mean, such as 0.1.

    Returns:
        All requests together, those so far included; None where the values so far cannot tell.
    """
    interval = mean_interval(values)
    mean = statistics.fmean(values) if values else 0.0
    if interval is None or mean <= 0:
        return None
    reached = (interval.high - interval.low) / 2 / mean
    return max(LEAST_REQUESTS, math.ceil(len(values) * (reached / relative) ** 2))


def requests_to_decide_share(share: float, bound: float, samples_a_request: float) -> int | None:
    """Return how many requests decide whether a share lies above or below a bound, if it is what it seems.

    So many requests decide it four times in five. With as many as only make the interval end at the bound, they would
    every second time.

    Args:
        share: what the share seems to be, 0 to 1.
        bound: what it is compared with, 0 to 1.
        samples_a_request: how many samples a request has on average.

    Returns:
        All requests together, at least 1; None if no number decides it: the share seems to be just the bound, or
        requests have no samples.
    """
    if share == bound or samples_a_request <= 0:
        return None
    if not 0 < bound < 1:
        return 1
    quantile = student_quantile((1 + CONFIDENCE) / 2, math.inf)
    needed = quantile * math.sqrt(bound * (1 - bound)) + _POWER * math.sqrt(share * (1 - share))
    samples = sampling.DISPERSION * (needed / (share - bound)) ** 2
    return max(1, math.ceil(samples / samples_a_request))


def requests_to_decide_total(value: float, bound: float, sample_value: float = sampling.SAMPLE_PERIOD_NS) -> int | None:
    """Return how many requests decide whether a request uses more or less than a bound, if it uses what it seems.

    So many requests decide it four times in five, their mean compared with the bound.

    Args:
        value: what a request seems to use, such as ns of CPU.
        bound: what it is compared with, in the same unit.
        sample_value: the value of one sample, in the same unit.

    Returns:
        All requests together, at least 1; None if it seems to be just the bound.
    """
    if value == bound:
        return None
    quantile = student_quantile((1 + CONFIDENCE) / 2, math.inf)
    needed = quantile * math.sqrt(max(bound, 0.0)) + _POWER * math.sqrt(value)
    requests = sampling.DISPERSION * sample_value * (needed / (value - bound)) ** 2
    return max(1, math.ceil(requests))
