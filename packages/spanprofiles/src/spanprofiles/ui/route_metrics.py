"""Figures by route from TraceQL metrics: how many requests there were in each step, and about how long they took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from spanprofiles.clients import TempoClient
from spanprofiles.clients.tempo_metrics import MetricSeries
from spanprofiles.model.percentiles import estimated_percentile
from spanprofiles.ui.figures import RATE_OVER_S, ROUTES, SPAN_S, STEP_S, RouteFigures
from spanprofiles.ui.filters import HTTP_METHOD_ATTRIBUTES, requests_traceql
from spanprofiles.ui.found_request import present, title_from

_BUCKET = "__bucket"
_NS = 1_000_000_000
_GROUPS = ("rootName", "span.http.route", *(f"span.{name}" for name in HTTP_METHOD_ATTRIBUTES))
#: How many requests took at most so many s, above half of it, in each step by its end.
Buckets = Mapping[float, Mapping[float, float]]


def ask_figures(tempo: TempoClient, now_s: float) -> list[RouteFigures]:
    """Ask for the figures of the routes with the most requests, in order of their names.

    Args:
        tempo: whom to ask.
        now_s: the right edge of the plots, s since the epoch. The current step is left out: it is not full yet.

    Raises:
        ClientError: Tempo does not answer, or has no metrics.
    """
    end_s = int(now_s // STEP_S) * STEP_S
    ends_s = range(end_s - SPAN_S + STEP_S, end_s + 1, STEP_S)
    query = f"{requests_traceql()} | histogram_over_time(duration) by ({', '.join(_GROUPS)})"
    return figures_of(tempo.metrics(query, start_s=ends_s[0], end_s=ends_s[-1], step_s=STEP_S), ends_s)


def figures_of(series: Iterable[MetricSeries], ends_s: Sequence[int]) -> list[RouteFigures]:
    """Return the figures of the routes with the most requests, in order of their names.

    Args:
        series: how many requests there were of each kind, by powers of two of their durations in s.
        ends_s: the ends of the steps, s since the epoch.
    """
    by_title: dict[str, dict[float, dict[float, float]]] = {}
    for group in series:
        by_step = by_title.setdefault(_title(group.labels), {})
        bound = float(group.labels.get(_BUCKET, 0))
        for end_s in ends_s:
            count = group.values.get(end_s, 0.0)
            if count:
                buckets = by_step.setdefault(end_s, {})
                buckets[bound] = buckets.get(bound, 0.0) + count
    totals = {title: sum(_count(buckets) for buckets in steps.values()) for title, steps in by_title.items()}
    seen = [title for title, total in totals.items() if total]
    chosen = sorted(seen, key=lambda title: (-totals[title], title))[:ROUTES]
    return [_figures(title, by_title[title], ends_s) for title in sorted(chosen)]


def _title(labels: Mapping[str, str]) -> str:
    attributes = {name.removeprefix("span."): value for name, value in labels.items()}
    return title_from(attributes, present(attributes, "rootName"))


def _count(buckets: Mapping[float, float]) -> int:
    return round(sum(buckets.values()))


def _figures(title: str, steps: Buckets, ends_s: Sequence[int]) -> RouteFigures:
    everything: dict[float, float] = {}
    for buckets in steps.values():
        for bound, count in buckets.items():
            everything[bound] = everything.get(bound, 0.0) + count
    counts = tuple(_count(steps.get(end_s, {})) for end_s in ends_s)
    return RouteFigures(
        title=title,
        rate=sum(counts[-(RATE_OVER_S // STEP_S) :]) / RATE_OVER_S,
        median_ns=round(estimated_percentile(everything, 0.5) * _NS),
        slow_ns=round(estimated_percentile(everything, 0.95) * _NS),
        counts=counts,
        medians=tuple(_percentile_ns(steps.get(end_s), 0.5) for end_s in ends_s),
        slows=tuple(_percentile_ns(steps.get(end_s), 0.95) for end_s in ends_s),
        estimated=True,
    )


def _percentile_ns(buckets: Mapping[float, float] | None, share: float) -> float | None:
    return estimated_percentile(buckets, share) * _NS if buckets else None
