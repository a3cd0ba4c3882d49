"""From what changed to a verdict: a regression, none, or too few requests to say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.model.amounts import duration
from spanprofiles.model.comparison import Basis, Change, ComparisonVerdict, FunctionComparison
from spanprofiles.model.intervals import Z95

#: Fewer requests on a side can never tell: there are too few ways to deal them.
LEAST_REQUESTS = 6

#: The most requests that are asked for: a comparison that needs more needs another method.
MOST_REQUESTS = 1_000_000

# Chance that a verdict is found with the number of requests that is asked for.
_POWER = statistics.NormalDist().inv_cdf(0.8)

# What the largest score of some twenty different quantities reaches by chance one time in 200.
_USUAL_CRITICAL = 3.6


@dataclass(frozen=True)
class Said:
    """A verdict.

    Attributes:
        verdict: what it is.
        reason: why, as a sentence.
        more: how many more requests each side needs; 0 where there is a verdict; None where no number is known to do.
    """

    verdict: ComparisonVerdict
    reason: str
    more: int | None = 0


def verdict_of(
    request: Change, functions: Sequence[FunctionComparison], requests: int, threshold: float, basis: Basis
) -> Said:
    """Judge a comparison.

    By CPU it is a regression if the request grew for sure, and by the threshold or more as far as is known; or if
    functions grew for sure by as much, less what others shrank: a function that was renamed is none. There is none if
    the interval of the request's growth ends below the threshold.

    By shares it is a regression if a function's share grew for sure by what the threshold makes of it, and none if the
    interval of each share's growth ends below that.

    Args:
        request: the request's CPU.
        functions: the functions, in the order of the report.
        requests: how many the smaller side has.
        threshold: the smallest growth that is a regression, as a part of the request's CPU.
        basis: what was compared.
    """
    if not (request.base or request.head):
        return Said(
            ComparisonVerdict.CANNOT_SAY,
            "neither side has a sample: there is no CPU to compare",
            max(1, LEAST_REQUESTS - requests) if requests < LEAST_REQUESTS else None,
        )
    if requests < LEAST_REQUESTS:
        return Said(
            ComparisonVerdict.CANNOT_SAY,
            f"fewer than {LEAST_REQUESTS} requests on a side tell nothing of how much requests differ",
            LEAST_REQUESTS - requests,
        )
    if basis is Basis.CPU:
        return _by_cpu(request, functions, requests, threshold)
    return _by_share(functions, requests, threshold)


def _by_cpu(request: Change, functions: Sequence[FunctionComparison], requests: int, threshold: float) -> Said:
    bound_ns = threshold * request.base
    words = _in_words(request)
    if request.grew and request.change >= bound_ns:
        return Said(ComparisonVerdict.REGRESSION, words)
    if not request.base:
        return Said(ComparisonVerdict.CANNOT_SAY, f"{words}; the base has no sample to compare with", requests)
    interval = request.relative_interval
    if interval is not None and interval.high < threshold:
        return Said(ComparisonVerdict.NO_REGRESSION, f"{words}, which is below {threshold:.0%}")
    net_ns = _growth(functions) - _growth(functions, sign=-1)
    if net_ns >= bound_ns:
        first = next(row for row in functions if row.self.grew or row.total.grew)
        change = first.self if first.self.grew else first.total
        return Said(
            ComparisonVerdict.REGRESSION,
            f"{first.name} uses {duration(round(change.head))} instead of {duration(round(change.base))};"
            f" what grew for sure is {net_ns / request.base:.0%} of the request's CPU",
        )
    if interval is None:
        return Said(ComparisonVerdict.CANNOT_SAY, words, requests)
    error = (math.log1p(interval.high) - math.log1p(max(interval.low, -0.999))) / 2 / Z95
    grown = request.relative or 0.0
    if grown >= threshold:  # as much as a regression, but perhaps by chance
        scores, room = _USUAL_CRITICAL + _POWER, math.log1p(max(threshold, grown))
    else:
        # Growth that may be chance is taken for half of what it seems.
        expected = grown if request.grew else max(grown, 0.0) / 2
        scores, room = Z95 + _POWER, math.log1p(threshold) - math.log1p(expected)
    return Said(
        ComparisonVerdict.CANNOT_SAY,
        f"{words}: too few requests to tell whether it is {threshold:.0%}",
        _more(requests, scores * error / room),
    )


def _by_share(functions: Sequence[FunctionComparison], requests: int, threshold: float) -> Said:
    bound = threshold / (1 + threshold)  # the share of what makes a request so much larger
    known = [
        (row.name, change, change.interval)
        for row in functions
        for change in (row.self, row.total)
        if change.interval is not None
    ]
    if not known:
        return Said(ComparisonVerdict.CANNOT_SAY, "a side has no sample: it has no shares to compare", None)
    for name, change, interval in known:
        if change.grew and change.change >= bound:
            return Said(
                ComparisonVerdict.REGRESSION,
                f"{name} has {change.head:.0%} of the CPU instead of {change.base:.0%}"
                f" ({interval.low * 100:+.0f} to {interval.high * 100:+.0f} points)",
            )
    _, widest, interval = max(known, key=lambda row: row[2].high)
    if interval.high < bound:
        return Said(
            ComparisonVerdict.NO_REGRESSION,
            f"no function's share of the CPU grew by as much as {bound * 100:.0f} points",
        )
    reach = max(interval.high - change.change for _, change, interval in known)
    room = bound - widest.change if widest.grew and widest.change < bound else bound
    return Said(
        ComparisonVerdict.CANNOT_SAY,
        f"too few requests to tell whether a function's share of the CPU grew by {bound * 100:.0f} points",
        _more(requests, (Z95 + _POWER) / Z95 * reach / room),
    )


def _growth(functions: Sequence[FunctionComparison], sign: int = 1) -> float:
    """Return how much functions grew for sure (shrank, with the sign -1), without counting a callee in its callers."""
    own = (sign * row.self.change for row in functions if row.self.is_significant)
    totals = (sign * row.total.change for row in functions if row.total.is_significant)
    return max(math.fsum(change for change in own if change > 0), max(totals, default=0.0))


def _more(requests: int, excess: float) -> int:
    """Return how many more requests each side needs if intervals are so many times too wide."""
    return min(MOST_REQUESTS, max(1, math.ceil(requests * excess**2) - requests))


def _in_words(request: Change) -> str:
    text = f"a request uses {duration(round(request.head))} of CPU instead of {duration(round(request.base))}"
    interval = request.relative_interval
    if request.relative is None or interval is None:
        return text
    return f"{text}, {request.relative:+.0%} ({interval.low:+.0%} to {interval.high:+.0%})"
