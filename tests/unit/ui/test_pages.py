from __future__ import annotations

import re
import uuid
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.ui import create_app
from tests.unit.ui.conftest import MS, StoreRide

STACKS = {("serve", "order", "search"): 70 * MS, ("serve", "order"): 20 * MS}
SCRIPT = "<script>alert('x')</script>"
NOBODY = "http://127.0.0.1:9"


def a_service() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


def test_the_list_shows_a_linked_request_with_its_cpu(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, region="north")

    text = page.get(f"/?service={ride.service}").text

    assert f'href="/trace/{ride.trace_id}"' in text
    assert "GET /bike" in text
    assert "90 ms" in text
    assert "linked</span>" in text


def test_the_list_tells_dead_links_short_spans_and_missing_profile_ids_apart(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    dead = store_ride(a_service())
    short = store_ride(a_service(), milliseconds=5)
    bare = store_ride(a_service(), with_profile_id=False)
    fresh = store_ride(a_service(), seconds_ago=1)

    words = [page.get(f"/?service={ride.service}").text for ride in (dead, short, bare, fresh)]

    for text, word in zip(words, ["no samples", "too short", "no profile ID", "awaited"], strict=True):
        assert f"</span> {word}</span>" in text


def test_only_linked_leaves_the_others_out(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    linked, dead = store_ride(service, STACKS), store_ride(service)

    text = page.get(f"/?service={service}&linked=1").text

    assert linked.trace_id in text
    assert dead.trace_id not in text


def test_filters_narrow_the_list_and_sorting_orders_it(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    slow = store_ride(service, region="north", milliseconds=900)
    fast = store_ride(service, region="south", milliseconds=300, route="/car")

    def found(query: str) -> list[str]:
        return re.findall(r'id="t-([0-9a-f]{32})"', page.get(f"/?service={service}&{query}").text)

    assert found("region=north") == [slow.trace_id]
    assert found("route=/car") == [fast.trace_id]
    assert found("shortest=500") == [slow.trace_id]
    assert found("q={+duration+<+500ms+}") == [fast.trace_id]
    assert found("sort=duration") == [slow.trace_id, fast.trace_id]
    assert found("sort=duration&order=ascending") == [fast.trace_id, slow.trace_id]


def test_nothing_found_is_an_empty_list_that_says_what_to_do(page: FlaskClient) -> None:
    response = page.get("/?service=nobody")

    assert response.status_code == 200
    assert "state empty" in response.text
    assert "Clear them" in response.text
    assert "state failed" not in response.text


def test_traceql_that_is_none_is_told_at_its_field_with_the_servers_words(page: FlaskClient) -> None:
    response = page.get("/?q={+this+is+not")

    assert response.status_code == 400
    assert "Tempo does not take this TraceQL" in response.text
    assert 'aria-invalid="true"' in response.text


@pytest.mark.parametrize("address", ["/", "/?part=list", f"/trace/{'1' * 32}", "/compare", "/tour"])
def test_a_server_that_is_away_is_a_failure_that_names_it(address: str) -> None:
    page = create_app(Endpoints(tempo=NOBODY, pyroscope=NOBODY)).test_client()

    response = page.get(address)

    assert response.status_code == 502
    assert "state failed" in response.text
    assert f"Tempo does not answer at {NOBODY}" in response.text


def test_a_pyroscope_that_is_away_fails_on_the_trace_and_not_in_the_list(
    embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service(), STACKS)
    page = create_app(Endpoints(tempo=embedded_pair.tempo, pyroscope=NOBODY)).test_client()

    assert page.get(f"/?service={ride.service}").status_code == 200
    response = page.get(f"/trace/{ride.trace_id}")
    assert response.status_code == 502
    assert "Pyroscope does not answer" in response.text


def test_a_trace_shows_its_spans_and_the_flame_graph_of_the_linked_one(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"/trace/{ride.trace_id}").text

    assert "Profiles for this span" in text
    assert "90 ms of CPU (9 samples, 50 to 170 ms)" in text
    assert ">search</text>" in text
    assert "pyroscope.profile.id" in text


def test_a_child_span_leads_to_the_span_whose_profile_holds_its_work(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)
    listed = re.findall(r'data-span="([0-9a-f]{16})"', page.get(f"/trace/{ride.trace_id}").text)
    child = next(span_id for span_id in listed if span_id != ride.span_id)

    text = page.get(f"/trace/{ride.trace_id}?span={child}").text

    assert "No profile of its own" in text
    assert f"/trace/{ride.trace_id}?span={ride.span_id}" in text


def test_a_dead_link_is_explained_in_the_doctors_words(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(6):
        store_ride(service, STACKS)
    dead = store_ride(service)

    text = page.get(dead.address).text

    assert "Dead link" in text
    assert "The doctor says" in text
    assert "others named" in text


def test_a_fresh_span_without_samples_waits_and_is_no_dead_link(page: FlaskClient, store_ride: StoreRide) -> None:
    fresh = store_ride(a_service(), seconds_ago=1)

    text = page.get(fresh.address).text

    assert "Samples are on their way" in text
    assert "data-again" in text
    assert "Dead link" not in text


def test_a_flame_graph_can_be_opened_zoomed_by_its_address(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)
    whole = page.get(ride.address).text
    key = re.search(r'href="[^"]*frame=([0-9a-f]{8})[^"]*"[^>]*><title>search', whole)
    assert key is not None

    zoomed = page.get(f"{ride.address}?frame={key[1]}").text

    assert "faded" in zoomed
    assert "faded" not in whole


def test_markup_in_names_and_attributes_stays_text(page: FlaskClient, store_ride: StoreRide) -> None:
    service = f"{SCRIPT}{uuid.uuid4().hex}"
    ride = store_ride(service, {(SCRIPT, "work"): 50 * MS}, name=SCRIPT, route=SCRIPT, region=SCRIPT)

    for address in (
        "/",
        f"/trace/{ride.trace_id}",
        ride.address,
        f"/tour?trace={ride.trace_id}",
        "/doctor",
        "/compare",
    ):
        text = page.get(address, query_string=None).text
        assert "<script>alert" not in text
    assert "&lt;script&gt;" in page.get(f"/trace/{ride.trace_id}").text


def test_two_spans_compared_name_the_function_that_grew(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    fast = store_ride(service, {("serve", "search"): 50 * MS, ("serve", "pay"): 20 * MS})
    slow = store_ride(service, {("serve", "search"): 450 * MS, ("serve", "pay"): 20 * MS})

    text = page.get(f"/compare?kind=spans&first={fast.trace_id}&second={slow.trace_id}/{slow.span_id}").text

    assert re.search(r"data-top-regression><strong[^>]*>search</strong> grew most: 50 ms .* 450 ms", text)
    assert "+400 ms (+260 to +560 ms)" in text


def test_two_spans_that_are_alike_blame_nobody(page: FlaskClient, store_ride: StoreRide) -> None:
    first, other = store_ride(a_service(), STACKS), store_ride(a_service(), STACKS)

    text = page.get(f"/compare?kind=spans&first={first.trace_id}&second={other.trace_id}").text

    assert "No function grew" in text
    assert "grew most" not in text


def test_a_route_before_and_after_a_moment_is_compared_as_the_average_of_one_request(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    service = a_service()
    for seconds_ago in (100, 90, 80):
        store_ride(service, {("search",): 50 * MS}, seconds_ago=seconds_ago)
    for seconds_ago in (40, 30):
        store_ride(service, {("search",): 250 * MS}, seconds_ago=seconds_ago)
    moment = store_ride(service, seconds_ago=60).start_ns // 10**9

    text = page.get(f"/compare?kind=moment&service={service}&route=/bike&moment={moment}&stretch=60").text

    assert re.search(r"search</strong> grew most: 50 ms .* before, ", text)
    assert "<dt>Spans</dt><dd>3</dd>" in text


def test_another_mix_of_routes_is_no_change(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for route, function, seconds_ago in [("/car", "drive", 100), ("/bike", "pedal", 90), ("/bike", "pedal", 30)]:
        for _ in range(3 if seconds_ago > 95 or seconds_ago < 40 else 1):
            milliseconds = 400 if route == "/car" else 50
            store_ride(service, {(function,): milliseconds * MS}, route=route, seconds_ago=seconds_ago)
    store_ride(service, {("drive",): 400 * MS}, route="/car", seconds_ago=20)
    moment = store_ride(service, seconds_ago=60, route="/other").start_ns // 10**9

    text = page.get(f"/compare?kind=moment&service={service}&moment={moment}&stretch=60").text

    assert "No function grew" in text
    assert "GET /bike, GET /car, each with the same weight" in text


def test_two_regions_are_compared(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    store_ride(service, {("search",): 50 * MS}, region="north")
    store_ride(service, {("search",): 150 * MS}, region="south")
    address = f"/compare?kind=regions&service={service}&first_region=north&second_region=south&stretch=300"

    assert "+100 ms (" in page.get(address).text
    assert "Nothing to compare" in page.get(address.replace("south", "west")).text


@pytest.mark.parametrize(
    "address",
    ["/compare?kind=colours", "/compare?kind=moment&moment=soon", "/compare?kind=regions&stretch=7", "/trace?id=xyz"],
)
def test_an_address_that_cannot_be_understood_says_what_is_expected(page: FlaskClient, address: str) -> None:
    response = page.get(address + "&first_region=a&second_region=b")

    assert response.status_code == 400
    assert "state failed" in response.text


def test_an_unknown_trace_and_an_unknown_span_are_not_found(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    assert page.get(f"/trace/{new_trace_id()}").status_code == 404
    assert page.get(f"/trace/{ride.trace_id}/span/{new_span_id()}").status_code == 404
    assert page.get("/no-such-page").status_code == 404


def test_a_trace_id_without_its_leading_zeros_is_found(page: FlaskClient) -> None:
    response = page.get("/trace?id=ABC")

    assert response.status_code == 303
    assert response.headers["Location"] == f"/trace/{'abc'.rjust(32, '0')}"


def test_the_tour_leads_from_a_request_to_the_guilty_function(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"/tour?trace={ride.trace_id}").text

    assert text.count(ride.span_id) >= 2
    assert re.search(r'class="code hot">search</strong> used\s+<strong>78 %', text)


def test_the_tour_without_a_linked_span_says_so(page: FlaskClient, store_ride: StoreRide) -> None:
    dead = store_ride(a_service())

    assert "No linked request to show yet" in page.get(f"/tour?trace={dead.trace_id}").text


def test_the_doctors_table_is_shown_for_a_service(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"/doctor?service={ride.service}").text

    assert "every hop is in order" in text or "linked, with doubts" in text
    assert '<tr class="v-ok">' in text


def test_the_doctor_names_the_broken_hop_of_a_service_without_profiles(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service())

    text = page.get(f"/doctor?service={ride.service}").text

    assert "broken at" in text
    assert '<tr class="v-broken">' in text
    assert "What to do:" in text


def test_a_span_can_be_opened_in_grafana_where_there_is_one(
    embedded_pair: Endpoints, page: FlaskClient, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service(), STACKS)
    with_grafana = create_app(replace(embedded_pair, grafana="http://127.0.0.1:3000")).test_client()

    found = re.search(r'href="(http://127.0.0.1:3000/explore[^"]+)"', with_grafana.get(ride.address).text)

    assert found is not None
    assert ride.span_id in found[1]
    assert "explore" not in page.get(ride.address).text


def test_a_page_that_runs_by_itself_has_no_controls(page: FlaskClient) -> None:
    assert page.get("/demo/controls").status_code == 404
    assert "The demo's controls" not in page.get("/").text
