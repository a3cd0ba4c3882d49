"""The traffic of the last minutes, asked for again and again: figures by route, and how long requests took."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from spanprofiles.clients import RequestRefusedError, TempoClient
from spanprofiles.ui.figures import SPAN_S, STEP_S, RouteFigures, summarize
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.found_request import SPANS, FoundRequest, request_of
from spanprofiles.ui.latency_history import LatencyHistory
from spanprofiles.ui.route_metrics import ask_figures

_FIRST_LIMIT, _NEXT_LIMIT = 1000, 300
_OVERLAP_S = 12  # spans arrive late
_LOOK_AGAIN_AFTER_S = 1.5
#: A slow Tempo is left alone this many times as long as it took to answer.
_PAUSES = 4
#: How long a Tempo that refuses metrics is not asked for them again, s.
_WITHOUT_METRICS_S = 60.0


class RecentTraffic:
    """Asks for figures by route. Safe for several threads.

    They come from TraceQL metrics, which count every request. A Tempo without metrics is searched instead. It is
    searched in any case, since only single requests tell how slow another one is among its kind.

    Args:
        tempo: whom to ask.
        latencies: learns what the search finds.
    """

    def __init__(self, tempo: TempoClient, latencies: LatencyHistory) -> None:
        self._tempo = tempo
        self._latencies = latencies
        self._requests: OrderedDict[str, FoundRequest] = OrderedDict()
        self._searched_s = 0.0
        self._next_s = 0.0
        self._refused_s = 0.0
        self._figures: list[RouteFigures] = []
        self._lock = Lock()

    def routes(self) -> list[RouteFigures]:
        """Return the routes with the most requests, by name.

        Raises:
            ClientError: Tempo does not answer.
        """
        with self._lock:
            now_s = time.time()
            if now_s > self._next_s:
                began_s = time.monotonic()
                self._figures = self._measured(now_s)
                took_s = time.monotonic() - began_s
                self._next_s = now_s + max(_LOOK_AGAIN_AFTER_S, _PAUSES * took_s)
            return self._figures

    def _measured(self, now_s: float) -> list[RouteFigures]:
        has_metrics = now_s - self._refused_s > _WITHOUT_METRICS_S
        if not has_metrics or now_s - self._searched_s > STEP_S:
            self._search(now_s)
        if has_metrics:
            try:
                return ask_figures(self._tempo, now_s)
            except RequestRefusedError:
                self._refused_s = now_s
        return summarize(list(self._requests.values()), now_s)

    def _search(self, now_s: float) -> None:
        first = now_s - self._searched_s > SPAN_S
        since_s = now_s - SPAN_S if first else self._searched_s - _OVERLAP_S
        limit = _FIRST_LIMIT if first else _NEXT_LIMIT
        found = self._tempo.search(
            Filters().traceql(), start_s=int(since_s), end_s=int(now_s) + 1, limit=limit, spans=SPANS
        )
        self._searched_s = now_s
        requests = [request_of(trace) for trace in found]
        self._requests.update((request.trace_id, request) for request in requests)
        self._latencies.learn(requests)
        oldest_ns = (now_s - SPAN_S - STEP_S) * 1e9
        for trace_id in [request.trace_id for request in self._requests.values() if request.start_ns < oldest_ns]:
            del self._requests[trace_id]
