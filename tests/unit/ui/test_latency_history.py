from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.ui import latency_history as module
from spanprofiles.ui.found_request import FoundRequest
from spanprofiles.ui.latency_history import FEWEST, LatencyHistory
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import a_service

KIND = ("shop", "GET /bike")


def ride(number: int, milliseconds: int, title: str = "GET /bike", service: str = "shop") -> FoundRequest:
    return FoundRequest(f"{number:032x}", title, service, "", number * 10**9, milliseconds * MS, False, (), "")


def test_a_request_stands_among_those_of_its_service_and_name_alone() -> None:
    latencies = LatencyHistory()
    latencies.learn(ride(number, number) for number in range(1, 101))
    latencies.learn(ride(1000 + number, 9000, title="GET /car") for number in range(100))
    latencies.learn(ride(2000 + number, 9000, service="other") for number in range(100))

    rank = latencies.rank(KIND, 91 * MS)

    assert rank is not None
    assert (rank.percentile, rank.count, rank.since_ns) == (90, 100, 10**9)


def test_the_slowest_of_all_is_at_the_99th_percentile_and_never_above_it() -> None:
    latencies = LatencyHistory()
    latencies.learn(ride(number, number) for number in range(1, 1001))

    for milliseconds in (1000, 10_000):
        rank = latencies.rank(KIND, milliseconds * MS)
        assert rank is not None
        assert rank.percentile == 99


def test_of_too_few_of_a_kind_nothing_is_said() -> None:
    latencies = LatencyHistory()
    latencies.learn(ride(number, number) for number in range(1, FEWEST))
    assert latencies.rank(KIND, 5 * MS) is None
    assert latencies.rank(("shop", "GET /moon"), 5 * MS) is None

    latencies.learn([ride(FEWEST, FEWEST)])
    assert latencies.rank(KIND, 5 * MS) is not None


def test_a_request_that_is_seen_again_counts_once_with_its_latest_duration() -> None:
    latencies = LatencyHistory()
    for _ in range(3):
        latencies.learn(ride(number, number) for number in range(1, 41))
    latencies.learn([ride(1, 500)])

    rank = latencies.rank(KIND, 500 * MS)

    assert rank is not None
    assert rank.count == 40
    assert rank.faster == 39 / 40


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 50)
    latencies = LatencyHistory()

    latencies.learn(ride(number, number) for number in range(1, 201))

    rank = latencies.rank(KIND, 176 * MS)
    assert rank is not None
    assert (rank.count, rank.percentile, rank.since_ns) == (50, 50, 151 * 10**9)


def test_a_row_says_how_slow_its_request_is_among_its_kind(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for number in range(FEWEST):
        store_ride(service, milliseconds=10 + number)
    slow = store_ride(service, milliseconds=900)

    text = page.get(f"/?service={service}").text

    row = re.search(rf"<tr>(?:(?!</tr>).)*{slow.trace_id}.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert f"Slower than 95 % of the {FEWEST + 1} requests GET /bike of {service}" in row[0]
    assert ">p95</span>" in row[0]


def test_a_filter_that_prefers_slow_requests_makes_none_of_them_look_usual(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    service = a_service()
    for number in range(FEWEST):
        store_ride(service, milliseconds=500 + number)

    text = page.get(f"/?service={service}&shortest=400").text

    assert "GET /bike" in text
    assert "Slower than" not in text


def test_a_trace_that_is_opened_by_its_address_is_held_against_those_around_it(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    service = a_service()
    for number in range(FEWEST):
        store_ride(service, milliseconds=10 + number)
    slow = store_ride(service, milliseconds=900)
    fastest = store_ride(service, milliseconds=2)
    alone = store_ride(a_service())

    text = page.get(f"/trace/{slow.trace_id}").text

    assert re.search(rf"Slower than <strong[^>]*>95 %</strong> of the {FEWEST + 2} requests of its kind", text)
    assert f"The fastest</strong> of the {FEWEST + 2} requests" in page.get(f"/trace/{fastest.trace_id}").text
    assert "data-rank" not in page.get(f"/trace/{alone.trace_id}").text


def test_a_request_without_a_route_is_of_the_kind_of_its_name(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    jobs = [store_ride(service, name="count bikes", route="", milliseconds=10 + number) for number in range(FEWEST)]
    for number in range(FEWEST):
        store_ride(service, name="another job", route="", milliseconds=1 + number)

    text = page.get(f"/trace/{jobs[-1].trace_id}").text

    assert re.search(rf"Slower than <strong[^>]*>95 %</strong> of the {FEWEST} requests of its kind", text)
