"""All requests that the list's filters find have one flame graph."""

from __future__ import annotations

import gzip
import re
from html import unescape
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.ui import request_group
from tests.unit.ui.conftest import MS, StoreRide

SEARCH, PAY = ("serve", "search"), ("serve", "pay")


def a_service() -> str:
    return f"shop-{uuid4().hex[:8]}"


def test_the_list_leads_to_one_flame_graph_of_what_it_shows(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for region in ("north", "north", "south"):
        store_ride(service, {SEARCH: 300 * MS, PAY: 100 * MS}, region=region)

    listed = page.get(f"/?part=list&service={service}&region=north").text
    link = re.search(r'id="as-one" href="([^"]+)"', listed)
    assert link is not None
    text = page.get(unescape(link[1])).text

    assert "2 requests as one flame graph" in text
    assert "800 ms of CPU (80 samples, 640 to 1,000 ms), 400 ms a request" in text
    assert f"All of the last 15m, service {service}, region north." in text
    assert re.search(r"600 ms<span class=\"sub\">\d+ to \d+ ms</span>.*search", text)
    assert "data-flame" in text


def test_a_list_of_nothing_has_no_such_link(page: FlaskClient) -> None:
    assert 'id="as-one"' not in page.get(f"/?part=list&service={a_service()}").text
    text = page.get(f"/flamegraph?service={a_service()}").text
    assert "that these filters find carries a profile ID" in text


def test_requests_without_samples_say_so(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    store_ride(service)

    text = page.get(f"/flamegraph?service={service}").text

    assert "None of these requests has samples" in text
    assert page.get(f"/flamegraph/flamegraph.svg?service={service}").status_code == 404


def test_it_can_be_had_as_a_file_for_other_programs(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(2):
        store_ride(service, {SEARCH: 50 * MS})

    profile = Profile.FromString(gzip.decompress(page.get(f"/flamegraph/profile.pb.gz?service={service}").data))
    folded = page.get(f"/flamegraph/profile.folded?service={service}").text
    picture = page.get(f"/flamegraph/flamegraph.svg?service={service}").text

    assert sum(sample.value[0] for sample in profile.sample) == 100 * MS
    assert folded == f"serve;search {100 * MS}\n"
    assert "100 ms of CPU (10 samples, 50 to 180 ms)" in picture


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("window=1y", "there is no window"),
        ("shortest=x", "is not a duration"),
        ("q={", "Tempo does not take this"),
    ],
)
def test_filters_that_cannot_be_used_are_refused(page: FlaskClient, address: str, words: str) -> None:
    answer = page.get(f"/flamegraph?{address}")
    assert answer.status_code == 400
    assert words in unescape(answer.text)


def test_more_requests_than_a_group_holds_are_told(
    page: FlaskClient, store_ride: StoreRide, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = a_service()
    for _ in range(3):
        store_ride(service, {SEARCH: 50 * MS})
    monkeypatch.setattr(request_group, "MOST_REQUESTS", 2)

    text = page.get(f"/flamegraph?service={service}").text

    assert "2 requests as one flame graph" in text
    assert "The newest of the last 15m" in text
