"""The storage layer's half of a search: which spans of a trace a query gets to see, and what of them.

Source: the behaviour of Tempo 3.0.3 on blocks of its format vParquet4. An attribute that fails its condition does not
exist for the query. A few attributes have columns of their own: where a span lacks one of those, a query that takes it
as it is sees the string ``nil``. Only spans that have some attribute answer ``= nil`` on any other attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.traceql import operators, syntax
from spanprofiles.embedded.traceql.conditions import START, STRUCTURE, Condition
from spanprofiles.embedded.traceql.levels import Getter, Level
from spanprofiles.embedded.traceql.predicates import Test, column_test
from spanprofiles.embedded.traceql.records import (
    SERVICE_NAME,
    SIZE_64,
    ResourceRecord,
    ScopeRecord,
    SpanRecord,
    TraceRecord,
    attributes_of,
    long_hex,
    short_hex,
)
from spanprofiles.embedded.traceql.syntax import Attribute
from spanprofiles.embedded.traceql.values import DURATION, INTEGER, KIND, NIL, STATUS, STRING, STRING_ARRAY, Static

Found = list[tuple[Attribute, Static]]
SPAN_COLUMNS = {
    "http.request.method": STRING,
    "url.path": STRING,
    "url.route": STRING,
    "server.address": STRING,
    "http.method": STRING,
    "http.url": STRING,
    "http.route": STRING,
    "http.status_code": INTEGER,
}
RESOURCE_COLUMNS = {
    "k8s.cluster.name": STRING,
    "k8s.namespace.name": STRING,
    "k8s.pod.name": STRING,
    "k8s.container.name": STRING,
}
NO_COLUMNS: dict[str, int] = {}

SPAN_INTRINSICS: dict[str, Getter] = {
    "name": lambda span: (STRING, span.message.name),
    "kind": lambda span: (KIND, span.message.kind),
    "duration": lambda span: (DURATION, span.duration_ns),
    "status": lambda span: (STATUS, span.message.status.code),
    "statusMessage": lambda span: (STRING, span.message.status.message),
    "span:id": lambda span: (STRING, long_hex(span.message.span_id)),
    "span:parentID": lambda span: (STRING, long_hex(span.message.parent_span_id)),
    "nestedSetLeft": lambda span: (INTEGER, span.left),
    "nestedSetRight": lambda span: (INTEGER, span.right),
    "nestedSetParent": lambda span: (INTEGER, span.parent),
    "span:childCount": lambda span: (INTEGER, span.child_count),
}
TRACE_INTRINSICS: dict[str, Getter] = {
    "rootServiceName": lambda trace: (STRING, trace.root_service),
    "rootName": lambda trace: (STRING, trace.root_name),
    "traceDuration": lambda trace: (DURATION, trace.duration_ns),
    "trace:id": lambda trace: (STRING, short_hex(trace.trace_id)),
}
SCOPE_INTRINSICS: dict[str, Getter] = {
    "instrumentation:name": lambda scope: (STRING, scope.name),
    "instrumentation:version": lambda scope: (STRING, scope.version),
}


def _since_start(event: Any) -> Static:  # an event and its span
    size = (event[0].time_unix_nano - event[1].start_ns) % SIZE_64
    return DURATION, size if size < SIZE_64 // 2 else size - SIZE_64


EVENT_INTRINSICS: dict[str, Getter] = {
    "event:name": lambda event: (STRING, event[0].name),
    "event:timeSinceStart": _since_start,
}
LINK_INTRINSICS: dict[str, Getter] = {
    "link:traceID": lambda link: (STRING, short_hex(link.trace_id)),
    "link:spanID": lambda link: (STRING, long_hex(link.span_id)),
}
BLANK_EVENT: dict[str, Static] = {"event:name": (STRING, ""), "event:timeSinceStart": (DURATION, 0)}
BLANK_LINK: dict[str, Static] = {"link:traceID": (STRING, ""), "link:spanID": (STRING, "0" * 16)}
"""What a query that takes them as they are sees of the event or link of a span that has none."""
LEFT, RIGHT, PARENT = "nestedSetLeft", "nestedSetRight", "nestedSetParent"
PLACES_OF_RELATION = {
    operators.DESCENDANT: (LEFT, RIGHT),
    operators.ANCESTOR: (LEFT, RIGHT),
    operators.CHILD: (LEFT, PARENT),
    operators.PARENT: (LEFT, PARENT),
    operators.SIBLING: (PARENT,),
}
PLACED = frozenset({LEFT, RIGHT, PARENT, "span:childCount", STRUCTURE.name})


@dataclass
class SpanView:
    """A span as a query sees it: what was fetched of it, level by level, in the order in which it is looked through."""

    record: SpanRecord
    span: Found = field(default_factory=list)
    trace: Found = field(default_factory=list)
    event: Found = field(default_factory=list)
    link: Found = field(default_factory=list)
    scope: Found = field(default_factory=list)
    resource: Found = field(default_factory=list)

    def everything(self) -> Iterable[tuple[Attribute, Static]]:
        """All that was fetched; of one attribute the last counts."""
        for level in (self.trace, self.resource, self.span, self.event, self.link, self.scope):
            yield from level


def _level_of(attribute: Attribute) -> tuple[str, ...]:
    if not attribute.intrinsic:
        return (attribute.scope,) if attribute.scope else (syntax.SPAN, syntax.RESOURCE)
    for level, names in (
        ("trace", TRACE_INTRINSICS),
        (syntax.EVENT, EVENT_INTRINSICS),
        (syntax.LINK, LINK_INTRINSICS),
        (syntax.INSTRUMENTATION, SCOPE_INTRINSICS),
    ):
        if attribute.name in names:
            return (level,)
    return (syntax.SPAN,)


class Fetcher:
    """Fetches spans by a list of conditions.

    Args:
        conditions: what is wanted.
        every: whether a span has to meet them all.
        deadline: of the query.
    """

    def __init__(self, conditions: Sequence[Condition], deadline: Deadline, *, every: bool) -> None:
        self._deadline = deadline
        by_level: dict[str, list[Condition]] = {}
        mingled = False
        for condition in conditions:
            levels = _level_of(condition.attribute)
            mingled = mingled or len(levels) > 1
            for level in levels:
                by_level.setdefault(level, []).append(condition)
        every = every and not mingled
        own = by_level.get(syntax.SPAN, [])
        self._names = len({condition.attribute.name for condition in own}) if every else 0
        self._start = any(condition.attribute == START for condition in own)
        self._structure = any(condition.attribute == STRUCTURE for condition in own)
        self.placed = any(condition.attribute.name in PLACED and condition.attribute.intrinsic for condition in own)
        # The places by which spans are related are there for a query whatever it compares them with.
        relations = (condition.operator.lstrip("!&") for condition in own if condition.attribute == STRUCTURE)
        given = {place for relation in relations for place in PLACES_OF_RELATION[relation]}
        own = [
            Condition(condition.attribute) if condition.attribute.name in given else condition
            for condition in own
            if condition.attribute not in {START, STRUCTURE}
        ]
        self._span = Level(own, SPAN_INTRINSICS, SPAN_COLUMNS, syntax.SPAN, deadline, every=every)
        resource = by_level.get(syntax.RESOURCE, [])
        services = [
            condition for condition in resource if condition.attribute.name == SERVICE_NAME and _is_text(condition)
        ]
        self._service: Test | None = column_test(services, deadline) if services else None
        others = [condition for condition in resource if condition not in services]
        self._resource = Level(others, {}, RESOURCE_COLUMNS, syntax.RESOURCE, deadline, every=every)
        scope = by_level.get(syntax.INSTRUMENTATION, [])
        self._scope = Level(scope, SCOPE_INTRINSICS, NO_COLUMNS, syntax.INSTRUMENTATION, deadline, every=every)
        self._event = Level(
            by_level.get(syntax.EVENT, []), EVENT_INTRINSICS, NO_COLUMNS, syntax.EVENT, deadline, every=every
        )
        self._blank_event = _blank(by_level.get(syntax.EVENT, []), BLANK_EVENT, every=every)
        self._link = Level(
            by_level.get(syntax.LINK, []), LINK_INTRINSICS, NO_COLUMNS, syntax.LINK, deadline, every=every
        )
        self._blank_link = _blank(by_level.get(syntax.LINK, []), BLANK_LINK, every=every)
        trace = by_level.get("trace", [])
        self._trace = Level(trace, TRACE_INTRINSICS, NO_COLUMNS, "trace", deadline, every=every)
        self._every = every
        self._drops_unmatched = bool(conditions) and not trace
        self._resources: dict[int, tuple[ResourceRecord, Found | None]] = {}
        self._scopes: dict[int, tuple[ScopeRecord, Found | None]] = {}

    def fetch(self, trace: TraceRecord, spans: Iterable[SpanRecord] | None = None) -> list[SpanView]:
        """Return the spans of a trace that the query gets to see: of all of them, or of some."""
        if self.placed:
            trace.place(self._deadline)
        of_trace = self._trace.found(trace, {}) if self._trace.wanted else []
        if of_trace is None:
            return []
        # What is known of resources and scopes helps within a trace; from trace to trace it would grow without bound.
        self._resources.clear()
        self._scopes.clear()
        views = []
        for record in self._deadline.watch(trace.spans if spans is None else spans):
            view = self._view(record)
            if view is not None:
                view.trace = of_trace
                views.append(view)
        return views

    def _view(self, record: SpanRecord) -> SpanView | None:
        of_resource = self._of_resource(record.resource)
        of_scope = self._of_scope(record.scope)
        if of_resource is None or of_scope is None:
            return None
        view = SpanView(record, scope=of_scope, resource=of_resource)
        if self._blank_event and not record.message.events:
            view.event = list(self._blank_event)
        elif self._event.wanted and not self._of_many(
            view.event, self._event, ((event, record) for event in record.message.events), lambda event: event[0]
        ):
            return None
        if self._blank_link and not record.message.links:
            view.link = list(self._blank_link)
        elif self._link.wanted and not self._of_many(view.link, self._link, record.message.links, lambda link: link):
            return None
        of_span = self._span.found(record, record.attributes) if self._span.wanted else []
        if of_span is None:
            return None
        view.span = of_span
        matched = self._matched(view)
        if matched < self._names:
            return None
        if self._drops_unmatched and not matched and not _count(of_scope) and not _count(of_resource):
            return None
        return view

    def _matched(self, view: SpanView) -> int:
        """How much was fetched of the span itself."""
        record = view.record
        count = _count(view.span) + _count(view.event) + _count(view.link)
        if self._start and record.start_ns:
            count += 1
        if self._structure and (record.left > 0 or record.right > 0 or record.parent != 0):
            count += 1
        return count

    def _of_many(self, target: Found, level: Level, members: Iterable[Any], message: Callable[[Any], Any]) -> bool:
        """Fetch of a span's events or links; false where every condition has to hold on one of them and none does."""
        any_left = not self._every
        for member in self._deadline.watch(members):
            found = level.found(member, attributes_of(message(member).attributes))
            if found is not None:
                target.extend(found)
                any_left = True
        return any_left

    def _of_resource(self, record: ResourceRecord) -> Found | None:
        known = self._resources.get(id(record))
        if known is not None:
            return known[1]
        found: Found | None = self._resource.found(record, record.attributes) if self._resource.wanted else []
        if self._service is not None and found is not None:
            if self._service(record.service):
                found = [*found, (Attribute(SERVICE_NAME, syntax.RESOURCE), (STRING, record.service))]
            elif self._every:
                found = None
        # The record is kept beside its answer, so that its number is not given to another.
        self._resources[id(record)] = (record, found)
        return found

    def _of_scope(self, record: ScopeRecord) -> Found | None:
        known = self._scopes.get(id(record))
        if known is None:
            found: Found | None = self._scope.found(record, record.attributes) if self._scope.wanted else []
            known = self._scopes[id(record)] = (record, found)
        return known[1]


def _blank(conditions: Sequence[Condition], values: Mapping[str, Static], *, every: bool) -> Found:
    """Make what a query sees of a span without events or links; nothing where that would fail a condition."""
    taken = [
        condition.attribute for condition in conditions if not condition.operator and condition.attribute.name in values
    ]
    if every and len(taken) < len(conditions):
        return []
    return [(attribute, values[attribute.name]) for attribute in dict.fromkeys(taken)]


def _is_text(condition: Condition) -> bool:
    """Whether a condition on the service's name is one of its column, which holds strings."""
    if condition.operand is None:
        return condition.operator in {operators.NONE, operators.EXISTS}
    return condition.operand[0] in {STRING, STRING_ARRAY}


def _count(found: Found) -> int:
    return sum(1 for _, value in found if value[0] != NIL)
