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
from spanprofiles.ui.rides import SPANS, Ride, list_rides, ride_of, suits
from spanprofiles.ui.sources import Sources
from spanprofiles.ui.words import clock

#: Points at most.
LIMIT = 500
_COLOURS = 7  # one more is left for all the others
_PATIENCE_S = 0.3
_NARROWEST_NS = 10_000_000_000


@dataclass(frozen=True)
class Scatter:
    """A drawn scatter.

    Attributes:
        svg: the picture.
        colours: names of requests with the number of their colour, the most frequent first.
        others: whether there are requests of further names, all of one colour.
        count: how many points there are.
        complete: whether these are all that were found.
        failed: how many of them failed.
    """

    svg: Markup
    colours: tuple[tuple[str, int], ...]
    others: bool
    count: int
    complete: bool
    failed: int


def find_scatter(source: Sources, filters: Filters, address: Callable[[Ride], str]) -> Scatter | None:
    """Search and draw; None where nothing is found.

    Args:
        source: where to search, and what learns from what is found.
        filters: what to look for.
        address: where a click on a point leads.

    Raises:
        ClientError: Tempo does not answer, or refuses the TraceQL.
    """
    if filters.linked:  # samples are asked for span by span: for as many as the list asks for
        listing = list_rides(source.linker.tempo, source.ledger, filters, _PATIENCE_S, source.peers)
        rides, complete = [row.ride for row in listing.rows], listing.complete
    else:
        rides, complete = _search(source, filters)
    return draw_scatter(rides, address, end_ns=time.time_ns(), complete=complete) if rides else None


def _search(source: Sources, filters: Filters) -> tuple[list[Ride], bool]:
    now_s = int(time.time())
    found = source.linker.tempo.search(
        filters.traceql(), start_s=now_s - filters.seconds, end_s=now_s + 1, limit=LIMIT, spans=SPANS
    )
    rides = [ride for ride in map(ride_of, found) if suits(ride, filters)]
    if not filters.selective:
        source.peers.learn(rides)
    return rides, len(found) < LIMIT


def draw_scatter(rides: Sequence[Ride], address: Callable[[Ride], str], *, end_ns: int, complete: bool) -> Scatter:
    """Draw rides, from the oldest of them to ``end_ns`` (ns since the epoch).

    Args:
        rides: in any order; there must be one.
        address: where a click on a point leads.
        end_ns: right edge.
        complete: whether these are all that were found.
    """
    names = [name for name, _ in Counter(ride.title for ride in rides).most_common()]
    colours = {name: index for index, name in enumerate(names[:_COLOURS])}
    points = [
        Point(
            ride.start_ns, ride.duration_ns, _words(ride), colours.get(ride.title, _COLOURS), ride.failed, address(ride)
        )
        for ride in rides
    ]
    failed = sum(ride.failed for ride in rides)
    start_ns = min(*(ride.start_ns for ride in rides), end_ns - _NARROWEST_NS)
    label = f"Duration over time of {len(rides)} requests, {failed} of them failed; the list below has the newest"
    svg = scatter_svg(points, start_ns=start_ns, end_ns=end_ns, clock=lambda time_ns: clock(time_ns)[:-2], label=label)
    picture = Markup(svg)  # noqa: S704  # its texts are escaped there
    return Scatter(picture, tuple(colours.items()), len(names) > _COLOURS, len(rides), complete, failed)


def _words(ride: Ride) -> str:
    parts = [ride.title, duration(ride.duration_ns), clock(ride.start_ns), ride.service, ride.region]
    if ride.failed:
        parts.append("error")
    return ", ".join(part for part in parts if part)
