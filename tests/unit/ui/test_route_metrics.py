"""The figures by route come from TraceQL metrics, or from searches where Tempo has none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from spanprofiles.clients import RequestRefusedError, ServerUnreachableError, TempoClient
from spanprofiles.clients.tempo_metrics import MetricSeries
from spanprofiles.model import Endpoints
from spanprofiles.ui.latency_history import LatencyHistory
from spanprofiles.ui.recent_traffic import RecentTraffic
from spanprofiles.ui.route_metrics import ask_figures, figures_of
from tests.unit.ui.conftest import StoreRide

ENDS = range(100, 400, 10)
MS = 1_000_000


def series(route: str, bound: float, values: dict[float, float], **labels: str) -> MetricSeries:
    names = {"rootName": "root", "span.http.route": route, "span.http.request.method": "GET", "__bucket": str(bound)}
    return MetricSeries(names | {"span.http.method": "nil"} | labels, values)


def test_a_route_has_its_requests_by_step_and_estimates_of_their_durations() -> None:
    (figures,) = figures_of([series("/bike", 0.125, {390: 3, 200: 1, 95: 7}), series("/bike", 0.25, {390: 1})], ENDS)
    assert figures.title == "GET /bike"
    assert (figures.counts[29], figures.counts[10], sum(figures.counts)) == (4, 1, 5)
    assert figures.rate == pytest.approx(4 / 60)
    assert 62.5 * MS < figures.median_ns < 125 * MS < figures.slow_ns < 250 * MS
    assert figures.medians[0] is None
    assert figures.slows[10] == pytest.approx(0.125 * 2**-0.05 * 1e9)
    assert figures.estimated


def test_requests_of_one_route_are_counted_together_whatever_else_differs() -> None:
    parts = [series("/bike", 1, {390: 2}), series("/bike", 1, {390: 1}, rootName="other")]
    (figures,) = figures_of(parts, ENDS)
    assert sum(figures.counts) == 3


@pytest.mark.parametrize(
    ("labels", "title"),
    [
        ({"span.http.route": "nil", "rootName": "consume"}, "consume"),
        ({"span.http.route": "", "rootName": "consume"}, "consume"),
        ({"span.http.route": "nil", "rootName": ""}, "(name not known)"),
        ({"span.http.request.method": "nil", "span.http.method": "PUT"}, "PUT /bike"),
    ],
)
def test_a_request_is_called_as_in_the_list(labels: dict[str, str], title: str) -> None:
    assert [figures.title for figures in figures_of([series("/bike", 1, {390: 1}, **labels)], ENDS)] == [title]


def test_the_busiest_routes_with_any_request_are_shown_by_name() -> None:
    parts = [series(f"/{name}", 1, {390: count}) for count, name in enumerate("abcdefgh")]
    assert [figures.title for figures in figures_of(parts, ENDS)] == [f"GET /{name}" for name in "cdefgh"]


@dataclass
class FakeTempo:
    """Remembers what it is asked; refuses metrics with an error."""

    error: Exception
    asked: list[str] = field(default_factory=list)

    def search(self, *_: Any, **__: Any) -> list[Any]:
        self.asked.append("search")
        return []

    def metrics(self, *_: Any, **__: Any) -> list[Any]:
        self.asked.append("metrics")
        raise self.error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A time that the test sets, s since the epoch."""
    now = [1_700_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def _traffic(tempo: FakeTempo) -> RecentTraffic:
    asked: Any = tempo
    client: TempoClient = asked
    return RecentTraffic(client, LatencyHistory())


def test_a_tempo_without_metrics_is_searched_and_asked_for_them_again_a_minute_later(clock: list[float]) -> None:
    tempo = FakeTempo(RequestRefusedError("Tempo", "http://t", 404, "not found"))
    traffic = _traffic(tempo)
    for seconds in (0, 0.5, 5, 5, 60):
        clock[0] += seconds
        assert traffic.routes() == []
    assert tempo.asked == ["search", "metrics", "search", "search", "search", "metrics"]


def test_a_tempo_that_does_not_answer_is_no_tempo_without_metrics(clock: list[float]) -> None:
    traffic = _traffic(FakeTempo(ServerUnreachableError("Tempo", "http://t", "refused")))
    with pytest.raises(ServerUnreachableError):
        traffic.routes()
    assert clock


def test_figures_count_each_request_of_the_last_minutes_once(
    embedded_pair: Endpoints, page: FlaskClient, store_ride: StoreRide
) -> None:
    for seconds_ago in (60, 100, 200, 400):
        store_ride(route="/figures", name="GET /figures", seconds_ago=seconds_ago)
    found = {figures.title: figures for figures in ask_figures(TempoClient(embedded_pair.tempo), time.time())}
    assert sum(found["GET /figures"].counts) == 3
    assert 50 * MS < found["GET /figures"].median_ns < 200 * MS
    text = page.get("/?part=figures").text
    assert "GET /figures" in text
    assert "Durations are estimates" in text
