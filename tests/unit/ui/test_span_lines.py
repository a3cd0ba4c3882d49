from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from spanprofiles.model import Endpoints
from spanprofiles.model.source_lines import Place
from spanprofiles.ui import create_app
from spanprofiles.ui.span_lines import place_words
from tests.unit.conftest import Answer, Seen, Serve, Stacks, flamebearer
from tests.unit.ui.conftest import MS, StoredRide, StoreRide
from tests.unit.ui.test_pages import a_service

LIBRARY = "/srv/.venv/lib/python3.11/site-packages/flask/app.py"
STACKS: Stacks = {
    (f"serve|{LIBRARY}|7", "search|/srv/shop/stock.py|41"): 60 * MS,
    (f"serve|{LIBRARY}|7", "search|/srv/shop/stock.py|43"): 20 * MS,
    (f"serve|{LIBRARY}|9", "pay|/srv/shop/till.py|5", "search|/srv/shop/stock.py|41"): 10 * MS,
}
NAMES = {("serve", "search"): 80 * MS, ("serve", "pay", "search"): 10 * MS}


def places(text: str) -> dict[str, str]:
    """Of each box with one function, where the page says that it is; boxes of one name by the first."""
    data = json.loads(re.search(r"data-boxes>(.*?)</script>", text, re.DOTALL)[1])  # type: ignore[index]
    found: dict[str, str] = {}
    for box, number in zip(data["boxes"], data["at"], strict=True):
        if len(box[6]) == 1:
            found.setdefault(data["names"][box[6][0]], data["places"][number])
    return found


def test_a_box_says_the_file_and_the_lines_that_its_time_went_to(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(ride.address).text

    told = places(text)
    assert told["search"] == "shop/stock.py:41 (60 ms), 43 (20 ms)"
    assert told["pay"] == "shop/till.py:5"
    assert "search, shop/stock.py:41 (60 ms), 43 (20 ms), your code, total 80 ms" in text
    assert "data-no-lines" not in text


def test_the_table_says_where_a_functions_own_code_ran_over_all_paths(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(ride.address).text

    assert '<span class="sub">shop/stock.py:41 (70 ms), 43 (20 ms)</span>' in text
    assert "shop/stock.py:41 (70 ms), 43 (20 ms)" in page.get(f"/tour?trace={ride.trace_id}").text


def test_the_lines_are_those_of_this_request_and_no_others(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    ride = store_ride(service, {("search|/srv/shop/stock.py|41",): 50 * MS})
    store_ride(service, {("search|/srv/shop/stock.py|99",): 50 * MS})

    assert places(page.get(ride.address).text)["search"] == "shop/stock.py:41"


WHOLE_SERVICE = {
    "stringTable": ["", "serve", "/srv/shop/app.py", "search", "/srv/shop/stock.py"],
    "function": [{"id": "1", "name": "1", "filename": "2"}, {"id": "2", "name": "3", "filename": "4"}],
    "location": [
        {"id": "1", "line": [{"functionId": "1", "line": "7"}]},
        {"id": "2", "line": [{"functionId": "2", "line": "41"}]},
    ],
    "sample": [{"locationId": ["2", "1"], "value": ["900000000"]}],
}
OLD_SERVERS: dict[str, tuple[Answer, Answer]] = {
    "overlooks the span's ID": (Answer.of({"pprof": {"profile": WHOLE_SERVICE}}), Answer.of(WHOLE_SERVICE)),
    "does not know the format": (Answer.of({"flamegraph": flamebearer(NAMES)}), Answer.of(WHOLE_SERVICE)),
    "refuses the question": (Answer('{"code":"unimplemented"}', 501), Answer.of(WHOLE_SERVICE)),
    "tells nothing but names": (Answer('{"code":"unimplemented"}', 501), Answer('{"code":"unimplemented"}', 501)),
}


@pytest.mark.parametrize("kind", OLD_SERVERS)
def test_where_a_server_does_not_tell_the_lines_of_a_span_none_are_claimed(
    serve: Serve, embedded_pair: Endpoints, store_ride: StoreRide, kind: str
) -> None:
    of_span, of_service = OLD_SERVERS[kind]

    def answer(seen: Seen) -> Answer:
        if seen.path.endswith("SelectMergeSpanProfile"):
            return Answer.of({"flamegraph": flamebearer(NAMES)})
        return of_span if seen.path.endswith("SelectMergeStacktraces") else of_service

    page = create_app(Endpoints(tempo=embedded_pair.tempo, pyroscope=serve(answer).url)).test_client()
    ride: StoredRide = store_ride(a_service())

    text = page.get(ride.address).text

    assert "90 ms of CPU" in text
    assert ".py:" not in text
    assert "data-no-lines" in text
    expected = "" if kind == "tells nothing but names" else "shop/stock.py"
    assert places(text)["search"] == expected
    assert ("The files are those of the whole service" in text) == bool(expected)


WORDS: list[tuple[list[Any], str]] = [
    ([], ""),
    ([Place("", 0, 9)], ""),
    ([Place("/srv/shop/a.py", 0, 9)], "shop/a.py"),
    ([Place("/srv/shop/a.py", 3, 9 * MS)], "shop/a.py:3"),
    ([Place("a.go", 3, 9 * MS), Place("b.go", 4, 2 * MS)], "a.go:3 (9.0 ms), b.go:4 (2.0 ms)"),
    ([Place("a.go", n, (9 - n) * MS) for n in range(1, 6)], "a.go:1 (8.0 ms), 2 (7.0 ms), 3 (6.0 ms) and 2 more"),
]


@pytest.mark.parametrize(("given", "expected"), WORDS)
def test_several_lines_are_written_with_their_times_and_each_file_once(given: list[Place], expected: str) -> None:
    assert place_words(given) == expected
