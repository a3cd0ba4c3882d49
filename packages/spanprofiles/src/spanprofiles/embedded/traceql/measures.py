"""The functions over spans that give a number over time: counts, sums, extremes, averages, histograms, quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql import syntax, values
from spanprofiles.embedded.traceql.accumulators import Accumulator, Average, Count, Greatest, Least, Sum
from spanprofiles.embedded.traceql.evaluation import lookup
from spanprofiles.embedded.traceql.exemplars import Exemplars
from spanprofiles.embedded.traceql.fetcher import SpanView
from spanprofiles.embedded.traceql.intervals import SECOND_NS, Intervals
from spanprofiles.embedded.traceql.quantiles import BUCKET, bucket_of, quantile_series
from spanprofiles.embedded.traceql.series import (
    Exemplar,
    Labels,
    Series,
    check_points,
    check_series,
    key_of,
    label_value,
    same_label,
)
from spanprofiles.embedded.traceql.syntax import Attribute, Measure
from spanprofiles.embedded.traceql.values import NIL, Static, as_float

COUNTED = frozenset({"rate", "count_over_time"})
BUCKETED = frozenset({"histogram_over_time", "quantile_over_time"})
NAME = "__name__"
DURATION = Attribute("duration", intrinsic=True)
Number = Callable[[SpanView], float]


KINDS: dict[str, Callable[[], Accumulator]] = {
    "min_over_time": Least,
    "max_over_time": Greatest,
    "sum_over_time": Sum,
    "avg_over_time": Average,
}
SCALED = frozenset({Count, Sum})
"""Where only some of the spans are read, these are scaled up."""


def _number(attribute: Attribute | None) -> Number:
    """How a span's value becomes a number: NaN where it is none, seconds for its duration, ns for other durations."""
    if attribute is None:
        return lambda _: math.nan
    find = lookup(attribute)
    if attribute == DURATION:
        return lambda view: (find(view)[1] or 0) % 2**64 / SECOND_NS
    return lambda view: as_float(find(view))


def _grouping(attribute: Attribute) -> Callable[[SpanView], Static]:
    if attribute.intrinsic or attribute.scope:
        return lookup(attribute)
    span, resource = (lookup(Attribute(attribute.name, scope)) for scope in (syntax.SPAN, syntax.RESOURCE))

    def either(view: SpanView) -> Static:
        # An attribute that a condition excluded is there all the same, and hides the resource's.
        hides = any(found == Attribute(attribute.name, syntax.SPAN) for found, _ in view.span)
        return span(view) if hides else resource(view)

    return either


class Measurement:
    """Makes the series of one function.

    Args:
        measure: the function.
        intervals: the steps.
        exemplars: how many exemplars there may be.
        deadline: of the query.
    """

    def __init__(self, measure: Measure, intervals: Intervals, exemplars: int, deadline: Deadline) -> None:
        self._measure = measure
        self._intervals = intervals
        self._deadline = deadline
        self._make = KINDS.get(measure.name, Count)
        self._number = _number(measure.attribute)
        self._value = lookup(measure.attribute) if measure.attribute is not None else None
        self._groupings = [_grouping(attribute) for attribute in measure.by]
        self._names = [str(attribute) for attribute in measure.by]
        self._groups: dict[tuple[Static, ...], tuple[Labels, dict[int, Accumulator]]] = {}
        self._points = 0
        self._exemplars: dict[tuple[Static, ...], list[Exemplar]] = {}
        self._limit = exemplars
        if not measure.by and measure.name not in {"avg_over_time", *BUCKETED}:
            self._groups[()] = (self._own_name(), {})

    @property
    def length(self) -> int:
        """How many groups of spans are told apart."""
        return len(self._groups) if self._measure.by or self._measure.name in {"avg_over_time", *BUCKETED} else 0

    def _own_name(self) -> Labels:
        return ((NAME, (values.STRING, self._measure.name)),)

    def _key(self, view: SpanView) -> tuple[Static, ...] | None:
        """Return the values that a span is grouped by; None where it is left out."""
        key = tuple(find(view) for find in self._groupings)
        if self._measure.name in BUCKETED:
            assert self._value is not None  # noqa: S101  # the grammar asks for one
            bucket = bucket_of(self._value(view))
            return None if bucket is None else (*key, (values.FLOAT, bucket))
        return key

    def add(self, view: SpanView) -> None:
        """Take a span that the query found.

        Raises:
            TraceQLError: there are more series or values than a query may have.
        """
        number = self._number(view)
        if self._measure.name == "avg_over_time" and math.isnan(number):
            return
        key = self._key(view)
        if key is None:
            return
        steps = self._group(key)[1]
        index = self._intervals.index(view.record.start_ns)
        accumulator = steps.get(index)
        if accumulator is None:
            self._points += 1
            check_points(self._points)
            accumulator = steps[index] = self._make()
        accumulator.add(number)

    def _group(self, key: tuple[Static, ...]) -> tuple[Labels, dict[int, Accumulator]]:
        known = tuple(map(same_label, key))
        group = self._groups.get(known)
        if group is None:
            group = self._groups[known] = (self._labels(key), {})
            check_series(len(self._groups))
        return group

    def _labels(self, key: tuple[Static, ...]) -> Labels:
        labels = tuple(
            (name, label_value(value)) for name, value in zip(self._names, key, strict=False) if value[0] != NIL
        )
        if self._measure.name in BUCKETED:
            labels = (*labels, (BUCKET, key[-1]))
        if labels:
            return labels
        return ((self._names[0], label_value(key[0])),) if self._names else self._own_name()

    def add_exemplar(self, view: SpanView) -> None:
        """Take a span as an exemplar of its series."""
        key = self._key(view)
        if key is None:
            return
        self._group(key)
        if self._measure.attribute is None or self._measure.name == "histogram_over_time":
            value = math.nan
        else:
            value = self._number(view)
            value = 0.0 if math.isnan(value) else value
        exemplar = Exemplar(shown_labels(view), value, view.record.start_ns // 10**6)
        self._exemplars.setdefault(tuple(map(same_label, key)), []).append(exemplar)

    def series(self, factor: float) -> list[Series]:
        """Make the series of all spans that were taken.

        Args:
            factor: how many spans each stands for, where only some of them were read.

        Raises:
            TraceQLError: there are more series than a query may have.
            QueryTooLongError: the deadline passed.
        """
        scale = max(factor, 1.0) if self._make in SCALED else 1.0
        if self._measure.name == "rate":
            scale /= (self._intervals.rate_ns or self._intervals.step_ns) / SECOND_NS
        found = self._joined(scale)
        if self._measure.name == "quantile_over_time":
            return quantile_series(found, self._measure.quantiles, self._intervals, self._limit, self._deadline)
        allowed = Exemplars(self._limit, self._intervals)
        for series in found:
            series.exemplars = [exemplar for exemplar in series.exemplars if allowed.takes(exemplar.timestamp_ms)]
        return found

    def _joined(self, scale: float) -> list[Series]:
        """Join the groups whose labels say the same."""
        joined: dict[Labels, tuple[Labels, dict[int, Accumulator], list[Exemplar]]] = {}
        for known, (labels, steps) in self._deadline.watch(self._groups.items()):
            _, into, exemplars = joined.setdefault(key_of(labels), (labels, {}, []))
            exemplars.extend(self._exemplars.get(known, ()))
            for step, accumulator in self._deadline.watch(steps.items(), PIECE):
                into.setdefault(step, self._make()).join(accumulator)
        return [
            Series(
                labels,
                {step: accumulator.result * scale for step, accumulator in steps.items()},
                self._make is Count,
                exemplars,
            )
            for labels, steps, exemplars in joined.values()
        ]


def shown_labels(view: SpanView) -> Labels:
    """Return what an exemplar says of a span: whatever was fetched of it."""
    found = {attribute: value for attribute, value in view.everything() if value[0] != NIL}
    return tuple((str(attribute), label_value(value)) for attribute, value in found.items())
