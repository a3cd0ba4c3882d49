"""Which requests the list shows, which it groups, and which are nobody's."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.clients.probe import PROBE_SERVICE
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import STACKS, a_service


def listed(text: str) -> tuple[list[str], list[str]]:
    """Return the trace IDs of the list's rows, and of those in the group of short ones."""
    rows, _, group = text.partition('id="short-ones"')
    return re.findall(r'id="t-([0-9a-f]{32})"', rows), re.findall(r'id="t-([0-9a-f]{32})"', group)


def test_requests_too_short_to_be_sampled_are_a_closed_group_with_their_number(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    service = a_service()
    long = store_ride(service)
    short = [store_ride(service, milliseconds=29), store_ride(service, milliseconds=1)]

    text = page.get(f"/?service={service}").text

    assert listed(text) == ([long.trace_id], [ride.trace_id for ride in short[::-1]])
    assert "<strong>2</strong> requests were too short to be sampled" in text
    assert re.search(r'<details[^>]*id="short-ones">', text)


def test_a_short_request_that_has_samples_stands_among_the_others(page: FlaskClient, store_ride: StoreRide) -> None:
    sampled = store_ride(a_service(), {("serve",): 10 * MS}, milliseconds=8)

    assert listed(page.get(f"/?service={sampled.service}").text) == ([sampled.trace_id], [])


def test_a_request_that_may_be_sampled_and_is_not_stands_among_the_others(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    dead = store_ride(a_service(), milliseconds=30)
    text = page.get(f"/?service={dead.service}").text

    assert listed(text) == ([dead.trace_id], [])
    assert "too short to be sampled" not in text


def test_a_short_request_without_a_profile_id_is_not_excused_by_its_length(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    bare = store_ride(a_service(), milliseconds=2, with_profile_id=False)

    assert listed(page.get(f"/?service={bare.service}").text) == ([bare.trace_id], [])


def test_where_all_are_short_the_group_is_open(page: FlaskClient, store_ride: StoreRide) -> None:
    short = store_ride(a_service(), milliseconds=2)
    text = page.get(f"/?service={short.service}").text

    assert listed(text) == ([], [short.trace_id])
    assert re.search(r'<details[^>]*id="short-ones" open>', text)
    assert "state empty" not in text


@pytest.mark.slow
def test_many_short_requests_leave_room_for_the_others(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    long = store_ride(service, STACKS, seconds_ago=90)
    for _ in range(110):
        store_ride(service, milliseconds=1, seconds_ago=60)

    rows, short = listed(page.get(f"/?service={service}").text)

    assert rows == [long.trace_id]
    assert len(short) == 100


@pytest.mark.slow
@pytest.mark.parametrize("service", [PROBE_SERVICE, "health-check"])
def test_what_probes_and_health_checks_send_is_no_request_and_no_service_to_choose(
    page: FlaskClient, store_ride: StoreRide, service: str
) -> None:
    checked = store_ride(service, STACKS, route=f"/{service}")

    for address in ("/", "/?q={+duration+>+1ms+}", "/?q={+duration+>+1ms+}+|+count()+>+0", "/?linked=1"):
        text = page.get(address).text
        assert checked.trace_id not in text
        assert f">{service}</option>" not in text
    assert f">{service}</option>" not in page.get("/doctor").text
    assert f"/{service}</span>" not in page.get("/?part=figures").text


def test_they_are_shown_to_whoever_asks_for_them_by_name(page: FlaskClient, store_ride: StoreRide) -> None:
    checked = store_ride(PROBE_SERVICE, STACKS)

    assert checked.trace_id in page.get(f"/?service={PROBE_SERVICE}").text


def test_marks_that_turn_the_direction_of_writing_are_shown_and_kept_in_forms(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    hostile = "\u202eeman\u2066\u200b\ufeff\U000e0041"
    service = f"{a_service()}{hostile}"
    ride = store_ride(service, {("main", f"work{hostile}"): 50 * MS}, name=f"GET /{hostile}", route=f"/{hostile}")
    trace = f"/trace/{ride.trace_id}"

    addresses = ["/", "/doctor", trace, f"{trace}/span/{ride.span_id}", f"/tour?trace={ride.trace_id}", "/compare"]
    for address in addresses:
        text = page.get(address, follow_redirects=True).text
        without_values = re.sub(r' value="[^"]*"', "", text)
        assert all(character.isprintable() or character.isspace() for character in without_values), address

    assert f'value="{service}">' in page.get("/doctor").text
    for name in ("profile.folded", "flamegraph.svg"):
        text = page.get(f"{trace}/span/{ride.span_id}/{name}").text
        assert "work\\u202eeman" in text
        assert all(character.isprintable() or character.isspace() for character in text), name
