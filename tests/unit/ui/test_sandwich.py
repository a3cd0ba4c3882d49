from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from tests.unit.conftest import Stacks
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import SCRIPT, a_service

STACKS: Stacks = {
    ("serve|/srv/app.py|7", "bike|/srv/app.py|20", "search|/srv/fleet.py|88"): 60 * MS,
    ("serve|/srv/app.py|7", "car|/srv/app.py|30", "search|/srv/fleet.py|88", "far|/srv/geo.py|3"): 30 * MS,
    ("serve|/srv/app.py|7", "car|/srv/app.py|31"): 10 * MS,
}


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, as texts."""
    table = text.split(f">{heading}</h2>")[1].split("</table>", maxsplit=1)[0]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in table.split("<tr")[1:]]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells if row]


def test_a_function_is_shown_between_its_callers_and_its_callees(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"{ride.address}/function?name=search").text

    assert "90 ms (9 samples, 50 to 170 ms), 90 % (60 to 98 %) of the CPU of GET /bike" in text
    assert "60 ms (6 samples, 30 to 130 ms) in its own code" in text
    assert rows(text, "Called by") == [
        ["60 ms", "67 %", "bike srv/app.py:20"],
        ["30 ms", "33 %", "car srv/app.py:30"],
    ]
    assert rows(text, "Calls") == [
        ["30 ms", "33 %", "far srv/geo.py:3"],
        ["60 ms", "67 %", "nothing: its own code ran"],
    ]


def test_the_picture_has_the_callers_above_the_function_and_the_callees_below(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"{ride.address}/function?name=search").text

    above, below = re.findall(r"<svg class=\"picture flame\".*?</a></svg>", text, re.DOTALL)
    tops = {name: int(top) for name, top in re.findall(r"<title>(\w+),.*?<rect x=\"[^\"]+\" y=\"(\d+)\"", above)}
    assert tops["serve"] < tops["bike"] < tops["search"]
    assert re.findall(r"<title>(\w+),.*?<rect x=\"[^\"]+\" y=\"(\d+)\"", below) == [("far", "0")]


def test_a_box_and_a_row_lead_to_that_function(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(f"{ride.address}/function?name=search").text
    assert text.count(f'href="{ride.address}/function?name=car"') == 2

    first = page.get(f"{ride.address}/function?name=serve").text
    assert rows(first, "Called by") == [["100 ms", "100 %", "nobody: it is where the stack begins"]]


def test_the_flame_graphs_table_leads_to_the_functions(page: FlaskClient, store_ride: StoreRide) -> None:
    ride = store_ride(a_service(), STACKS)

    text = page.get(ride.address).text

    assert f'data-function href="{ride.address}/function?name=search"' in text
    assert f'data-functions="{ride.address}/function"' in text


@pytest.mark.parametrize("name", ["a b&c?d=e#f/g%h", "naïve <lambda>", SCRIPT])
def test_whatever_a_function_is_called_its_address_leads_to_it(
    page: FlaskClient, store_ride: StoreRide, name: str
) -> None:
    ride = store_ride(a_service(), {("serve", name): 50 * MS})
    address = re.search(rf'data-function href="({ride.address}/function[^"]+)"', page.get(ride.address).text)
    assert address is not None

    response = page.get(unescape(address[1]))

    assert response.status_code == 200
    assert rows(response.text, "Called by")[0][-1] == "serve"
    assert "<script>alert" not in response.text


def test_a_function_that_never_ran_and_a_span_without_samples_are_not_found(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    ride, dead = store_ride(a_service(), STACKS), store_ride(a_service())

    for address in (f"{ride.address}/function?name=nobody", f"{ride.address}/function"):
        response = page.get(address)
        assert response.status_code == 404
        assert "runs through a function" in response.text
    assert "has no samples" in page.get(f"{dead.address}/function?name=search").text


def test_names_of_fifty_thousand_characters_make_no_huge_page(page: FlaskClient, store_ride: StoreRide) -> None:
    names = [f"{number:02d}" * 25_000 for number in range(10)]
    ride = store_ride(a_service(), {("serve|/srv/app.py|7", f"{name}|/srv/app.py|20"): 60 * MS for name in names})

    whole, function = page.get(ride.address), page.get(f"{ride.address}/function?name=serve")

    assert (whole.status_code, function.status_code) == (200, 200)
    assert len(function.text) < 150_000
    assert len(whole.text) < 150_000 + sum(map(len, names))  # each once whole, for the search
    assert len(page.get(f"{ride.address}/flamegraph.svg").text) < 50_000
