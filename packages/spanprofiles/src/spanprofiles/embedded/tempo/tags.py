"""The names and values that Tempo's API offers for completing queries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spanprofiles.embedded import indexed_attributes as index
from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.store import tags as stored
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.parameters import Window, limit_of, refusal
from spanprofiles.embedded.traceql import syntax, values
from spanprofiles.embedded.traceql.conditions import Condition, conditions_of
from spanprofiles.embedded.traceql.errors import EvaluationError, TraceQLError
from spanprofiles.embedded.traceql.evaluation import Spanset, field_of, stage_of
from spanprofiles.embedded.traceql.fetcher import RESOURCE_COLUMNS, SPAN_COLUMNS, Fetcher, SpanView
from spanprofiles.embedded.traceql.parser import parse, parse_attribute
from spanprofiles.embedded.traceql.records import SERVICE_NAME, TraceRecord
from spanprofiles.embedded.traceql.syntax import Attribute, Pipeline
from spanprofiles.embedded.traceql.trace_filter import SCOPES, trace_filter
from spanprofiles.embedded.traceql.values import KIND, KIND_NAMES, NIL, STATUS, STATUS_NAMES, STRING, TYPE_NAMES, Static

INTRINSIC_SCOPE, NO_SCOPE = "intrinsic", "none"
SCOPE_NAMES = {
    index.RESOURCE: syntax.RESOURCE,
    index.SPAN: syntax.SPAN,
    index.EVENT: syntax.EVENT,
    index.LINK: syntax.LINK,
    index.INSTRUMENTATION: syntax.INSTRUMENTATION,
}
INTRINSIC_NAMES = (
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
)
INDEXED_VALUES = frozenset({
    "name", "statusMessage", "event:name", "instrumentation:name", "instrumentation:version", "rootName",
    "rootServiceName",
})  # fmt: skip
KINDS_OF_VALUES = {
    index.STRING: values.STRING,
    index.INTEGER: values.INTEGER,
    index.FLOAT: values.FLOAT,
    index.BOOLEAN: values.BOOLEAN,
}
WORDS = frozenset({KIND, STATUS})
TRACES_LIMIT = 2_000


class Tags:
    """Answers questions about names and values."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def names_for(self, connection: StoreConnection, parameters: Mapping[str, str]) -> dict[str, list[str]]:
        """Find the names that a request asks for, by scope.

        Raises:
            AnswerError: there is no such scope, or the time range is none.
        """
        window = Window.of_tags(parameters)
        return self.names(connection, parameters.get("scope", ""), parameters.get("q", ""), window)

    def values_for(
        self, connection: StoreConnection, attribute: Attribute, parameters: Mapping[str, str]
    ) -> list[Static]:
        """Find the values that a request asks for.

        Raises:
            AnswerError: the time range is none.
        """
        return self.values(connection, attribute, parameters.get("q", ""), Window.of_tags(parameters))

    def plain_values_for(self, connection: StoreConnection, name: str, parameters: Mapping[str, str]) -> list[str]:
        """Find the values that a request of the older form asks for, as text, each once.

        The real server has none of the words for kinds and statuses there.

        Raises:
            AnswerError: the time range is none.
        """
        found = self.values_for(connection, plain_attribute(name), parameters)
        texts = {values.text_of(value) for value in connection.deadline.watch(found, PIECE) if value[0] not in WORDS}
        return sorted(texts)[: limit_of(parameters)]

    def names(self, connection: StoreConnection, scope: str, query: str, window: Window) -> dict[str, list[str]]:
        """Find the names of attributes by scope.

        Args:
            connection: where to read.
            scope: the scope that is wanted; empty or ``none`` for all of them.
            query: TraceQL that a span has to meet for its attributes to count; empty for none.
            window: the time range of the traces whose attributes count.

        Raises:
            AnswerError: there is no such scope.
        """
        if scope not in {"", NO_SCOPE, INTRINSIC_SCOPE, "trace", *SCOPE_NAMES.values()}:
            raise refusal(f"invalid scope: {scope}")
        everywhere = stored.names(connection, window.bounds_ns)
        found = {SCOPE_NAMES[number]: names for number, names in everywhere.items()}
        pipeline = _filter_of(query, connection.deadline)
        if pipeline is not None:
            columns = self._columns(found)
            found = self._names_of_spans(connection, pipeline, window)
            for name, more in columns.items():
                found[name] = sorted({*found.get(name, ()), *more})
        if scope in {"", NO_SCOPE}:
            return found | {INTRINSIC_SCOPE: list(INTRINSIC_NAMES)}
        return {scope: list(INTRINSIC_NAMES)} if scope == INTRINSIC_SCOPE else {scope: found.get(scope, [])}

    @staticmethod
    def _columns(found: dict[str, list[str]]) -> dict[str, set[str]]:
        """Text attributes with a column of their own, which the real server lists whatever the query."""
        text = {name for name, kind in (SPAN_COLUMNS | RESOURCE_COLUMNS).items() if kind == STRING} | {SERVICE_NAME}
        return {scope: text & set(found.get(scope, ())) for scope in (syntax.SPAN, syntax.RESOURCE)}

    def _names_of_spans(self, connection: StoreConnection, pipeline: Pipeline, window: Window) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {name: set() for name in SCOPE_NAMES.values()}
        records = (view.record for _, views in self._traces(connection, pipeline, window) for view in views)
        for record in connection.deadline.watch(records):
            found[syntax.SPAN].update(record.attributes)
            found[syntax.RESOURCE].update(record.resource.attributes)
            found[syntax.INSTRUMENTATION].update(record.scope.attributes)
            for event in connection.deadline.watch(record.message.events, PIECE):
                found[syntax.EVENT].update(pair.key for pair in event.attributes)
            for link in connection.deadline.watch(record.message.links, PIECE):
                found[syntax.LINK].update(pair.key for pair in link.attributes)
        return {scope: sorted(names) for scope, names in found.items() if names}

    def _traces(
        self, connection: StoreConnection, pipeline: Pipeline, window: Window
    ) -> Iterator[tuple[TraceRecord, list[SpanView]]]:
        """So many traces at most, with their spans that meet a query."""
        deadline, conditions = connection.deadline, conditions_of(pipeline)
        fetcher, evaluate = Fetcher(conditions.first, deadline, every=conditions.every), stage_of(pipeline, deadline)
        traces = self._candidates.traces(connection, trace_filter(pipeline, deadline), *window.bounds_ns)
        for trace in itertools.islice(traces, TRACES_LIMIT):
            views = fetcher.fetch(trace)
            try:
                spansets = evaluate([Spanset(views)]) if views else []
            except (EvaluationError, RecursionError):
                continue
            if spansets:
                yield trace, [view for spanset in deadline.watch(spansets) for view in spanset.spans]

    def values(self, connection: StoreConnection, attribute: Attribute, query: str, window: Window) -> list[Static]:
        """Find the values of an attribute or intrinsic, each once.

        Args:
            connection: where to read.
            attribute: whose values.
            query: TraceQL that a span has to meet for its value to count; empty for none.
            window: the time range of the traces whose attributes count.
        """
        if attribute.intrinsic and attribute.name == "kind":
            return [(KIND, code) for code in KIND_NAMES]
        if attribute.intrinsic and attribute.name == "status":
            return [(STATUS, code) for code in STATUS_NAMES]
        if attribute.intrinsic and attribute.name not in INDEXED_VALUES:
            return []
        pipeline = _filter_of(query, connection.deadline)
        if pipeline is not None:
            return self._values_of_spans(connection, pipeline, attribute, window)
        scopes = (index.INTRINSIC,) if attribute.intrinsic else SCOPES[attribute.scope]
        rows = stored.values(connection, attribute.name, scopes, window.bounds_ns)
        found: list[Static] = [
            (KINDS_OF_VALUES[kind], bool(value) if kind == index.BOOLEAN else value)
            for kind, value in connection.deadline.watch(rows, PIECE)
            if kind in KINDS_OF_VALUES
        ]
        empty: Static = (STRING, "")
        if attribute.name in {"rootName", "rootServiceName"} and attribute.intrinsic and empty not in found:
            found += [empty] if stored.some_trace_lacks(connection, attribute.name, window.bounds_ns) else []
        return found

    def _values_of_spans(
        self, connection: StoreConnection, pipeline: Pipeline, attribute: Attribute, window: Window
    ) -> list[Static]:
        deadline = connection.deadline
        reader, expression = Fetcher([Condition(attribute)], deadline, every=False), field_of(attribute, deadline)
        found: dict[Static, None] = {}
        for trace, views in self._traces(connection, pipeline, window):
            chosen = {id(view.record) for view in deadline.watch(views, PIECE)}
            for view in deadline.watch(reader.fetch(trace), PIECE):
                if id(view.record) in chosen:
                    found.update(dict.fromkeys(_single(expression(view))))
        return list(found)


def _single(value: Static) -> Iterable[Static]:
    kind, content = value
    if kind in values.ELEMENT_OF:
        return [(values.ELEMENT_OF[kind], member) for member in content]
    return [] if kind == NIL or value == values.ABSENT else [value]


def _filter_of(query: str, deadline: Deadline) -> Pipeline | None:
    """Parse the query that narrows names and values; None where it does not narrow them.

    As in the real server a query that does not parse, since it is being typed, narrows nothing, nor does one with
    attributes of no scope.
    """
    if not query.strip():
        return None
    try:
        pipeline = parse(query, deadline)
    except TraceQLError:
        return None
    attributes = [condition.attribute for condition in conditions_of(pipeline).first]
    if not attributes or any(not attribute.scope and not attribute.intrinsic for attribute in attributes):
        return None
    plain = all(attribute.name != "spanStartTime" for attribute in attributes)
    return pipeline if plain else None


def tag_attribute(name: str) -> Attribute:
    """Parse the attribute that a path names in TraceQL's way.

    Raises:
        AnswerError: it names none.
    """
    try:
        return parse_attribute(name)
    except TraceQLError as error:
        raise refusal(f"please provide a valid tagName: {error}") from error


def plain_attribute(name: str) -> Attribute:
    """Read the attribute that a path names in the older way: an intrinsic, or an attribute of any scope."""
    return Attribute(name, intrinsic=True) if name in syntax.INTRINSIC_TYPES else Attribute(name)


def plain_names(found: dict[str, list[str]], parameters: Mapping[str, str]) -> list[str]:
    """Return names whatever their scope, without the intrinsics, unless they are what is asked for."""
    names = {name for scope, names in found.items() if scope != INTRINSIC_SCOPE for name in names}
    if parameters.get("scope") == INTRINSIC_SCOPE:
        names = set(found[INTRINSIC_SCOPE])
    return sorted(names)[: limit_of(parameters)]


def names_by_scope(found: dict[str, list[str]], parameters: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Return the names of each scope; a limit is one for each, but not for intrinsics."""
    limit = limit_of(parameters)
    for scope, names in found.items():
        if names:
            yield scope, names if scope == INTRINSIC_SCOPE else names[:limit]


def value_answer(value: Static) -> dict[str, Any]:
    """Write a value as the API gives it: its type, and its text where that is not empty."""
    shown = values.text_of(value)
    answer = {"type": TYPE_NAMES.get(value[0], "string")}
    return answer | {"value": shown} if shown else answer
