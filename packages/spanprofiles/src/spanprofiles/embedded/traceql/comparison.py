"""``compare({ ... })``: how often each value of each attribute is on the selected spans, and on the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql import syntax, values
from spanprofiles.embedded.traceql.conditions import START, STRUCTURE, Condition
from spanprofiles.embedded.traceql.evaluation import field_of
from spanprofiles.embedded.traceql.exemplars import Exemplars
from spanprofiles.embedded.traceql.fetcher import (
    BLANK_EVENT,
    BLANK_LINK,
    EVENT_INTRINSICS,
    LINK_INTRINSICS,
    PLACES_OF_RELATION,
    SCOPE_INTRINSICS,
    SPAN_COLUMNS,
    SPAN_INTRINSICS,
    TRACE_INTRINSICS,
    Found,
    SpanView,
)
from spanprofiles.embedded.traceql.intervals import MILLISECOND_NS, Intervals
from spanprofiles.embedded.traceql.levels import Getter
from spanprofiles.embedded.traceql.measures import shown_labels
from spanprofiles.embedded.traceql.records import SpanRecord, TraceRecord, Values, attributes_of
from spanprofiles.embedded.traceql.series import (
    NIL_TEXT,
    Exemplar,
    Labels,
    Series,
    check_points,
    check_series,
    label_value,
    same_label,
)
from spanprofiles.embedded.traceql.syntax import Attribute, Comparison
from spanprofiles.embedded.traceql.values import ABSENT, ARRAY_OF, NOTHING, STRING, TRUE, Static

TYPE, BASELINE, SELECTION, TOTAL = "__meta_type", "baseline", "selection", "_total"
SERVICE_NAME = Attribute("service.name", syntax.RESOURCE)
RESOURCE_COLUMNS = (
    "cluster", "namespace", "pod", "container",
    "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name",
)  # fmt: skip
"""What is compared of a resource even where it is not there."""
UNTOLD = frozenset({
    "trace:id", "span:id", "span:parentID", "span:childCount", "nestedSetLeft", "nestedSetRight", "nestedSetParent",
})  # fmt: skip
"""Intrinsics that differ from span to span, or that the real server does not compare."""
Counts = dict[int, float]
ATTRIBUTES_KEPT = 4_096

# The same attributes come again with each span: to find one by its identity takes a fraction of comparing it.
_attribute = lru_cache(ATTRIBUTES_KEPT)(Attribute)


def _attribute_values(
    attributes: Mapping[str, Values], scope: str, columns: Mapping[str, int]
) -> Iterator[tuple[Attribute, Static]]:
    """Return attributes with their values, and those with columns that are not there as the text ``nil``."""
    for name, (kind, members) in attributes.items():
        attribute = _attribute(name, scope)
        if not members:
            yield attribute, NOTHING
        elif len(members) > 1:
            yield attribute, (ARRAY_OF[kind], members)
        else:
            yield attribute, (kind, members[0])
    for name, kind in columns.items():
        known = attributes.get(name)
        if known is None or known[0] != kind or len(known[1]) != 1:
            yield _attribute(name, scope), ABSENT


def everything_of(record: SpanRecord, trace: TraceRecord, asked: Sequence[Condition]) -> SpanView:
    """Return all that is compared of a span, beside what was fetched to find it.

    Args:
        record: the span.
        trace: its trace.
        asked: what the query selects; only where that is of events or links, theirs is compared as well.
    """
    resource, scope = record.resource, record.scope
    events = [(event, record) for event in record.message.events]
    return SpanView(
        record,
        trace=_intrinsics(TRACE_INTRINSICS, trace),
        resource=[
            (SERVICE_NAME, (STRING, resource.service)),
            *_attribute_values(resource.attributes, syntax.RESOURCE, dict.fromkeys(RESOURCE_COLUMNS, STRING)),
        ],
        scope=[
            *_intrinsics(SCOPE_INTRINSICS, scope),
            # As in the real server those that are selected count twice.
            *((each.attribute, SCOPE_INTRINSICS[each.attribute.name](scope)) for each in asked if _is_of_scope(each)),
            *_attribute_values(scope.attributes, syntax.INSTRUMENTATION, {}),
        ],
        span=[
            *_intrinsics(SPAN_INTRINSICS, record),
            *_attribute_values(record.attributes, syntax.SPAN, SPAN_COLUMNS),
            *_places(record, asked),
        ],
        event=_members(events, lambda event: event[0], syntax.EVENT, asked, EVENT_INTRINSICS, BLANK_EVENT),
        link=_members(record.message.links, lambda link: link, syntax.LINK, asked, LINK_INTRINSICS, BLANK_LINK),
    )


def _is_of_scope(condition: Condition) -> bool:
    return condition.attribute.intrinsic and condition.attribute.name in SCOPE_INTRINSICS


def _members(
    members: Sequence[Any],
    message: Callable[[Any], Any],
    scope: str,
    asked: Sequence[Condition],
    readers: Mapping[str, Getter],
    blank: Mapping[str, Static],
) -> Found:
    """Return what is compared of a span's events or links: the intrinsics that are selected, and all attributes."""
    selected = {condition.attribute for condition in asked}
    intrinsics = [attribute for attribute in selected if attribute.intrinsic and attribute.name in readers]
    if not intrinsics and not any(attribute.scope == scope for attribute in selected):
        return []
    found: Found = []
    for member in members:
        found += [(attribute, readers[attribute.name](member)) for attribute in intrinsics]
        found += _attribute_values(attributes_of(message(member).attributes), scope, {})
    return found if members else [(attribute, blank[attribute.name]) for attribute in intrinsics]


def _places(record: SpanRecord, asked: Sequence[Condition]) -> Found:
    """Return a span's places in the tree as far as relations between spansets read them; they can be selected by."""
    relations = (condition.operator.lstrip("!&") for condition in asked if condition.attribute == STRUCTURE)
    names = {name for relation in relations for name in PLACES_OF_RELATION[relation]}
    return [(Attribute(name, intrinsic=True), SPAN_INTRINSICS[name](record)) for name in names]


def _intrinsics(readers: Mapping[str, Getter], source: Any) -> Found:  # what the readers read
    return [(_attribute(name, intrinsic=True), read(source)) for name, read in readers.items() if name not in UNTOLD]


class _Side:
    """One side of a comparison.

    Attributes:
        name: what it is called.
        counts: by attribute: counts by value and step, and by step alone.
        exemplars: spans of it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[Attribute, tuple[dict[Static, tuple[Static, Counts]], Counts]] = {}
        self.exemplars: list[Exemplar] = []

    def add(self, attribute: Attribute, value: Static, step: int) -> bool:
        """Count a value; tell whether it is the first of its kind in its step."""
        entry = self.counts.get(attribute)
        if entry is None:
            entry = self.counts[attribute] = ({}, {})
        by_value, totals = entry
        known = same_label(value) if value[0] == values.FLOAT else value
        counted = by_value.get(known)
        if counted is None:
            counted = by_value[known] = (value, {})
        before = counted[1].get(step)
        counted[1][step] = 1.0 if before is None else before + 1
        totals[step] = totals.get(step, 0.0) + 1
        return before is None


class ComparedSpans:
    """Counts the values of all attributes of spans.

    Args:
        comparison: which of them are selected.
        intervals: the steps.
        exemplars: how many exemplars there may be.
        deadline: of the query.
    """

    def __init__(self, comparison: Comparison, intervals: Intervals, exemplars: int, deadline: Deadline) -> None:
        self._comparison = comparison
        self._intervals = intervals
        self._deadline = deadline
        self._limit = exemplars
        self._selects = field_of(comparison.selection.expression, deadline)
        self._baseline, self._selection = _Side(BASELINE), _Side(SELECTION)
        self._points = 0

    @property
    def length(self) -> int:
        """How many attributes are counted, on each side and in all."""
        return 2 * (len(self._baseline.counts) + len(self._selection.counts))

    def _side(self, view: SpanView) -> _Side:
        start_ns, end_ns = self._comparison.start_ns, self._comparison.end_ns
        within = not start_ns or start_ns < view.record.start_ns <= end_ns
        return self._selection if within and self._selects(view) == TRUE else self._baseline

    def add(self, view: SpanView) -> None:
        """Take a span that the query found, with all that is known of it.

        Raises:
            TraceQLError: there are more values than a query may have.
            EvaluationError: the selection fails on it.
        """
        side, step = self._side(view), self._intervals.index(view.record.start_ns)
        levels = (view.trace, view.resource, view.scope, view.span, view.event, view.link)
        for attribute, value in self._deadline.watch(chain.from_iterable(levels), PIECE):
            if value[0] == values.DURATION or attribute == START or (attribute.intrinsic and attribute.name in UNTOLD):
                continue
            self._points += side.add(attribute, value, step)
        check_points(self._points)

    def add_exemplar(self, view: SpanView) -> None:
        """Take a span as an exemplar of each of its attributes; it is called no more often than there may be any."""
        exemplar = Exemplar(shown_labels(view), math.nan, view.record.start_ns // MILLISECOND_NS)
        self._side(view).exemplars.append(exemplar)

    def series(self, factor: float) -> list[Series]:
        """Make the series: the commonest values of each attribute on each side, and how many spans have it.

        Args:
            factor: how many spans each stands for, where only some of them were read.

        Raises:
            TraceQLError: there are more of them than a query may have.
            QueryTooLongError: the deadline passed.
        """
        found = []
        allowed = Exemplars(self._limit, self._intervals)
        for side in (self._baseline, self._selection):
            for attribute, (by_value, _) in self._deadline.watch(side.counts.items()):
                name = str(attribute)
                for value, counts in self._deadline.watch(self._commonest(by_value), PIECE):
                    found.append(_series(side.name, name, value, counts, factor))
                    check_series(len(found))
        for side in (self._baseline, self._selection):
            for attribute, (_, totals) in self._deadline.watch(side.counts.items()):
                name = str(attribute)
                total = _series(side.name + TOTAL, name, NIL_TEXT, totals, factor)
                total.exemplars = [
                    exemplar
                    for exemplar in side.exemplars
                    if any(name == shown for shown, _ in exemplar.labels) and allowed.takes(exemplar.timestamp_ms)
                ]
                found.append(total)
                check_series(len(found))
        return found

    def _commonest(self, by_value: dict[Static, tuple[Static, Counts]]) -> list[tuple[Static, Counts]]:
        """Return the commonest values of an attribute; what labels cannot tell apart is one of them."""
        joined: dict[Static, tuple[Static, Counts]] = {}
        for value, counts in self._deadline.watch(by_value.values(), PIECE):
            label = label_value(value)
            entry = joined.setdefault(same_label(label), (label, {}))
            for step, count in counts.items():
                entry[1][step] = entry[1].get(step, 0.0) + count
        if len(joined) <= self._comparison.top:
            return list(joined.values())
        entries = list(joined.values())
        ranks = sorted(
            (-sum(counts.values()), values.text_of(label), place)
            for place, (label, counts) in enumerate(self._deadline.watch(entries, PIECE))
        )
        return [entries[place] for _, _, place in ranks[: self._comparison.top]]


def _series(side: str, name: str, value: Static, counts: Counts, factor: float) -> Series:
    labels: Labels = ((TYPE, (STRING, side)), (name, value))
    return Series(labels, {step: count * max(factor, 1.0) for step, count in counts.items()}, True)
