"""How many requests decide a claim that fails within its uncertainty."""

from __future__ import annotations

import math
import statistics

from spanprofiles.model import sampling
from spanprofiles.model.intervals import Z95

# How many standard errors more it takes to decide a claim four times in five. With as many requests as only make the
# interval end at the bound, chance would decide it every second time.
_POWER = statistics.NormalDist().inv_cdf(0.8)


def requests_to_decide_share(share: float, bound: float, samples_a_request: float) -> int | None:
    """Return how many requests decide whether a share lies above or below a bound, if it is what it seems.

    So many requests decide it four times in five.

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
    needed = Z95 * math.sqrt(bound * (1 - bound)) + _POWER * math.sqrt(share * (1 - share))
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
    needed = Z95 * math.sqrt(max(bound, 0.0)) + _POWER * math.sqrt(value)
    requests = sampling.DISPERSION * sample_value * (needed / (value - bound)) ** 2
    return max(1, math.ceil(requests))
