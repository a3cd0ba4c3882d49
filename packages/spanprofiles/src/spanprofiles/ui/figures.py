"""Throughput and latency by route, over the last minutes: small plots that follow the traffic."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from spanprofiles.clients import TempoClient
from spanprofiles.model.percentiles import percentile
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.peers import Peers
from spanprofiles.ui.rides import SPANS, Ride, ride_of

#: The plots show so many s, in steps of so many s.
SPAN_S = 300
STEP_S = 10
_RATE_OVER_S = 60
_FIRST_LIMIT, _NEXT_LIMIT = 1000, 300
_OVERLAP_S = 12  # spans arrive late
_LOOK_AGAIN_AFTER_S = 1.5
_ROUTES = 6


@dataclass(frozen=True)
class RouteFigures:
    """One route.

    Attributes:
        title: as in the list, such as ``GET /bike``.
        rate: requests per second over the last minute.
        median_ns: median duration over the whole span of the plots, ns.
        slow_ns: the 95th percentile likewise, ns.
        counts: requests in each step.
        medians: median duration in each step, ns; None where there was no request.
        slows: the 95th percentile likewise.
    """

    title: str
    rate: float
    median_ns: int
    slow_ns: int
    counts: tuple[int, ...]
    medians: tuple[float | None, ...]
    slows: tuple[float | None, ...]


class RecentTraffic:
    """Remembers the requests of the last minutes; each look asks only for what is newer. Safe for several threads.

    Args:
        tempo: whom to ask.
        peers: learns what was found.
    """

    def __init__(self, tempo: TempoClient, peers: Peers) -> None:
        self._tempo = tempo
        self._peers = peers
        self._rides: OrderedDict[str, Ride] = OrderedDict()
        self._looked_s = 0.0
        self._lock = Lock()

    def routes(self) -> list[RouteFigures]:
        """Return the routes with the most requests, by name.

        Raises:
            ClientError: Tempo does not answer.
        """
        with self._lock:
            now_s = time.time()
            if now_s - self._looked_s > _LOOK_AGAIN_AFTER_S:
                self._look(now_s)
            return summarize(list(self._rides.values()), now_s)

    def _look(self, now_s: float) -> None:
        first = now_s - self._looked_s > SPAN_S
        since_s = now_s - SPAN_S if first else self._looked_s - _OVERLAP_S
        limit = _FIRST_LIMIT if first else _NEXT_LIMIT
        found = self._tempo.search(
            Filters().traceql(), start_s=int(since_s), end_s=int(now_s) + 1, limit=limit, spans=SPANS
        )
        self._looked_s = now_s
        rides = [ride_of(trace) for trace in found]
        self._rides.update((ride.trace_id, ride) for ride in rides)
        self._peers.learn(rides)
        oldest_ns = (now_s - SPAN_S - STEP_S) * 1e9
        for trace_id in [one.trace_id for one in self._rides.values() if one.start_ns < oldest_ns]:
            del self._rides[trace_id]


def summarize(rides: Sequence[Ride], now_s: float) -> list[RouteFigures]:
    """Return the figures of the routes with the most requests, in order of their names.

    Args:
        rides: in any order.
        now_s: the right edge of the plots, s since the epoch. The step under way is left out: it is not full yet.
    """
    edge = int(now_s // STEP_S)
    steps = SPAN_S // STEP_S
    by_title: dict[str, list[Ride]] = {}
    for ride in rides:
        by_title.setdefault(ride.title, []).append(ride)
    chosen = sorted(by_title, key=lambda title: (-len(by_title[title]), title))[:_ROUTES]
    return [_figures(title, by_title[title], now_s, edge - steps, steps) for title in sorted(chosen)]


def _figures(title: str, rides: Sequence[Ride], now_s: float, first: int, steps: int) -> RouteFigures:
    durations: list[list[int]] = [[] for _ in range(steps)]
    for ride in rides:
        place = int(ride.start_ns / 1e9 // STEP_S) - first
        if 0 <= place < steps:
            durations[place].append(ride.duration_ns)
    everything = [ride.duration_ns for ride in rides]
    recent = sum(ride.start_ns / 1e9 > now_s - _RATE_OVER_S for ride in rides)
    return RouteFigures(
        title=title,
        rate=recent / _RATE_OVER_S,
        median_ns=percentile(everything, 0.5),
        slow_ns=percentile(everything, 0.95),
        counts=tuple(len(one) for one in durations),
        medians=tuple(percentile(one, 0.5) if one else None for one in durations),
        slows=tuple(percentile(one, 0.95) if one else None for one in durations),
    )
