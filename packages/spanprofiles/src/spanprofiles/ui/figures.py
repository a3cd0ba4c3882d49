"""Throughput and latency by route, over the last minutes: small plots that follow the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.model.percentiles import percentile
from spanprofiles.ui.found_request import FoundRequest

#: The plots show so many s, in steps of so many s.
SPAN_S = 300
STEP_S = 10
RATE_OVER_S = 60
ROUTES = 6


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
        estimated: whether durations are estimates, off by less than a factor of two.
    """

    title: str
    rate: float
    median_ns: int
    slow_ns: int
    counts: tuple[int, ...]
    medians: tuple[float | None, ...]
    slows: tuple[float | None, ...]
    estimated: bool = False


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
    chosen = sorted(by_title, key=lambda title: (-len(by_title[title]), title))[:ROUTES]
    return [_figures(title, by_title[title], now_s, edge - steps, steps) for title in sorted(chosen)]


def _figures(title: str, requests: Sequence[FoundRequest], now_s: float, first: int, steps: int) -> RouteFigures:
    durations: list[list[int]] = [[] for _ in range(steps)]
    for request in requests:
        place = int(request.start_ns / 1e9 // STEP_S) - first
        if 0 <= place < steps:
            durations[place].append(request.duration_ns)
    everything = [request.duration_ns for request in requests]
    recent = sum(request.start_ns / 1e9 > now_s - RATE_OVER_S for request in requests)
    return RouteFigures(
        title=title,
        rate=recent / RATE_OVER_S,
        median_ns=percentile(everything, 0.5),
        slow_ns=percentile(everything, 0.95),
        counts=tuple(len(step) for step in durations),
        medians=tuple(percentile(step, 0.5) if step else None for step in durations),
        slows=tuple(percentile(step, 0.95) if step else None for step in durations),
    )
