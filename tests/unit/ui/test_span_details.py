from __future__ import annotations

import re

from flask.testing import FlaskClient

from tests.unit.ui.conftest import MS, StoreRide, attribute
from tests.unit.ui.test_pages import STACKS, a_service

EXCEPTION = {
    "name": "exception",
    "attributes": [
        attribute("exception.type", "shop.NoBikeError"),
        attribute("exception.message", "no bike is left in <b>north</b>"),
        attribute("exception.stacktrace", 'Traceback (most recent call last):\n  File "shop.py", line 7'),
        attribute("exception.escaped", "True"),
    ],
}


def test_what_happened_during_a_span_is_told_with_its_moment(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, events=[{"name": "cache miss", "attributes": [attribute("key", "b7")]}])

    text = page.get(f"/trace/{ride.trace_id}?span={ride.span_id}").text

    assert re.search(r"\+1\.0 ms</time>\s*<strong>cache miss</strong>", text)
    assert re.search(r">key</th><td>b7</td>", text)


def test_an_exception_shows_its_type_its_message_and_its_stack_trace(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, events=[EXCEPTION], failed="the order failed")

    text = page.get(f"/trace/{ride.trace_id}?span={ride.span_id}").text

    assert "shop.NoBikeError: no bike is left in &lt;b&gt;north&lt;/b&gt;</span>" in text
    assert re.search(r"<pre[^>]*>Traceback \(most recent call last\):", text)
    assert ">exception.stacktrace</th>" not in text
    assert re.search(r">exception.escaped</th><td>True</td>", text)


def test_a_failed_span_says_so_with_its_message_and_another_says_its_status(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    failed = store_ride(a_service(), STACKS, failed="no bike is left", attributes={"http.response.status_code": "503"})
    well = store_ride(a_service(), STACKS)

    text = page.get(f"/trace/{failed.trace_id}?span={failed.span_id}").text
    other = page.get(f"/trace/{well.trace_id}?span={well.span_id}").text

    assert "! status error" in text
    assert "no bike is left</p>" in text
    assert "HTTP 503" in text
    assert "status unset" in other
    assert "status error" not in other
    assert "<h3>Events</h3>" not in other


def test_the_attributes_of_the_span_stand_before_those_of_its_process(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, region="north", attributes={"zone": "last of the span's"})

    text = page.get(f"/trace/{ride.trace_id}?span={ride.span_id}").text

    places = [text.index(f">{name}</th>") for name in ("http.route", "zone", "region", "service.name")]
    assert places == sorted(places)
    assert places[1] < text.index("Attributes of its process") < places[2]


def test_of_very_many_events_the_first_are_shown_and_the_rest_counted(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS, events=[{"name": f"step {number}"} for number in range(103)])

    text = page.get(f"/trace/{ride.trace_id}?span={ride.span_id}").text

    assert "step 99<" in text
    assert "step 100<" not in text
    assert "and 3 more events" in text


def test_ids_can_be_copied(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), {("serve",): 50 * MS})

    text = page.get(f"/trace/{ride.trace_id}").text

    assert f'<code data-copy="trace ID">{ride.trace_id}</code>' in text
    assert f'<code data-copy="span ID">{ride.span_id}</code>' in text
