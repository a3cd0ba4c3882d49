from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import new_trace_id
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import STACKS, a_service


def found(page: FlaskClient, query: str) -> set[str]:
    return set(re.findall(r'id="t-([0-9a-f]{32})"', page.get(f"/?{query}").text))


def test_the_list_is_narrowed_to_an_outcome(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    well = store_ride(service, http_status=200)
    broken = store_ride(service, failed="boom", http_status=503)
    refused = store_ride(service, http_status=404)
    older = store_ride(service, http_status=500, http_status_attribute="http.status_code")
    silent = store_ride(service, failed="no HTTP at all")

    def with_status(status: str) -> set[str]:
        return found(page, f"service={service}&status={status}")

    assert with_status("") == {ride.trace_id for ride in (well, broken, refused, older, silent)}
    assert with_status("error") == {broken.trace_id, silent.trace_id}
    assert with_status("ok") == {well.trace_id, refused.trace_id, older.trace_id}
    assert with_status("4xx") == {refused.trace_id}
    assert with_status("5xx") == {broken.trace_id, older.trace_id}


def test_a_status_narrows_what_traceql_finds_as_well(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    slow = store_ride(service, failed="boom", milliseconds=900)
    store_ride(service, failed="boom", milliseconds=10)
    store_ride(service, milliseconds=900)

    assert found(page, f"service={service}&status=error&q={{+duration+>+500ms+}}") == {slow.trace_id}


def test_a_trace_that_failed_further_down_is_not_without_error(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    ride = store_ride(service, http_status=200, forwarded_and_failed=True)

    assert found(page, f"service={service}&status=error") == {ride.trace_id}
    assert found(page, f"service={service}&status=ok") == set()
    assert "GET /bike" in page.get(f"/?service={service}&status=error").text


def test_a_row_shows_the_status_code_of_an_answer_that_refuses(page: FlaskClient, store_ride: StoreRide) -> None:
    refused, well = a_service(), a_service()
    store_ride(refused, http_status=404)
    store_ride(well, http_status=200)

    assert re.search(r'class="tag">404</span>', page.get(f"/?service={refused}").text)
    assert ">200</span>" not in page.get(f"/?service={well}").text


def test_two_rows_that_were_picked_are_compared_the_faster_one_first(page: FlaskClient, store_ride: StoreRide) -> None:
    slow = store_ride(a_service(), {("search",): 450 * MS}, milliseconds=500)
    fast = store_ride(a_service(), {("search",): 50 * MS}, milliseconds=100)

    response = page.get(f"/compare?kind=spans&pick={slow.trace_id}&pick={fast.trace_id}", follow_redirects=True)

    assert dict(response.request.args) == {"kind": "spans", "first": fast.trace_id, "second": slow.trace_id}
    assert "grew most: 50 ms of its own CPU in the first, 450 ms in the second" in response.text


@pytest.mark.parametrize(("picks", "wanted"), [(1, "two rows, or more"), (61, "60 rows at most")])
def test_another_number_of_rows_cannot_be_compared(page: FlaskClient, picks: int, wanted: str) -> None:
    response = page.get("/compare?" + "".join(f"&pick={new_trace_id()}" for _ in range(picks)))

    assert response.status_code == 400
    assert f"{picks} rows were picked: go back and tick {wanted}" in response.text


def test_a_row_can_be_ticked_without_a_script(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"/?service={ride.service}").text

    assert re.search(rf'<input type="checkbox" name="pick" form="picked" value="{ride.trace_id}"', text)
    assert re.search(r'<form id="picked"[^>]* action="/compare"', text)
    assert "Compare the two" in text
