"""Finds a span by a search, for work that no request of a test started: a job, or a message in a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spanprofiles.clients import ClientError, FoundTrace, RequestRefusedError, TempoClient
from spanprofiles.linking.errors import TraceNotFoundError
from spanprofiles.model import Span, Trace
from spanprofiles.waiting import Waiting

# Tempo refuses to search a longer time, s.
_LONGEST_S = 168 * 3600
_MOST_TRACES = 50
_MOST_SPANS = 100  # of a trace; Tempo gives no more
_AHEAD_S = 600
_BEHIND_S = 60  # Tempo cuts the last seconds off a window (30 by default), and refuses one of which nothing is left
_NEWEST_FIRST = " with (most_recent=true)"
_NAMED = 5


@dataclass(frozen=True)
class SearchedSpan:
    """A span that a search found.

    Attributes:
        span: the span; if several spans of its trace match, the local root span.
        trace: its trace.
        others: how many other traces match.
        note: which other traces match, in a sentence; empty if none does.
    """

    span: Span
    trace: Trace
    others: int = 0
    note: str = ""


def search_span(tempo: TempoClient, query: str, since_ns: int, waiting: Waiting) -> SearchedSpan:
    """Wait for a span that matches a TraceQL query, in the newest trace that has one.

    If several spans of that trace match, it is the first local root span, or a child span if only children match.

    Args:
        tempo: where traces are.
        query: TraceQL, such as ``{ name = "nightly report" }``.
        since_ns: spans that started earlier are left out, ns since the epoch.
        waiting: how long to wait.

    Raises:
        TraceNotFoundError: there was none by the deadline.
        RequestRefusedError: Tempo refused the query.
        ClientError: Tempo failed.
    """
    child: SearchedSpan | None = None
    for _ in waiting.attempts():
        traces = _newest_first(tempo, query, since_ns)
        if not traces:
            continue
        found = _in_trace(tempo, traces[0], since_ns)
        if found is None:
            continue
        note = _note(query, traces)
        result = SearchedSpan(*found, others=len(traces) - 1, note=note)
        if _has_its_root(result):
            return result
        child = result  # its local root span, which ends after it, may match too
    if child is not None:
        return child
    raise TraceNotFoundError(_nothing(tempo, query, since_ns, waiting))


def _newest_first(tempo: TempoClient, query: str, since_ns: int) -> list[FoundTrace]:
    """Return the traces with matching spans that are new enough."""
    end_s = int(time.time()) + _AHEAD_S
    window = {"start_s": max(since_ns // 10**9 - _BEHIND_S, end_s - _LONGEST_S), "end_s": end_s}
    window |= {"limit": _MOST_TRACES, "spans": _MOST_SPANS}
    try:
        found = tempo.search(query + _NEWEST_FIRST, **window)
    except RequestRefusedError:  # an older Tempo does not know the hint, or the query has one
        found = tempo.search(query, **window)
    fresh = [trace for trace in found if any(span.start_ns >= since_ns for span in trace.spans)]
    return sorted(fresh, key=lambda trace: -max(span.start_ns for span in trace.spans))


def _in_trace(tempo: TempoClient, found: FoundTrace, since_ns: int) -> tuple[Span, Trace] | None:
    trace = tempo.trace(found.trace_id)
    if trace is None:  # search may know it a moment earlier
        return None
    span_ids = {span.span_id for span in found.spans if span.start_ns >= since_ns}
    matching = [span for span in trace.spans if span.span_id in span_ids]
    if not matching:
        return None
    roots = [span for span in matching if trace.is_local_root(span)]
    if not roots and len(found.spans) >= _MOST_SPANS:  # there are more than the server names, the root among them
        roots = [span for span in trace.local_roots if dict(span.resource) == dict(matching[0].resource)]
    return (roots or matching)[0], trace


def _has_its_root(found: SearchedSpan) -> bool:
    """Tell whether the local root span above the span has arrived."""
    span: Span | None = found.span
    while span is not None:
        if found.trace.is_local_root(span):
            return True
        span = found.trace.parent(span)
    return False


def _note(query: str, traces: list[FoundTrace]) -> str:
    if len(traces) < 2:
        return ""
    count = f"{len(traces)}" if len(traces) < _MOST_TRACES else f"{_MOST_TRACES} or more"
    others = ", ".join(trace.trace_id for trace in traces[1 : 1 + _NAMED])
    return f"{count} traces match {query}: this is the newest; others: {others}"


def _nothing(tempo: TempoClient, query: str, since_ns: int, waiting: Waiting) -> str:
    since = time.strftime("%H:%M:%S", time.localtime(since_ns / 1e9))
    message = f"no span that started since {since} matches {query} after {waiting.timeout_s:g} s"
    try:
        older = tempo.search(query, limit=1)
        recent = _newest_first(tempo, "{ }", since_ns)
        services = tempo.tag_values("resource.service.name")
    except ClientError as error:
        return f"{message}; {error}"
    if older:
        message += f"; one that is older does, in the trace {older[0].trace_id}"
    named = [f"{trace.root_name} ({trace.root_service}, {trace.trace_id})" for trace in recent[:_NAMED]]
    message += f"; traces since then: {', '.join(named) or 'none'}"
    return f"{message}; services Tempo has spans of: {', '.join(services[:_NAMED]) or 'none'}"
