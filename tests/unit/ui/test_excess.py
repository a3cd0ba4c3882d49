from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import a_service

MUCH = {("serve", "search"): 400 * MS}
NOTE = 'class="excess-note'


@pytest.mark.parametrize("address", ["/trace/{0.trace_id}", "{0.address}", "/tour?trace={0.trace_id}"])
def test_more_cpu_than_duration_is_explained_wherever_the_profile_is_shown(
    page: FlaskClient, store_ride: StoreRide, address: str
) -> None:
    much = store_ride(a_service(), MUCH, milliseconds=100)
    usual = store_ride(a_service(), MUCH, milliseconds=500)

    text = page.get(address.format(much)).text

    assert "400.0 ms of CPU is more than the 100.0 ms that the span lasted." in text
    assert NOTE in text
    assert NOTE not in page.get(address.format(usual)).text


def test_a_comparison_explains_it_on_the_side_that_has_it(page: FlaskClient, store_ride: StoreRide) -> None:
    much = store_ride(a_service(), MUCH, milliseconds=100)
    usual = store_ride(a_service(), MUCH, milliseconds=500)

    text = page.get(f"/compare?kind=spans&first={much.trace_id}&second={usual.trace_id}").text

    assert text.count(NOTE) == 1
    assert "400.0 ms of CPU is more than the 100.0 ms" in text


def test_a_row_says_so_and_its_bar_is_as_long_as_the_cpu(page: FlaskClient, store_ride: StoreRide) -> None:
    much = store_ride(a_service(), MUCH, milliseconds=100)
    usual = store_ride(a_service(), MUCH, milliseconds=500)

    text = page.get(f"/?service={much.service}").text

    assert "More CPU than it lasted: open it to see why" in text
    assert re.search(r'class="filled" width="25%"', text)
    assert re.search(r'class="cpu" width="100%"', text)
    assert "excess-mark" not in page.get(f"/?service={usual.service}").text


def test_the_waterfall_draws_all_of_it(page: FlaskClient, store_ride: StoreRide) -> None:
    much = store_ride(a_service(), MUCH, milliseconds=100)
    usual = store_ride(a_service(), MUCH, milliseconds=500)

    text = page.get(f"/trace/{much.trace_id}").text

    assert "400 ms of CPU (40 samples, 290 to 540 ms) in its span profile, more than it lasted" in text
    assert 'class="excess-arrow"' in text
    assert "beyond its duration: click the span to see why" in text
    assert "excess" not in page.get(f"/trace/{usual.trace_id}").text
