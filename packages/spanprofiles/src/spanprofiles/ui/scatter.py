"""The requests of the list as points: how long each took, over time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spanprofiles.report import duration
from spanprofiles.report.svg import Point, scatter_svg
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.formats import clock
from spanprofiles.ui.found_request import SPANS, FoundRequest, request_of
from spanprofiles.ui.sources import Sources
from spanprofiles.ui.trace_list import list_traces, suits

#: Points at most.
LIMIT = 500
_COLOURS = 7  # another one is for all others
_CPU_TIMEOUT_S = 0.3
_NARROWEST_NS = 10_000_000_000


@dataclass(frozen=True)
class Scatter:
    """A drawn scatter.

    Attributes:
        svg: the picture.
        colours: names of requests with the number of their colour, the most frequent first.
        others: whether there are requests of further names, all of one colour.
        count: how many points there are.
        complete: whether these are all requests found.
        failed: how many of them failed.
    """

    svg: Markup
    colours: tuple[tuple[str, int], ...]
    others: bool
    count: int
    complete: bool
    failed: int


def find_scatter(source: Sources, filters: Filters, address: Callable[[FoundRequest], str]) -> Scatter | None:
    """Search and draw; return None where nothing is found.

    Args:
        source: where to search; it remembers what is found.
        filters: what to look for.
        address: where a click on a point leads.

    Raises:
        ClientError: Tempo does not answer, or refuses the TraceQL.
    """
    if filters.linked:  # samples are asked for span by span, so for no more spans than in the list
        listing = list_traces(source.linker.tempo, source.cpu_cache, filters, _CPU_TIMEOUT_S, source.latencies)
        requests, complete = [row.request for row in listing.rows], listing.complete
    else:
        requests, complete = _search(source, filters)
    return draw_scatter(requests, address, end_ns=time.time_ns(), complete=complete) if requests else None


def _search(source: Sources, filters: Filters) -> tuple[list[FoundRequest], bool]:
    now_s = int(time.time())
    found = source.linker.tempo.search(
        filters.traceql(), start_s=now_s - filters.seconds, end_s=now_s + 1, limit=LIMIT, spans=SPANS
    )
    requests = [request for request in map(request_of, found) if suits(request, filters)]
    if not filters.selective:
        source.latencies.learn(requests)
    return requests, len(found) < LIMIT


def draw_scatter(
    requests: Sequence[FoundRequest], address: Callable[[FoundRequest], str], *, end_ns: int, complete: bool
) -> Scatter:
    """Draw requests, from the oldest of them to ``end_ns`` (ns since the epoch).

    Args:
        requests: in any order; there must be one.
        address: where a click on a point leads.
        end_ns: right edge.
        complete: whether these are all requests found.
    """
    names = [name for name, _ in Counter(request.title for request in requests).most_common()]
    colours = {name: index for index, name in enumerate(names[:_COLOURS])}
    points = [
        Point(
            request.start_ns,
            request.duration_ns,
            _words(request),
            colours.get(request.title, _COLOURS),
            request.failed,
            address(request),
        )
        for request in requests
    ]
    failed = sum(request.failed for request in requests)
    start_ns = min(*(request.start_ns for request in requests), end_ns - _NARROWEST_NS)
    label = f"Duration over time of {len(requests)} requests, {failed} of them failed; the list below has the newest"
    svg = scatter_svg(points, start_ns=start_ns, end_ns=end_ns, clock=lambda time_ns: clock(time_ns)[:-2], label=label)
    picture = Markup(svg)  # noqa: S704  # its texts are escaped there
    return Scatter(picture, tuple(colours.items()), len(names) > _COLOURS, len(requests), complete, failed)


def _words(request: FoundRequest) -> str:
    parts = [request.title, duration(request.duration_ns), clock(request.start_ns), request.service, request.region]
    if request.failed:
        parts.append("error")
    return ", ".join(part for part in parts if part)
