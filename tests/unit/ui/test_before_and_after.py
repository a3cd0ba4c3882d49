"""Before and after a moment: where it starts, and what is said of each side."""

from __future__ import annotations

import re
import time

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import Endpoints
from spanprofiles.ui import DemoControls, create_app
from spanprofiles.ui.comparability import SideCounts, obstacle
from spanprofiles.ui.sources import Change, sources
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import NOBODY, a_service

FAST, SLOW = {("serve", "search"): 50 * MS}, {("serve", "search"): 250 * MS}
NAMES = ("before 12:00:00", "after 12:00:00")


def summaries(text: str) -> list[str]:
    """Return what is said of each side, but for time that has yet to pass."""
    return [re.sub(r" \d+ s of this time.*", "", said) for said in re.findall(r"data-summary>([^<]*)<", text)]


def obstacle_of(text: str) -> str:
    return "".join(re.findall(r"data-obstacle>([^<]*)<", text))


def moment_of(text: str) -> str:
    found = re.search(r'name="moment"[^>]*value="([^"]+)"', text)
    assert found is not None
    return found[1]


def start(page: FlaskClient, service: str, more: str = "") -> str:
    return page.get(f"/compare?kind=moment&service={service}{more}").text


def test_it_starts_with_a_moment_that_has_requests_on_both_sides(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for seconds_ago in (50, 40, 30, 20):
        store_ride(service, FAST, seconds_ago=seconds_ago)

    text = start(page, service)

    assert summaries(text) == ["2 requests with a profile ID: 2 of GET /bike."] * 2
    assert obstacle_of(text) == ""
    assert "No function grew" in text


def test_the_address_of_what_it_starts_with_shows_the_same_again(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for seconds_ago in (50, 40, 30, 20):
        store_ride(service, FAST, seconds_ago=seconds_ago)

    text = start(page, service)
    found = re.search(r'data-address="([^"]+)"', text)
    assert found is not None
    again = page.get(found[1].replace("&amp;", "&")).text

    assert summaries(again) == summaries(text)
    assert moment_of(again) == moment_of(text)


def test_a_moment_at_which_something_was_switched_comes_first(embedded_pair: Endpoints, store_ride: StoreRide) -> None:
    app = create_app(embedded_pair, DemoControls({"north": NOBODY, "south": NOBODY}))
    service, now_s = a_service(), int(time.time())
    for seconds_ago in (58, 57, 56, 54):
        store_ride(service, FAST, region="north", seconds_ago=seconds_ago)
    store_ride(service, SLOW, region="north", seconds_ago=20)
    sources(app).changes.append(Change(now_s - 30, "slow-search switched on in north", "north"))

    text = start(app.test_client(), service)

    assert re.search(r"<strong[^>]*>search</strong> grew most: 50 ms .* before, 250 ms after", text)
    assert '<option selected value="north">north</option>' in text


def test_a_switch_with_requests_on_one_side_only_does_not(embedded_pair: Endpoints, store_ride: StoreRide) -> None:
    app = create_app(embedded_pair, DemoControls({"north": NOBODY}))
    service, now_s = a_service(), int(time.time())
    for seconds_ago in (50, 40):
        store_ride(service, FAST, region="north", seconds_ago=seconds_ago)
    sources(app).changes.append(Change(now_s - 10, "slow-search switched on in north", "north"))

    assert summaries(start(app.test_client(), service)) == ["1 ride with a profile ID: 1 of GET /bike."] * 2


def test_rare_requests_are_looked_for_further_away(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for seconds_ago in (400, 200):
        store_ride(service, FAST, seconds_ago=seconds_ago)

    text = start(page, service)

    assert summaries(text) == ["1 request with a profile ID: 1 of GET /bike."] * 2
    assert '<option value="300" selected>' in text


def test_without_such_a_moment_it_says_so(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    store_ride(service, FAST, seconds_ago=30, route="/bike")
    store_ride(service, FAST, seconds_ago=20, route="/car")

    text = start(page, service)

    assert "No moment to start with" in text
    assert summaries(text) == []


def test_a_side_without_requests_is_said_to_have_none(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    ride = store_ride(service, FAST, seconds_ago=100)

    text = start(page, service, f"&moment={ride.start_ns // 10**9 + 5}&stretch=30")

    assert summaries(text) == ["1 request with a profile ID: 1 of GET /bike.", "No request."]
    assert re.fullmatch(r"They cannot be compared: there is no request after [\d:]+\.", obstacle_of(text))


def test_time_that_has_yet_to_pass_is_told(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    store_ride(service, FAST, seconds_ago=20)

    text = start(page, service, f"&moment={int(time.time())}&stretch=60")

    assert re.search(r"data-summary>1 request with a profile ID: 1 of GET /bike\.<", text)
    assert re.search(r"data-summary>No request\. \d\d s of this time have yet to pass\.<", text)


def test_requests_whose_samples_may_be_on_their_way_are_awaited(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    moment = store_ride(service, FAST, seconds_ago=60).start_ns // 10**9 + 5
    store_ride(service, FAST, seconds_ago=1)

    text = start(page, service, f"&moment={moment}&stretch=300")

    assert "1 request, so young that samples may still be on their way." in summaries(text)[1]
    assert "the samples after" in obstacle_of(text)


def test_requests_without_profile_ids_are_counted_as_such(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    moment = store_ride(service, FAST, seconds_ago=60).start_ns // 10**9 + 5
    store_ride(service, seconds_ago=20, with_profile_id=False)

    text = start(page, service, f"&moment={moment}&stretch=60")

    assert summaries(text)[1].startswith("1 request, none with a profile ID.")
    assert "carries a profile ID" in obstacle_of(text)


def test_a_side_whose_links_are_dead_is_not_taken_for_one_without_cpu(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    moment = store_ride(service, FAST, seconds_ago=60).start_ns // 10**9 + 5
    store_ride(service, seconds_ago=40)

    text = start(page, service, f"&moment={moment}&stretch=60")

    assert "no request after" in obstacle_of(text)
    assert "leads to samples, so nothing is known of its CPU" in obstacle_of(text)
    assert "Ask the doctor" in text.partition("data-obstacle")[2]
    assert "data-top-regression" not in text


def test_a_request_belongs_to_the_side_on_which_it_began(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    ride = store_ride(service, FAST, seconds_ago=60, milliseconds=5000)

    text = start(page, service, f"&moment={ride.start_ns // 10**9 + 2}&stretch=30")

    assert summaries(text) == ["1 request with a profile ID: 1 of GET /bike.", "No request."]


@pytest.mark.parametrize("parameter", ["_external=1", "_scheme=x", "_anchor=x", "endpoint=x", "values=x"])
def test_an_address_cannot_say_how_addresses_are_made(page: FlaskClient, parameter: str) -> None:
    assert page.get(f"/compare?kind=moment&{parameter}").status_code == 200


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (SideCounts({"GET /car": 3}, sampled=True), SideCounts({"GET /car": 1}, sampled=True), ""),
        (SideCounts(), SideCounts(), "there is no ride before 12:00:00 and there is no ride after 12:00:00"),
        (
            SideCounts({"GET /car": 3}),
            SideCounts({"GET /bike": 1}),
            "GET /car is only before 12:00:00, GET /bike only after",
        ),
        (SideCounts({"GET /car": 3}), SideCounts({"GET /car": 1}), "no ride of either side leads to samples"),
    ],
)
def test_what_stands_in_the_way_of_a_comparison(first: SideCounts, second: SideCounts, said: str) -> None:
    found = obstacle(first, second, NAMES, "ride")

    assert said in found
    assert bool(found) is bool(said)


def test_many_routes_are_not_all_named() -> None:
    counts = SideCounts({f"GET /{name}": count for name, count in zip("abcdef", range(1, 7), strict=True)}, more=True)

    assert counts.summary("ride") == (
        "more than 21 rides with a profile ID: 6 of GET /f, 5 of GET /e, 4 of GET /d, 3 of GET /c, 3 of others."
    )
