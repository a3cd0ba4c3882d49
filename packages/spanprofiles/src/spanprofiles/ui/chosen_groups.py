"""Two groups of requests, chosen by a query or by hand, compared request by request: with a verdict and intervals."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import Linker
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.measure.assembly import measured_request
from spanprofiles.model import FlameGraph, IdentifierError, Trace, parse_span_id, parse_trace_id
from spanprofiles.model.comparison import Comparison as RequestComparison
from spanprofiles.model.request_comparison import compare_requests
from spanprofiles.model.selector import service_selector
from spanprofiles.ui.comparability import SideCounts, obstacle
from spanprofiles.ui.comparison import ARRIVED_AFTER_S, Comparison, Side
from spanprofiles.ui.cpu import ProfiledSpan
from spanprofiles.ui.descendants import Descendants
from spanprofiles.ui.filters import WINDOWS, Filters
from spanprofiles.ui.found_request import request_of

#: Requests of one group, at most: the samples of each are asked for by themselves.
MOST_REQUESTS = 60

_IDS = re.compile(r"[0-9a-fA-F]{1,32}(?:[\s,]+[0-9a-fA-F]{1,32})*[\s,]*")


@dataclass(frozen=True)
class ChosenGroup:
    """Requests that somebody has chosen.

    Attributes:
        text: TraceQL, or trace IDs with commas or spaces between them.
        window: how far back a query looks, a key of :data:`~spanprofiles.ui.filters.WINDOWS`.
        without: trace IDs that are not in the group, whatever its query finds.
    """

    text: str
    window: str
    without: frozenset[str] = frozenset()

    @property
    def trace_ids(self) -> tuple[str, ...]:
        """The traces that it names; none where it is a query."""
        if not _IDS.fullmatch(self.text.strip()):
            return ()
        try:
            return tuple(dict.fromkeys(parse_trace_id(text) for text in re.split(r"[\s,]+", self.text) if text))
        except IdentifierError:
            return ()

    @property
    def title(self) -> str:
        """What to call it."""
        count = len(self.trace_ids)
        return f"{count} chosen by hand" if count else self.text


@dataclass(frozen=True)
class ChosenRequest:
    """One request of a group.

    Attributes:
        title: what it is called.
        trace_id: its trace.
        spans: its spans that carry a profile ID.
    """

    title: str
    trace_id: str
    spans: tuple[ProfiledSpan, ...]


def compare_chosen(
    linker: Linker, first: ChosenGroup, second: ChosenGroup, names: tuple[str, str], noun: str
) -> tuple[Comparison, RequestComparison | None]:
    """Compare two groups, each as the average of its requests, and judge whether the second is slower.

    A request that is in both groups counts in the second alone.

    Args:
        linker: of the backend.
        first: one group.
        second: the other.
        names: what to call them in a sentence.
        noun: what a request is called.

    Returns:
        The two sides for a picture, and the comparison of their requests; None where there is nothing to compare.

    Raises:
        ClientError: a server does not answer, or refuses a query.
    """
    theirs = _chosen(linker, second)
    ours = _chosen(linker, replace(first, without=first.without | {request.trace_id for request in theirs[0]}))
    measured = [_measured(linker, requests) for requests, _ in (ours, theirs)]
    counts = [
        replace(count, sampled=any(not flamegraph.is_empty for flamegraph in flamegraphs))
        for (_, count), flamegraphs in zip((ours, theirs), measured, strict=True)
    ]
    reason = _obstacle(counts, names, noun)
    sides = [
        _side(group.title, requests, flamegraphs, count)
        for group, (requests, _), flamegraphs, count in zip(
            (first, second), (ours, theirs), measured, counts, strict=True
        )
    ]
    types = {flamegraph.profile_type for side in measured for flamegraph in side if not flamegraph.is_empty}
    if not reason and len(types) > 1:
        reason = f"They cannot be compared: their profiles are of different types, {' and '.join(sorted(types))}."
    if reason:
        return Comparison(sides[0], sides[1], reason), None
    whole = sum((side.flamegraph for side in sides), FlameGraph())
    base, head = (
        [
            measured_request(
                request.trace_id,
                tuple(span.profile_id for span in request.spans),
                min(span.start_ns for span in request.spans),
                _duration_ns(request),
                flamegraph,
                whole.sample_value,
            )
            for request, flamegraph in zip(requests, flamegraphs, strict=True)
        ]
        for (requests, _), flamegraphs in zip((ours, theirs), measured, strict=True)
    )
    return Comparison(sides[0], sides[1]), compare_requests(base, head)


def _chosen(linker: Linker, group: ChosenGroup) -> tuple[list[ChosenRequest], SideCounts]:
    """Return the requests of a group whose samples are there by now, the newest first, and how many there are."""
    if group.trace_ids:
        traces = (linker.tempo.trace(trace_id) for trace_id in group.trace_ids[:MOST_REQUESTS])
        found = [_of_trace(trace) for trace in traces if trace is not None]
    else:
        filters = Filters(query=group.text.strip(), linked=True)
        now_s = int(time.time())
        answers = linker.tempo.search(
            filters.traceql(), start_s=now_s - WINDOWS[group.window], end_s=now_s + 1, limit=2 * MOST_REQUESTS, spans=4
        )
        requests = sorted(map(request_of, answers), key=lambda request: -request.start_ns)
        found = [ChosenRequest(request.title, request.trace_id, request.spans) for request in requests]
    arrived_ns = time.time_ns() - round(ARRIVED_AFTER_S * 1e9)
    ready: list[ChosenRequest] = []
    routes: dict[str, int] = {}
    awaited = bare = 0
    for request in found:
        if request.trace_id in group.without:
            continue
        spans = tuple(span for span in request.spans if _is_span_id(span.profile_id))
        if not spans:
            bare += 1
        elif any(span.end_ns >= arrived_ns for span in spans):
            awaited += 1
        elif len(ready) < MOST_REQUESTS:
            ready.append(replace(request, spans=spans))
            routes[request.title] = routes.get(request.title, 0) + 1
    more = len(found) > MOST_REQUESTS or len(group.trace_ids) > MOST_REQUESTS
    return ready, SideCounts(routes=routes, awaited=awaited, bare=bare, more=more)


def _of_trace(trace: Trace) -> ChosenRequest:
    spans = tuple(
        ProfiledSpan(
            span.profile_id or "",
            span.service,
            span.start_ns,
            span.end_ns,
            added=tuple(child.profile_id for child in span.added if child.profile_id),
        )
        for span in trace.linkable
    )
    first = next(iter(trace.local_roots), None)
    return ChosenRequest(first.name if first is not None else "", trace.trace_id, spans)


def _measured(linker: Linker, requests: Sequence[ChosenRequest]) -> list[FlameGraph]:
    """Return the samples of each request."""
    collector = SampleCollector(linker.pyroscope, profile_type=linker.profile_type)
    descendants = Descendants(linker.tempo)
    found = []
    for request in requests:
        services: dict[str, list[ProfiledSpan]] = {}
        for span in request.spans:
            services.setdefault(span.service, []).append(span)
        asked = [
            (
                ProfileQuery.around_all(spans, linker.margin_ms, selector=service_selector(service)),
                list(
                    dict.fromkeys(
                        each
                        for span in spans
                        for each in (span.profile_id, *(span.added or descendants.profile_ids(span)))
                    )
                ),
            )
            for service, spans in services.items()
        ]
        found.append(collector.ask(asked))
    return found


def _side(title: str, requests: Sequence[ChosenRequest], flamegraphs: Sequence[FlameGraph], counts: SideCounts) -> Side:
    types = [flamegraph.profile_type for flamegraph in flamegraphs if not flamegraph.is_empty]
    alike = [flamegraph for flamegraph in flamegraphs if types and flamegraph.profile_type == types[0]]
    whole = sum(alike, FlameGraph())
    durations = sorted(map(_duration_ns, requests))
    return Side(
        title,
        len(requests),
        whole.divided(len(requests)) if requests else whole,
        durations[len(durations) // 2] if durations else 0,
        counts=counts,
    )


def _duration_ns(request: ChosenRequest) -> int:
    return max(span.end_ns - span.start_ns for span in request.spans)


def _obstacle(counts: Sequence[SideCounts], names: tuple[str, str], noun: str) -> str:
    """Say why they cannot be compared. Groups that somebody has chosen may be of different routes."""
    alike = [replace(side, routes={"": side.total} if side.total else {}) for side in counts]
    return obstacle(alike[0], alike[1], names, noun)


def _is_span_id(text: str) -> bool:
    try:
        return parse_span_id(text) == text.lower()
    except IdentifierError:
        return False
