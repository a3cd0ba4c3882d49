"""Two groups of requests, chosen by a query or by ticking rows: a verdict, intervals, and the difference."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.ui.chosen_groups import ChosenGroup
from tests.unit.ui.conftest import MS, StoredRide, StoreRide
from tests.unit.ui.test_pages import a_service


def rides(store_ride: StoreRide, service: str, cpu_ms: int, count: int = 8) -> list[StoredRide]:
    """Store requests of about so much CPU; they differ by a sample or two."""
    return [
        store_ride(
            service,
            {("handle", "search"): (cpu_ms + 10 * (number % 3)) * MS, ("handle", "render"): 50 * MS},
            milliseconds=cpu_ms + 100,
        )
        for number in range(count)
    ]


def compared(page: FlaskClient, first: str, second: str) -> str:
    response = page.get("/compare", query_string={"kind": "groups", "first": first, "second": second})
    assert response.status_code == 200
    return response.text


def verdict(text: str) -> str:
    (found,) = re.findall(r'data-verdict="([^"]+)"', text)
    return str(found)


def test_a_slower_group_is_a_regression_and_its_function_is_named(page: FlaskClient, store_ride: StoreRide) -> None:
    fast, slow = a_service(), a_service()
    rides(store_ride, fast, 100)
    by_hand = ", ".join(ride.trace_id for ride in rides(store_ride, slow, 400))

    text = compared(page, f'{{ resource.service.name = "{fast}" }}', by_hand)

    assert verdict(text) == "regression"
    (row,) = [line for line in re.findall(r"<tr>.*?</tr>", text) if ">search</td>" in line]
    assert re.search(r"\+300 ms \(\+\d+ to \+\d+ ms\)", row)
    assert "data-top-regression" not in text
    assert 'aria-label="Difference flame graph"' in text
    assert "Second: 8 chosen by hand" in text


def test_a_few_equal_requests_cannot_say_and_tell_how_many_more_it_takes(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    first, second = (", ".join(ride.trace_id for ride in rides(store_ride, a_service(), 100, 2)) for _ in range(2))

    text = compared(page, first, second)

    assert verdict(text) == "cannot say"
    assert "about 4 more requests on each side would tell" in text
    assert "No function changed by more than chance." in text


def test_ticked_rows_are_compared_with_the_others_of_their_route(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    rides(store_ride, service, 100)
    slow = rides(store_ride, service, 400)

    response = page.get("/compare?" + "&".join(f"pick={ride.trace_id}" for ride in slow), follow_redirects=True)

    assert response.request.args["kind"] == "groups"
    assert response.request.args["first"] == (f'{{ resource.service.name = "{service}" && name = "GET /bike" }}')
    assert verdict(response.text) == "regression"
    assert response.text.count("8 requests with a profile ID: 8 of GET /bike.") == 2  # none is in both groups


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ('{ resource.service.name = "nobody" }', "{ }", "there is no request in the first group"),
        ("ab" * 16, "cd" * 16, "there is no request in the first group and there is no request in the second group"),
    ],
    ids=["a query", "trace IDs"],
)
def test_a_group_without_requests_is_told(page: FlaskClient, first: str, second: str, reason: str) -> None:
    assert f"They cannot be compared: {reason}" in compared(page, first, second)


def test_the_form_asks_for_two_groups(page: FlaskClient) -> None:
    text = page.get("/compare?kind=groups").text

    assert "First group: TraceQL, or trace IDs" in text
    assert "data-verdict" not in text


def test_a_window_that_is_none_and_a_query_that_is_none_are_refused(page: FlaskClient) -> None:
    assert page.get("/compare?kind=groups&window=1y").status_code == 400
    assert page.get("/compare?kind=groups&first={&second={").status_code in {400, 502}


def test_a_text_of_ids_is_told_from_a_query() -> None:
    assert ChosenGroup("ab, 0CD  ef,", "15m").trace_ids == tuple(text.zfill(32) for text in ("ab", "cd", "ef"))
    assert ChosenGroup("{ name = `ab` }", "15m").trace_ids == ()
    assert ChosenGroup("0", "15m").trace_ids == ()
