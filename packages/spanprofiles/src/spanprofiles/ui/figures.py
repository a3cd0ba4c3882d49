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
from spanprofiles.ui.found_request import SPANS, FoundRequest, request_of
from spanprofiles.ui.latency_history import LatencyHistory

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
    """Remembers the requests of the last minutes, and asks only for newer ones. Safe for several threads.

    Args:
        tempo: whom to ask.
        latencies: learns what was found.
    """

    def __init__(self, tempo: TempoClient, latencies: LatencyHistory) -> None:
        self._tempo = tempo
        self._latencies = latencies
        self._requests: OrderedDict[str, FoundRequest] = OrderedDict()
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
            return summarize(list(self._requests.values()), now_s)

    def _look(self, now_s: float) -> None:
        first = now_s - self._looked_s > SPAN_S
        since_s = now_s - SPAN_S if first else self._looked_s - _OVERLAP_S
        limit = _FIRST_LIMIT if first else _NEXT_LIMIT
        found = self._tempo.search(
            Filters().traceql(), start_s=int(since_s), end_s=int(now_s) + 1, limit=limit, spans=SPANS
        )
        self._looked_s = now_s
        requests = [request_of(trace) for trace in found]
        self._requests.update((request.trace_id, request) for request in requests)
        self._latencies.learn(requests)
        oldest_ns = (now_s - SPAN_S - STEP_S) * 1e9
        for trace_id in [request.trace_id for request in self._requests.values() if request.start_ns < oldest_ns]:
            del self._requests[trace_id]


def summarize(requests: Sequence[FoundRequest], now_s: float) -> list[RouteFigures]:
    """Return the figures of the routes with the most requests, in order of their names.

    Args:
        requests: in any order.
        now_s: the right edge of the plots, s since the epoch. The current step is left out: it is not full yet.
    """
    edge = int(now_s // STEP_S)
    steps = SPAN_S // STEP_S
    by_title: dict[str, list[FoundRequest]] = {}
    for request in requests:
        by_title.setdefault(request.title, []).append(request)
    chosen = sorted(by_title, key=lambda title: (-len(by_title[title]), title))[:_ROUTES]
    return [_figures(title, by_title[title], now_s, edge - steps, steps) for title in sorted(chosen)]


def _figures(title: str, requests: Sequence[FoundRequest], now_s: float, first: int, steps: int) -> RouteFigures:
    durations: list[list[int]] = [[] for _ in range(steps)]
    for request in requests:
        place = int(request.start_ns / 1e9 // STEP_S) - first
        if 0 <= place < steps:
            durations[place].append(request.duration_ns)
    everything = [request.duration_ns for request in requests]
    recent = sum(request.start_ns / 1e9 > now_s - _RATE_OVER_S for request in requests)
    return RouteFigures(
        title=title,
        rate=recent / _RATE_OVER_S,
        median_ns=percentile(everything, 0.5),
        slow_ns=percentile(everything, 0.95),
        counts=tuple(len(step) for step in durations),
        medians=tuple(percentile(step, 0.5) if step else None for step in durations),
        slows=tuple(percentile(step, 0.95) if step else None for step in durations),
    )
