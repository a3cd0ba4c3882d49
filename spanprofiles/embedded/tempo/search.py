"""Searches: a query in, traces with the spans that answer it out."""

from __future__ import annotations

import sqlite3
from typing import Any

from spanprofiles.embedded.quoting import quote
from spanprofiles.embedded.store.search import Records
from spanprofiles.embedded.tempo.parameters import Search, refusal
from spanprofiles.embedded.traceql.conditions import ALWAYS_GIVEN, conditions_of
from spanprofiles.embedded.traceql.errors import EvaluationError, TraceQLError
from spanprofiles.embedded.traceql.evaluation import Spanset, stage_of
from spanprofiles.embedded.traceql.fetching import Fetcher, SpanView
from spanprofiles.embedded.traceql.parser import TOO_DEEP, parse
from spanprofiles.embedded.traceql.planning import plan_of
from spanprofiles.embedded.traceql.records import TraceRecord, long_hex, short_hex
from spanprofiles.embedded.traceql.syntax import Attribute, Pipeline
from spanprofiles.embedded.traceql.values import NIL, Static, json_value

ROOT_NOT_RECEIVED = "<root span not yet received>"
MILLISECOND_NS = 10**6
LARGEST_32 = 2**32
NAME = Attribute("name", intrinsic=True)
# These are said elsewhere in the answer.
UNSAID = frozenset({*ALWAYS_GIVEN, NAME} | {
    Attribute(name, intrinsic=True) for name in ("traceDuration", "rootServiceName", "rootName")
})  # fmt: skip


def parse_query(text: str) -> Pipeline:
    """Parse a search's query.

    Raises:
        AnswerError: it is no TraceQL, or makes no sense.
    """
    try:
        return parse(text)
    except TraceQLError as error:
        raise refusal(f"invalid TraceQL query: {error}") from error


def run_search(connection: sqlite3.Connection, records: Records, search: Search) -> list[dict[str, Any]]:
    """The traces that answer a search, newest first, as its answer has them.

    Raises:
        AnswerError: the query is refused, or fails on a span.
    """
    if not search.query:
        return _by_tags(connection, records, search)
    pipeline = parse_query(search.query)
    try:
        found = _evaluated(connection, records, search, pipeline)
    except EvaluationError as error:
        raise refusal(f"error executing query: {error}") from error
    except RecursionError as error:
        raise refusal(f"invalid TraceQL query: {TOO_DEEP}") from error
    return _newest_first(found)


def _newest_first(found: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [answer for _, answer in sorted(found, key=lambda pair: -pair[0])]


def _evaluated(
    connection: sqlite3.Connection, records: Records, search: Search, pipeline: Pipeline
) -> list[tuple[int, dict[str, Any]]]:
    conditions = conditions_of(pipeline)
    fetcher = Fetcher(conditions.first, every=conditions.every)
    selected = Fetcher(conditions.second, every=False) if conditions.second else None
    evaluate = stage_of(pipeline)
    found: list[tuple[int, dict[str, Any]]] = []
    for trace in records.candidates(connection, plan_of(pipeline), *search.window.bounds_ns):
        views = fetcher.fetch(trace)
        spansets = evaluate([Spanset(views)]) if views else []
        if spansets:
            answer = trace_answer(trace)
            answer["spanSets"] = _spansets(spansets, search.spans_per_spanset, selected, trace)
            answer["spanSet"] = answer["spanSets"][0]
            found.append((trace.start_ns, answer))
            if len(found) >= search.limit:
                break
    return found


def trace_answer(trace: TraceRecord) -> dict[str, Any]:
    """What a search says of a trace, without its spans."""
    answer: dict[str, Any] = {
        "traceID": short_hex(trace.trace_id),
        "rootServiceName": trace.root_service or ROOT_NOT_RECEIVED,
        "rootTraceName": trace.root_name,
        "startTimeUnixNano": str(trace.start_ns) if trace.start_ns else "",
        "durationMs": (trace.duration_ns // MILLISECOND_NS) % LARGEST_32,
    }
    return {name: value for name, value in answer.items() if value} | {"serviceStats": trace.services()}


def _spansets(
    spansets: list[Spanset], limit: int, selected: Fetcher | None, trace: TraceRecord
) -> list[dict[str, Any]]:
    """The spansets of a trace; of those that no grouping tells apart, the one with most spans."""
    kept: dict[tuple[tuple[str, Static], ...], Spanset] = {}
    for spanset in spansets:
        key = tuple(pair for pair in spanset.attributes if pair[0].startswith("by"))
        if key not in kept or len(kept[key].spans) < len(spanset.spans):
            kept[key] = spanset
    more: dict[int, SpanView] = {}
    if selected is not None:
        more = {id(view.record): view for view in selected.fetch(trace)}
    answers = []
    for spanset in kept.values():
        answer: dict[str, Any] = {
            "spans": [span_answer(view, more.get(id(view.record))) for view in spanset.spans[:limit]],
            "matched": len(spanset.spans),
        }
        if spanset.attributes:
            answer["attributes"] = [{"key": name, "value": json_value(value)} for name, value in spanset.attributes]
        answers.append(answer)
    return answers


def span_answer(view: SpanView, more: SpanView | None) -> dict[str, Any]:
    """What a search says of a span: the attributes its query asked for, and those it selected."""
    shown: dict[Attribute, Static] = {}
    for level in (view, more):
        if level is not None:
            shown.update({attribute: value for attribute, value in level.everything() if value[0] != NIL})
    record = view.record
    answer: dict[str, Any] = {
        "spanID": long_hex(record.message.span_id),
        "name": shown[NAME][1] if NAME in shown else "",
        "startTimeUnixNano": str(record.start_ns) if record.start_ns else "",
        "durationNanos": str(record.duration_ns % 2**64) if record.duration_ns else "",
        "attributes": [
            {"key": attribute.name, "value": json_value(value)}
            for attribute, value in shown.items()
            if attribute not in UNSAID
        ],
    }
    return {name: value for name, value in answer.items() if value}


def _by_tags(connection: sqlite3.Connection, records: Records, search: Search) -> list[dict[str, Any]]:
    """The older form of search: tags of any scope on one trace, and bounds of the trace's duration."""
    parts = [f'{{ .{quote(name)} = {quote(value)} || name = {quote(value)} }}' if name == "name" else
             f"{{ .{quote(name)} = {quote(value)} }}" for name, value in search.tags.items()]  # fmt: skip
    pipeline = parse_query(" && ".join(parts) or "{ }")
    conditions = conditions_of(pipeline)
    fetcher, evaluate = Fetcher(conditions.first, every=conditions.every), stage_of(pipeline)
    found: list[tuple[int, dict[str, Any]]] = []
    for trace in records.candidates(connection, plan_of(pipeline), *search.window.bounds_ns):
        if trace.duration_ns < search.shortest_ns or 0 < search.longest_ns < trace.duration_ns:
            continue
        if evaluate([Spanset(fetcher.fetch(trace))]):
            answer = trace_answer(trace)
            del answer["serviceStats"]
            found.append((trace.start_ns, answer))
            if len(found) >= search.limit:
                break
    return _newest_first(found)
