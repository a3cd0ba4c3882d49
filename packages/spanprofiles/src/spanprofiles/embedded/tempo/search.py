"""Searches: a query in, traces with the spans that answer it out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from spanprofiles.embedded.answers import JsonWriter, Written
from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.string_literals import quote
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.parameters import Search, refusal
from spanprofiles.embedded.traceql.conditions import ALWAYS_GIVEN, conditions_of
from spanprofiles.embedded.traceql.errors import EvaluationError, TraceQLError
from spanprofiles.embedded.traceql.evaluation import Spanset, stage_of
from spanprofiles.embedded.traceql.fetcher import Fetcher, SpanView
from spanprofiles.embedded.traceql.limits import TOO_DEEP
from spanprofiles.embedded.traceql.parser import parse
from spanprofiles.embedded.traceql.records import TraceRecord, long_hex, short_hex
from spanprofiles.embedded.traceql.syntax import Attribute, Pipeline
from spanprofiles.embedded.traceql.trace_filter import trace_filter
from spanprofiles.embedded.traceql.values import NIL, Static, json_value

ROOT_NOT_RECEIVED = "<root span not yet received>"
MILLISECOND_NS = 10**6
LARGEST_32 = 2**32
NAME = Attribute("name", intrinsic=True)
# These are said elsewhere in the answer.
UNSAID = frozenset({*ALWAYS_GIVEN, NAME} | {
    Attribute(name, intrinsic=True) for name in ("traceDuration", "rootServiceName", "rootName")
})  # fmt: skip


@dataclass(frozen=True)
class FoundTrace:
    """A trace that answers a search.

    Attributes:
        record: the trace.
        spansets: its spans that answer the query, written as they are taken; None in the older form of search.
    """

    record: TraceRecord
    spansets: Iterator[dict[str, Any]] | None


def parse_query(text: str, deadline: Deadline) -> Pipeline:
    """Parse a search's query.

    Raises:
        AnswerError: it is no TraceQL, makes no sense, or is too large.
        QueryTooLongError: the deadline passed.
    """
    try:
        return parse(text, deadline)
    except TraceQLError as error:
        raise refusal(f"invalid TraceQL query: {error}") from error


def run_search(
    connection: StoreConnection, candidates: Candidates, search: Search, writer: JsonWriter
) -> list[Written]:
    """Find the traces that answer a search, newest first, as its answer has them.

    Raises:
        AnswerError: the query is refused, or fails on a span.
        QueryTooLongError: the connection's deadline passed.
        AnswerTooLargeError: the answer is larger than the writer takes.
    """
    found: list[tuple[int, Written]] = []
    with refused_evaluation():
        for trace in found_traces(connection, candidates, search):
            answer = trace_answer(trace.record, connection.deadline)
            if trace.spansets is None:
                del answer["serviceStats"]
            else:
                first, *others = trace.spansets
                first_written = writer.written(first)
                answer["spanSets"] = chain((first_written,), others)
                answer["spanSet"] = first_written
            found.append((trace.record.start_ns, writer.written(answer)))
    return [answer for _, answer in sorted(found, key=lambda pair: -pair[0])]


@contextmanager
def refused_evaluation() -> Iterator[None]:
    """While it is entered, an error in the evaluation of a query becomes the answer of a refusal.

    Raises:
        AnswerError: there was one.
    """
    try:
        yield
    except EvaluationError as error:
        raise refusal(f"error executing query: {error}") from error
    except RecursionError as error:
        raise refusal(f"invalid TraceQL query: {TOO_DEEP}") from error


def found_traces(connection: StoreConnection, candidates: Candidates, search: Search) -> Iterator[FoundTrace]:
    """Find the traces that answer a search, the last to arrive first.

    Raises:
        AnswerError: the query is refused.
        EvaluationError: it fails on a span.
        QueryTooLongError: the connection's deadline passed.
    """
    deadline = connection.deadline
    pipeline = parse_query(search.query or _query_of_tags(search.tags), deadline)
    conditions = conditions_of(pipeline)
    fetcher = Fetcher(conditions.first, deadline, every=conditions.every)
    selected = Fetcher(conditions.second, deadline, every=False) if conditions.second else None
    evaluate = stage_of(pipeline, deadline)
    left = search.limit
    for trace in candidates.traces(connection, trace_filter(pipeline, deadline), *search.window.bounds_ns):
        if not search.takes(trace.duration_ns):
            continue
        views = fetcher.fetch(trace)
        spansets = evaluate([Spanset(views)]) if views else []
        if spansets:
            shown = _spansets(spansets, search.spans_per_spanset, selected, trace, deadline) if search.query else None
            yield FoundTrace(trace, shown)
            left -= 1
            if not left:
                break


def trace_answer(trace: TraceRecord, deadline: Deadline) -> dict[str, Any]:
    """Make what a search's answer has of a trace, without its spans."""
    answer: dict[str, Any] = {
        "traceID": short_hex(trace.trace_id),
        "rootServiceName": trace.root_service or ROOT_NOT_RECEIVED,
        "rootTraceName": trace.root_name,
        "startTimeUnixNano": str(trace.start_ns) if trace.start_ns else "",
        "durationMs": (trace.duration_ns // MILLISECOND_NS) % LARGEST_32,
    }
    return {name: value for name, value in answer.items() if value} | {"serviceStats": trace.services(deadline)}


def _spansets(
    spansets: list[Spanset], limit: int, selected: Fetcher | None, trace: TraceRecord, deadline: Deadline
) -> Iterator[dict[str, Any]]:
    """Write the spansets of a trace: one, or those that a grouping tells apart."""
    more: dict[int, SpanView] = {}
    if selected is not None:
        shown = {id(view.record): view.record for spanset in deadline.watch(spansets) for view in spanset.spans[:limit]}
        more = {id(view.record): view for view in selected.fetch(trace, shown.values())}
    for spanset in deadline.watch(spansets):
        answer: dict[str, Any] = {"spans": _spans(spanset, limit, more), "matched": len(spanset.spans)}
        if spanset.attributes:
            answer["attributes"] = ({"key": name, "value": json_value(value)} for name, value in spanset.attributes)
        yield answer


def _spans(spanset: Spanset, limit: int, more: Mapping[int, SpanView]) -> Iterator[dict[str, Any]]:
    return (span_answer(view, more.get(id(view.record))) for view in spanset.spans[:limit])


def span_answer(view: SpanView, more: SpanView | None) -> dict[str, Any]:
    """Make what a search's answer has of a span: the attributes its query asked for, and those it selected."""
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


def _query_of_tags(tags: Mapping[str, str]) -> str:
    """TraceQL for the older form of search: tags of any scope on one trace."""
    parts = [
        f"{{ .{quote(name)} = {quote(value)} || name = {quote(value)} }}"
        if name == "name"
        else f"{{ .{quote(name)} = {quote(value)} }}"
        for name, value in tags.items()
    ]
    return " && ".join(parts) or "{ }"
