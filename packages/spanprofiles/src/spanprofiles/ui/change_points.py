"""The moment that "before and after" starts with: one with linked requests of the same route on both sides."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanprofiles.clients import TempoClient
from spanprofiles.ui.comparison import ARRIVED_AFTER_S
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.found_request import FoundRequest, request_of

_SEARCHED = 500
_NS = 1_000_000_000


@dataclass(frozen=True)
class ChangePoint:
    """A moment, to compare the time before and after it.

    Attributes:
        time_s: when, s since the epoch.
        stretch_s: how far to look on either side, s.
        region: where; empty for everywhere.
    """

    time_s: int
    stretch_s: int
    region: str = ""


def first_change_point(
    tempo: TempoClient, filters: Filters, changes: Iterable[tuple[int, str]], stretches_s: Sequence[int]
) -> ChangePoint | None:
    """Return a moment with linked requests of the same route on both sides, or None where there is none.

    Args:
        tempo: where to search.
        filters: service, route and region to look at.
        changes: when something was changed, s since the epoch, and in which region; the latest first. They go before
            all other moments.
        stretches_s: how far to look on either side, s; the first that has such a moment counts.

    Raises:
        ClientError: Tempo does not answer, or refuses the search.
    """
    now_s = time.time()
    requests: list[FoundRequest] = []
    for stretch_s in stretches_s:
        if not requests or stretch_s > stretches_s[0]:
            requests = _requests(tempo, filters, now_s, 2 * stretch_s)
        for time_s, region in changes:
            if filters.region in {"", region} or not region:
                there = [request for request in requests if region in {"", request.region}]
                if _fewest(there, time_s, stretch_s):
                    return ChangePoint(time_s, stretch_s, region)
        middle = _middle(requests, stretch_s)
        if middle is not None:
            return ChangePoint(middle, stretch_s, filters.region)
    return None


def _requests(tempo: TempoClient, filters: Filters, now_s: float, back_s: int) -> list[FoundRequest]:
    """Return the recent linked requests whose samples have arrived, the oldest first."""
    found = tempo.search(filters.traceql(), start_s=int(now_s) - back_s, end_s=int(now_s) + 1, limit=_SEARCHED, spans=4)
    settled_ns = (now_s - ARRIVED_AFTER_S) * _NS
    requests = [request for request in map(request_of, found) if request.spans and not request.is_too_short]
    return sorted((request for request in requests if request.start_ns + request.duration_ns < settled_ns), key=_start)


def _fewest(requests: Sequence[FoundRequest], time_s: int, stretch_s: int) -> int:
    """Return how many requests the smaller side has, counting only routes that both sides have."""
    before = [request.title for request in requests if time_s - stretch_s <= _start(request) / _NS < time_s]
    after = [request.title for request in requests if time_s <= _start(request) / _NS < time_s + stretch_s]
    both = set(before) & set(after)
    return min(sum(title in both for title in side) for side in (before, after))


def _middle(requests: Sequence[FoundRequest], stretch_s: int) -> int | None:
    """Return the moment with the most requests on its smaller side; None where a side is always empty."""
    fewest = {
        time_s: _fewest(requests, time_s, stretch_s) for time_s in {_start(request) // _NS for request in requests}
    }
    best = max(fewest, key=lambda time_s: (fewest[time_s], time_s), default=0)
    return best if fewest.get(best) else None


def _start(request: FoundRequest) -> int:
    return min(span.start_ns for span in request.spans)
