from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from spanprofiles.ui import scatter
from tests.unit.ui.conftest import StoreRide
from tests.unit.ui.test_pages import a_service


def points(text: str) -> list[str]:
    return re.findall(r'class="point" href="/trace/([0-9a-f]{32})"', text)


def test_the_requests_that_the_filters_find_are_points_in_order_of_their_time(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    service = a_service()
    late = store_ride(service, seconds_ago=30)
    early = store_ride(service, seconds_ago=300, failed="boom")
    store_ride(a_service())

    text = page.get(f"/?service={service}").text

    assert points(text) == [early.trace_id, late.trace_id]
    assert "error: 1<" in text
    assert points(page.get(f"/?part=scatter&service={service}&status=ok").text) == [late.trace_id]


def test_a_name_has_a_colour_and_a_legend_says_which(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(2):
        store_ride(service, route="/bike")
    store_ride(service, route="/car")

    text = page.get(f"/?part=scatter&service={service}").text

    assert re.findall(r'<circle class="service-(\d)" cx="5"[^>]*/></svg>([^<]+)<', text) == [
        ("0", "GET /bike"),
        ("1", "GET /car"),
    ]


def test_where_there_are_more_names_than_colours_the_rarest_share_one(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for number in range(10):
        store_ride(service, route=f"/{number}")

    text = page.get(f"/?part=scatter&service={service}").text

    assert len(points(text)) == 10
    assert "</svg>others</li>" in text


def test_of_too_many_requests_the_newest_are_drawn_and_it_is_said(
    page: FlaskClient, store_ride: StoreRide, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = a_service()
    store_ride(service, seconds_ago=300)
    newer = [store_ride(service, seconds_ago=seconds) for seconds in (50, 40, 30)]
    monkeypatch.setattr(scatter, "LIMIT", 3)

    text = page.get(f"/?part=scatter&service={service}").text

    assert points(text) == [ride.trace_id for ride in newer]
    assert "the newest 3 requests" in text


def test_without_requests_there_is_no_picture_of_them(page: FlaskClient) -> None:
    assert "Duration over time" not in page.get("/?service=nobody").text
    assert "No request to draw" in page.get("/?part=scatter&service=nobody").text


def test_a_filter_that_is_none_is_told_to_the_picture_too(page: FlaskClient) -> None:
    response = page.get("/?part=scatter&window=2+weeks")

    assert response.status_code == 400
    assert "This filter cannot be used" in response.text
