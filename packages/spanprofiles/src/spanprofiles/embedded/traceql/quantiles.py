"""Histograms whose buckets are powers of two, and the quantiles that are read from them."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql import values
from spanprofiles.embedded.traceql.exemplars import Exemplars
from spanprofiles.embedded.traceql.intervals import SECOND_NS, Intervals
from spanprofiles.embedded.traceql.series import Exemplar, Labels, Series, check_series
from spanprofiles.embedded.traceql.values import Static, text_of

BUCKET, QUANTILE = "__bucket", "p"
LEAST = 2
"""Values below it are in no bucket."""


def bucket_of(value: Static) -> float | None:
    """Return the upper bound of the bucket that a value is in; None for what is counted in none.

    Durations are bucketed by their ns; the bound is in seconds.
    """
    kind, number = value
    if kind not in {values.INTEGER, values.DURATION} or number < LEAST:
        return None
    # A number past 2^53 is rounded as a float has it, up to the next power of two at most.
    bound = float(1 << (int(float(number)) - 1).bit_length())
    return bound / SECOND_NS if kind == values.DURATION else bound


def quantile(share: float, counts: Mapping[float, int]) -> float:
    """Estimate a quantile from the counts of buckets, by their upper bounds; 0 where nothing was counted.

    Between two bounds the logarithm is taken to grow evenly.
    """
    bounds = sorted(counts)
    total = sum(counts.values())
    if not total:
        return 0.0
    wanted = max(math.ceil(share * total), 1)
    counted = list(itertools.accumulate(counts[bound] for bound in bounds))
    position = bisect_left(counted, wanted)
    if counted[position] == wanted:
        return bounds[position]
    count = counts[bounds[position]]
    below = counted[position] - count
    upper = math.log2(bounds[position])
    lower = math.log2(bounds[position - 1]) if position else upper - 1
    return float(2 ** (lower + (upper - lower) * (wanted - below) / count))


@dataclass
class _Group:
    """The buckets of one group of spans: counts by step and upper bound."""

    labels: Labels
    allowed: Exemplars
    histograms: dict[int, dict[float, int]] = field(default_factory=dict)
    exemplars: list[Exemplar] = field(default_factory=list)


def quantile_series(
    buckets: list[Series], shares: tuple[float, ...], intervals: Intervals, exemplars: int, deadline: Deadline
) -> list[Series]:
    """Make quantiles of the series of a histogram.

    Args:
        buckets: the counts, each series with its bucket as its last label.
        shares: the quantiles that are asked for, 0 to 1.
        intervals: the steps.
        exemplars: how many exemplars each group may have.
        deadline: of the query.

    Raises:
        TraceQLError: there are more series than a query may have.
        QueryTooLongError: the deadline passed.
    """
    groups: dict[object, _Group] = {}
    overall: dict[float, int] = {}
    for bucket in deadline.watch(buckets):
        labels, bound = bucket.labels[:-1], bucket.labels[-1][1][1]
        group = groups.setdefault(_as_text(labels), _Group(labels, Exemplars(exemplars, intervals)))
        for step, count in deadline.watch(bucket.values.items(), PIECE):
            if step >= 0 and count:
                for histogram in (group.histograms.setdefault(step, {}), overall):
                    histogram[bound] = histogram.get(bound, 0) + int(count)
        group.exemplars += [each for each in bucket.exemplars if group.allowed.takes(each.timestamp_ms)]
    check_series(len(groups) * len(shares))
    levels = {share: quantile(share, overall) for share in shares}
    return [
        Series(
            (*group.labels, (QUANTILE, (values.FLOAT, share))),
            {step: quantile(share, histogram) for step, histogram in deadline.watch(group.histograms.items(), PIECE)},
            zeros=True,
            exemplars=[each for each in group.exemplars if _nearest(each.value, levels) == share],
        )
        for group in groups.values()
        for share in levels
    ]


def _nearest(value: float, levels: Mapping[float, float]) -> float:
    """Return the quantile whose value over all groups is nearest to that of an exemplar."""
    return min(levels, key=lambda share: abs(value - levels[share]))


def _as_text(labels: Labels) -> object:
    """Return what a group is known by: its labels as Prometheus has them, the last of one name."""
    known = {}
    for name, value in labels:
        shown = text_of(value)
        if value[0] == values.INTEGER:
            shown = f"int({shown})"
        elif value[0] == values.STRING:
            shown = {"nil": "<nil>", "": "<empty>"}.get(shown, shown)
        known[name] = shown
    return frozenset(known.items())
