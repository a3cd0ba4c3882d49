"""All spans that a TraceQL query finds, and one flame graph of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from spanprofiles.clients import FoundSpan, FoundTrace, RequestRefusedError, TempoClient
from spanprofiles.linking import Linker, LinkError, NoProfileIdError, TraceNotFoundError, Waiting
from spanprofiles.model import PROFILE_ID_ATTRIBUTE, FlameGraph, Span, SpanKind
from spanprofiles.model.amounts import age

#: Traces of a group at most, unless the caller says otherwise.
MOST_TRACES = 500

#: The longest time that a group may cover, s: Pyroscope merges a day, and a margin on either side belongs to it.
LONGEST_S = 23 * 3600

_SPANS_A_TRACE = 100  # a server gives no more
_AHEAD_S = 1
_SELECT = f" | select(span.{PROFILE_ID_ATTRIBUTE}, resource.service.name, name)"
_NEWEST_FIRST = " with (most_recent=true)"
_ABSENT = {"", "nil"}


@dataclass(frozen=True)
class SpanGroup:
    """Spans that a query found.

    Attributes:
        query: the TraceQL.
        spans: those that carry a profile ID, the newest first; what a search does not tell of them is missing.
        unlinked: how many other spans matched, which carry none.
        flamegraph: the samples of all of them together.
        is_cut: whether there may be more traces than were asked for.
    """

    query: str
    spans: tuple[Span, ...]
    unlinked: int
    flamegraph: FlameGraph
    is_cut: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """The services of the spans, by name."""
        return tuple(sorted({span.service for span in self.spans}))

    @property
    def mean(self) -> FlameGraph:
        """The flame graph of the average span."""
        return self.flamegraph.divided(len(self.spans))


def find_group(linker: Linker, query: str, since_ns: int, most: int = MOST_TRACES) -> SpanGroup:
    """Search once, and wait for the samples of all spans that were found.

    Args:
        linker: of the backend.
        query: TraceQL, such as ``{ span.http.route = "/search" }``.
        since_ns: spans that started earlier are left out, ns since the epoch.
        most: how many traces to take at most, the newest first.

    Raises:
        TraceNotFoundError: no span matches.
        NoProfileIdError: spans match, and none of them carries a profile ID.
        NoSamplesError: none of the spans has samples.
        RequestRefusedError: Tempo refused the query.
        ClientError: a server failed.
    """
    return _group(linker, query, since_ns, most, *_search(linker.tempo, query, since_ns, most))


def _group(
    linker: Linker, query: str, since_ns: int, most: int, traces: list[FoundTrace], tells_attributes: bool
) -> SpanGroup:
    """Wait for the samples of what a search found; raises what :func:`find_group` does."""
    found = _started(traces, since_ns)
    if not found:
        raise TraceNotFoundError(f"no span that started in the last {_since(since_ns)} matches {query}")
    spans = [_span(trace.trace_id, span) for trace, span in found]
    if not tells_attributes:
        spans = _looked_up(linker.tempo, spans)
    linked = [span for span in spans if span.profile_id]
    if not linked:
        raise NoProfileIdError(
            f"none of the {len(spans)} spans that match {query} carries {PROFILE_ID_ATTRIBUTE}: local root spans do,"
            " such as those of a server; let the query match them"
        )
    linked = _with_descendants(linker.tempo, sorted(linked, key=lambda span: -span.start_ns))
    flamegraph = linker.merged_samples(linked)
    return SpanGroup(query, tuple(linked), len(spans) - len(linked), flamegraph, is_cut=len(traces) >= most)


def await_group(
    linker: Linker, query: str, since_ns: int, waiting: Waiting, *, at_least: int = 1, most: int = MOST_TRACES
) -> SpanGroup:
    """Search until enough spans are there, and wait for the samples of all of them.

    Args:
        linker: of the backend.
        query: TraceQL.
        since_ns: spans that started earlier are left out, ns since the epoch.
        waiting: how long to search.
        at_least: how many spans with a profile ID there must be.
        most: how many traces to take at most, the newest first.

    Raises:
        TraceNotFoundError: there were fewer by the deadline.
        LinkError, ClientError: as :func:`find_group`.
    """
    error: LinkError | None = None
    count = 0
    for _ in waiting.attempts():
        traces, tells_attributes = _search(linker.tempo, query, since_ns, most)
        count = len(_started(traces, since_ns))
        if count < at_least:
            continue
        try:
            group = _group(linker, query, since_ns, most, traces, tells_attributes)
        except (TraceNotFoundError, NoProfileIdError) as missing:  # their roots may come later
            error, count = missing, 0
            continue
        count = len(group.spans)
        if count >= at_least:
            return group
    message = f"{count} spans with a profile ID match {query} after {waiting.timeout_s:g} s, and {at_least} are awaited"
    raise error or TraceNotFoundError(message)


def _started(traces: list[FoundTrace], since_ns: int) -> list[tuple[FoundTrace, FoundSpan]]:
    return [(trace, span) for trace in traces for span in trace.spans if span.start_ns >= since_ns]


def _search(tempo: TempoClient, query: str, since_ns: int, most: int) -> tuple[list[FoundTrace], bool]:
    """Search, and tell whether the spans that were found have their attributes: a query may not bear to be added to."""
    now_s = time.time()
    window = {"start_s": max(since_ns // 10**9, int(now_s) - LONGEST_S), "end_s": int(now_s) + _AHEAD_S}
    window |= {"limit": most, "spans": _SPANS_A_TRACE}
    for suffix in (_SELECT + _NEWEST_FIRST, _SELECT):
        try:
            return tempo.search(query + suffix, **window), True
        except RequestRefusedError as error:
            if error.status >= 500:
                raise
    return tempo.search(query, **window), False  # if it is wrong by itself, the server's words are about it


def _looked_up(tempo: TempoClient, spans: list[Span]) -> list[Span]:
    """Return the spans as their traces have them."""
    known: dict[str, Span] = {}
    for trace_id in dict.fromkeys(span.trace_id for span in spans):
        trace = tempo.trace(trace_id)
        known |= {span.span_id: span for span in (trace.spans if trace else ())}
    return [known.get(span.span_id, span) for span in spans]


def _span(trace_id: str, span: FoundSpan) -> Span:
    profile_id = span.attributes.get(PROFILE_ID_ATTRIBUTE, "")
    service = span.attributes.get("service.name", "")
    return Span(
        trace_id=trace_id,
        span_id=span.span_id,
        parent_id=None,
        name=span.name or span.attributes.get("name", ""),
        kind=SpanKind.UNSPECIFIED,
        start_ns=span.start_ns,
        end_ns=span.start_ns + span.duration_ns,
        attributes={} if profile_id in _ABSENT else {PROFILE_ID_ATTRIBUTE: profile_id},
        resource={} if service in _ABSENT else {"service.name": service},
    )


def _with_descendants(tempo: TempoClient, spans: list[Span]) -> list[Span]:
    """Return the spans with those below them whose samples count for them, and without those that count already.

    Most span processors label local roots alone. Whether a service's does not, its newest trace tells.
    """
    labels_all: dict[str, bool] = {}
    complete: list[Span] = []
    for span in spans:
        if not labels_all.get(span.service, True):
            complete.append(span)
            continue
        trace = tempo.trace(span.trace_id)
        if span.service not in labels_all:
            others = trace.spans if trace else ()
            labels_all[span.service] = any(other.added for other in others if other.service == span.service)
        whole = trace.span(span.span_id) if trace else None
        complete.append(replace(span, added=whole.added) if whole else span)
    counted = {added.profile_id for span in complete for added in span.added}
    return [span for span in complete if span.profile_id not in counted]


def _since(since_ns: int) -> str:
    return age(time.time() - since_ns / 1e9)
