"""Two sides to compare, each the average of the span profiles of some spans."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from statistics import fmean, median

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import Linker
from spanprofiles.linking.sample_collector import SampleCollector
from spanprofiles.model import CPU, FlameGraph, IdentifierError, parse_span_id
from spanprofiles.model.selector import service_selector
from spanprofiles.ui.comparability import SideCounts, obstacle
from spanprofiles.ui.cpu import ProfiledSpan
from spanprofiles.ui.descendants import Descendants
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.found_request import FoundRequest, request_of

#: Spans of each route on each side, at most.
SPANS = 40
_SEARCHED = 300
ARRIVED_AFTER_S = 4.0  # samples of younger spans may still be on their way

_MEAN_AND_MEDIAN = (
    "More CPU than the duration: the CPU is an average, which a few long requests raise, and the duration a median."
    " Threads that work for one request side by side are added up too."
)


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        title: what it shows.
        spans: how many spans it is the average of.
        flamegraph: CPU time of one span, ns.
        median_ns: median duration of those spans, ns; of several routes, the mean of their medians.
        address: where it can be seen by itself, or empty.
        routes: the routes it is the average of, where it is of several spans.
        excess: why it has more CPU than it lasted, or empty.
        counts: how many requests it has, where it is of several spans.
    """

    title: str
    spans: int
    flamegraph: FlameGraph
    median_ns: int
    address: str = ""
    routes: tuple[str, ...] = ()
    excess: str = ""
    counts: SideCounts = field(default_factory=SideCounts)


@dataclass(frozen=True)
class Comparison:
    """Two sides.

    Attributes:
        first: one.
        second: the other.
        obstacle: why they cannot be compared; empty where they can.
    """

    first: Side
    second: Side
    obstacle: str = ""


@dataclass(frozen=True)
class Group:
    """Spans of one route in one stretch of time.

    Attributes:
        title: what to call it.
        where: the same inside a sentence, such as ``in north``.
        service: ``service.name``, or empty for any; likewise the next two.
        route: ``http.route``.
        region: the resource attribute ``region``.
        start_s: s since the epoch.
        end_s: s since the epoch.
    """

    title: str
    where: str
    service: str
    route: str
    region: str
    start_s: int
    end_s: int


def compare_groups(linker: Linker, first: Group, second: Group, noun: str = "request") -> Comparison:
    """Search for the spans of both groups and average their samples, route by route.

    Only routes that both groups have count, each with the same weight, so that a different mix of routes is no change.
    Spans without samples count too: they used hardly any CPU. Where a whole side has none, its CPU is unknown.

    Args:
        linker: of the backend.
        first: one group.
        second: the other.
        noun: what a request is called.

    Raises:
        ClientError: a server does not answer, or refuses the search.
    """
    ours, theirs = _found(linker, first), _found(linker, second)
    averages = [
        (route, _average(linker, ours.spans[route]), _average(linker, theirs.spans[route]))
        for route in sorted(ours.spans.keys() & theirs.spans.keys())
    ]
    kept = [row for row in averages if not (row[1].is_empty and row[2].is_empty)]
    counts = (
        replace(ours.counts, sampled=any(not average.is_empty for _, average, _ in kept)),
        replace(theirs.counts, sampled=any(not average.is_empty for _, _, average in kept)),
    )
    reason = obstacle(*counts, (first.where, second.where), noun)
    routes = () if reason else tuple(route for route, _, _ in kept)
    before = _side(first.title, {route: ours.spans[route] for route in routes}, [average for _, average, _ in kept])
    after = _side(second.title, {route: theirs.spans[route] for route in routes}, [average for _, _, average in kept])
    return Comparison(replace(before, counts=counts[0]), replace(after, counts=counts[1]), reason)


@dataclass(frozen=True)
class _Found:
    """The spans of a group by route, the newest first, with their counts."""

    spans: Mapping[str, Sequence[ProfiledSpan]]
    counts: SideCounts


def _found(linker: Linker, group: Group) -> _Found:
    requests = _search(linker, group, linked=True)
    arrived_ns = time.time_ns() - round(ARRIVED_AFTER_S * 1e9)
    routes: dict[str, list[ProfiledSpan]] = {}
    by_route: dict[str, int] = {}
    awaited = 0
    for request in sorted(requests, key=lambda request: -request.start_ns):
        carrying = [span for span in request.spans if _is_span_id(span.profile_id)]
        arrived = [span for span in carrying if span.end_ns < arrived_ns]
        if arrived:
            routes.setdefault(request.title, []).extend(arrived)
            by_route[request.title] = by_route.get(request.title, 0) + 1
        elif carrying:
            awaited += 1
    counts = SideCounts(
        routes=by_route,
        awaited=awaited,
        bare=0 if by_route or awaited else len(_search(linker, group, linked=False)),
        more=len(requests) >= _SEARCHED,
        unpassed_s=max(0.0, group.end_s - time.time()),
    )
    return _Found({route: spans[:SPANS] for route, spans in routes.items()}, counts)


def _search(linker: Linker, group: Group, *, linked: bool) -> list[FoundRequest]:
    """Return the requests that began in the group's time; a search also finds those that only ended in it."""
    filters = Filters(service=group.service, route=group.route, region=group.region, linked=linked)
    found = linker.tempo.search(filters.traceql(), start_s=group.start_s, end_s=group.end_s, limit=_SEARCHED, spans=4)
    requests = map(request_of, found)
    return [request for request in requests if group.start_s <= request.start_ns / 1e9 < group.end_s]


def _average(linker: Linker, spans: Sequence[ProfiledSpan]) -> FlameGraph:
    """Return the average samples of a span."""
    whole, count = merged_spans(linker, spans)
    return whole.divided(count)


def merged_spans(linker: Linker, spans: Sequence[ProfiledSpan]) -> tuple[FlameGraph, int]:
    """Ask once for the samples of all spans together.

    Args:
        linker: of the backend.
        spans: at least one. Those whose samples count for another of them are left out.

    Returns:
        The samples, and how many spans they are of.

    Raises:
        ClientError: a server does not answer.
    """
    by_service: dict[str, list[str]] = {}
    descendants = Descendants(linker.tempo)
    added = {span.profile_id: descendants.profile_ids(span) for span in spans}
    counted = {profile_id for profile_ids in added.values() for profile_id in profile_ids}
    spans = [span for span in spans if span.profile_id not in counted]
    for span in spans:
        by_service.setdefault(span.service, []).extend([span.profile_id, *added[span.profile_id]])
    asked = [
        (ProfileQuery.around_all(spans, linker.margin_ms, selector=service_selector(service)), profile_ids)
        for service, profile_ids in by_service.items()
    ]
    return SampleCollector(linker.pyroscope, profile_type=linker.profile_type).ask(asked), len(spans)


def _side(title: str, routes: Mapping[str, Sequence[ProfiledSpan]], averages: Sequence[FlameGraph]) -> Side:
    if not routes:
        return Side(title, 0, FlameGraph(), 0)
    medians = [median(span.end_ns - span.start_ns for span in spans) for spans in routes.values()]
    # routes that are linked by another type of profile than the first cannot be added to it
    of_type = next((average.profile_type for average in averages if not average.is_empty), CPU)
    alike = (average for average in averages if average.profile_type == of_type)
    whole = reduce(add, alike, FlameGraph(profile_type=of_type))
    average, typical_ns = whole.divided(len(averages)), round(fmean(medians))
    return Side(
        title,
        sum(len(spans) for spans in routes.values()),
        average,
        typical_ns,
        routes=tuple(routes),
        excess=_MEAN_AND_MEDIAN if average.cpu_ns > typical_ns else "",
    )


def _is_span_id(text: str) -> bool:
    try:
        return parse_span_id(text) == text.lower()
    except IdentifierError:
        return False
