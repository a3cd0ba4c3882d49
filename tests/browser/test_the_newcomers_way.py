"""The way a newcomer goes on the running demo, from the home page to the function that got slow.

The pictures of the README are taken on the way; they are kept in docs/images where SPAN_PROFILES_TAKE_PICTURES is set.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LONGEST_MS, OpenPage

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TAKE = "SPAN_PROFILES_TAKE_PICTURES"
WORK = "find_nearest_vehicle"
FAULT, SLOW_REGION, REGRESSED_FUNCTION = "slow-search", "us-east", "drop_repeated_vehicles"
FOUND_WITHIN_S = 120


@pytest.fixture
def home(open_page: OpenPage, demo: str) -> Page:
    page = open_page(demo)
    expect(page.locator(".mark.linked").first).to_be_visible()
    return page


def linked(page: Page, route: str) -> Locator:
    """The linked ride of a route with the most samples of those that are listed: one has its search among them."""
    rows = page.locator(".list tbody tr", has=page.locator(".mark.linked")).filter(has_text=route)
    expect(rows.first).to_be_visible()
    listed: list[tuple[str, str]] = rows.evaluate_all(
        "rows => rows.map(row => [row.querySelector('.col-cpu').innerHTML, row.querySelector('a.whole').href])"
    )
    _, address = max(listed, key=lambda row: samples_in(row[0]))
    path = address[address.index("/", len("http://")) :]
    return page.locator(f'.list tbody a.whole[href="{path}"]').first


def samples_in(cell: str) -> int:
    """Return how many samples a cell of the list tells of."""
    found = re.search(r"(\d+) sample", cell)
    return int(found[1]) if found else 0


def point_at(page: Page, box: Locator) -> None:
    """Point at a box of the flame graph until its words are there: the page may still be waiting for its script."""
    deadline = time.monotonic() + LONGEST_MS / 1000
    box.hover()
    while not page.locator(".tip").is_visible():
        assert time.monotonic() < deadline, "nothing is said of the box"
        page.mouse.move(2, 2)
        box.hover()
        page.wait_for_timeout(100)


def open_controls(page: Page) -> None:
    """Open the demo's controls, unless they are."""
    expect(page.locator("#controls")).to_contain_text("riders at once")
    if page.locator("#controls[open]").count() == 0:
        page.locator("#controls summary").click()
    expect(page.locator("#riders")).to_be_visible()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: a run that was not asked for them leaves the checkout as it is."""
    return IMAGES if os.environ.get(TAKE) else tmp_path_factory.mktemp("pictures")


def picture(page: Page, path: Path) -> None:
    page.mouse.move(2, 2)
    page.screenshot(path=path, animations="disabled")


def test_from_the_home_page_to_the_function_that_used_the_cpu_of_one_ride(home: Page) -> None:
    linked(home, "GET /car").click()

    expect(home.get_by_role("heading", name=re.compile("Profiles for this span"))).to_be_visible()
    expect(home.locator(".waterfall .cpu").first).to_be_visible()
    home.get_by_role("link", name="Open the flame graph").click()
    point_at(home, home.locator(".flame [data-box]", has_text=WORK).first)
    expect(home.locator(".tip")).to_contain_text(WORK)
    expect(home.locator(".tip")).to_contain_text("your code, rideshare/fleet.py")
    expect(home.locator(".tip")).to_contain_text(re.compile(r"self \d.*total \d"))
    expect(home.locator(".top")).to_contain_text("rideshare/")


def test_the_list_follows_what_happens_and_holds_still_while_it_is_pointed_at(home: Page) -> None:
    newest = home.locator(".list tbody tr .whole").first
    seen = newest.get_attribute("href") or ""

    expect(newest).not_to_have_attribute("href", seen)
    home.locator(".list tbody tr").nth(3).hover()
    held = newest.get_attribute("href") or ""
    expect(home.locator(".held")).to_be_visible()
    expect(newest).to_have_attribute("href", held)


def test_zoom_search_keys_and_the_back_button_on_a_flame_graph(home: Page) -> None:
    linked(home, "GET /car").click()
    home.get_by_role("link", name="Open the flame graph").click()
    whole = home.url

    home.locator(".flame [data-box]", has_text=WORK).first.click()
    expect(home).to_have_url(re.compile("frame=[0-9a-f]{8}"))
    expect(home.locator(".flame .faded").first).to_be_visible()
    zoomed = home.url
    home.go_back()
    expect(home).to_have_url(whole)
    expect(home.locator(".flame .faded")).to_have_count(0)
    home.goto(zoomed)
    expect(home.locator(".flame .faded").first).to_be_visible()

    home.get_by_label("Search functions").fill(WORK)
    expect(home.locator(".flame-matches")).to_have_text(re.compile(r"1 function matches: \d+ % of the whole"))
    home.reload()
    expect(home.locator(".flame .matched").first).to_be_visible()
    home.get_by_label("Search functions").fill("no such function")
    expect(home.locator(".flame-matches")).to_have_text("no function matches")

    home.get_by_label("Search functions").fill("")
    home.locator(".flame-box").focus()
    home.keyboard.press("Escape")
    expect(home).not_to_have_url(re.compile("frame="))
    for _ in range(12):
        home.keyboard.press("ArrowDown")
        if "order_ride" in home.locator(".flame-says").inner_text():
            break
    expect(home.locator(".flame-says b")).to_have_text("order_ride")
    expect(home.locator(".flame .chosen")).to_contain_text("order_ride")
    home.keyboard.press("Enter")
    expect(home).to_have_url(re.compile("frame="))
    home.context.grant_permissions(["clipboard-read", "clipboard-write"])
    home.get_by_role("button", name="Copy name").click()
    expect(home.get_by_role("button", name="Copied")).to_be_visible()
    assert home.evaluate("navigator.clipboard.readText()") == "order_ride"


def test_a_fault_is_switched_on_seen_and_named(home: Page, demo: str, pictures: Path) -> None:
    switch = home.locator(f"#fault-{FAULT}-{SLOW_REGION}")
    open_controls(home)
    switch.click()
    try:
        expect(switch).to_have_attribute("aria-pressed", "true")
        expect(home.locator("#controls summary")).to_contain_text(f"{FAULT} is on in {SLOW_REGION}")
        compare = home.get_by_role("link", name="compare before and after").first.get_attribute("href") or ""
        regression = home.locator("[data-top-regression]", has_text=f"{REGRESSED_FUNCTION} grew most")
        deadline = time.monotonic() + FOUND_WITHIN_S
        spans = 12 if os.environ.get(TAKE) else 1  # a picture is of a steady average
        while regression.count() == 0 or int(home.locator(".side dd").last.inner_text()) < spans:
            assert time.monotonic() < deadline, home.locator("main").inner_text()
            home.goto(demo + compare)
            home.wait_for_timeout(500)  # rides with the fault are made and uploaded meanwhile
        picture(home, pictures / "compare-light.png")
    finally:
        home.goto(demo)
        open_controls(home)
        switch.click()
        expect(switch).to_have_attribute("aria-pressed", "false")


def test_the_load_is_turned_up(home: Page) -> None:
    open_controls(home)
    before = int(home.locator("#riders").inner_text())

    home.get_by_role("button", name="More riders").click()

    expect(home.locator("#riders")).to_have_text(str(before + 2))


def test_the_tour_explains_a_span_profile_on_data_that_is_there(home: Page) -> None:
    home.get_by_role("link", name="One-minute tour").click()

    expect(home.locator(".tour > li")).to_have_count(4)
    ids = home.locator(".equal b").all_inner_texts()
    assert len(ids) == 2
    assert ids[0] == ids[1]
    expect(home.locator(".hot")).not_to_be_empty()


def test_the_doctors_table_follows_and_comes_to_every_hop_in_order(open_page: OpenPage, demo: str) -> None:
    page = open_page(f"{demo}/doctor")

    try:
        expect(page.locator(".state h3")).to_contain_text("every hop is in order")
    except AssertionError as error:  # a wrong verdict is explained by what the doctor saw
        raise AssertionError(page.locator("main").inner_text()) from error
    expect(page.locator(".findings .v-ok").first).to_be_visible()
    expect(page.locator(".findings .v-broken")).to_have_count(0)


@pytest.mark.usefixtures("home")
def test_pages_are_whole_without_the_script(open_page: OpenPage, demo: str) -> None:
    page = open_page(demo, script=False)

    linked(page, "GET /car").click()
    page.get_by_role("link", name="Open the flame graph").click()
    page.locator(".tree a", has_text=WORK).first.click()

    expect(page.locator(".flame .faded").first).to_be_visible()
    expect(page.locator(".top")).to_contain_text("rideshare/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_of_the_readme(open_page: OpenPage, demo: str, pictures: Path, scheme: str) -> None:
    page = open_page(f"{demo}/?linked=1&route=/car", width=1280, height=800, scheme=scheme)
    expect(page.locator(".mark.linked").first).to_be_visible()
    address = linked(page, "GET /car").get_attribute("href") or ""
    page.goto(demo)
    expect(page.locator("#controls")).to_contain_text("no fault is on")
    picture(page, pictures / f"rides-{scheme}.png")
    page.goto(demo + address)
    expect(page.locator(".flame [data-box]").first).to_be_visible()
    picture(page, pictures / f"trace-{scheme}.png")
    page.get_by_role("link", name="Open the flame graph").click()
    expect(page.locator(".flame [data-box]").first).to_be_visible()
    picture(page, pictures / f"flamegraph-{scheme}.png")
    for name in ("rides", "trace", "flamegraph"):
        assert (pictures / f"{name}-{scheme}.png").stat().st_size > 10_000


@pytest.mark.parametrize("address", ["/", "/compare", "/doctor", "/tour"])
def test_a_page_has_its_landmarks_and_is_no_wider_than_its_window(open_page: OpenPage, demo: str, address: str) -> None:
    page = open_page(demo + address, width=1600)
    for width in (1600, 1000):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
