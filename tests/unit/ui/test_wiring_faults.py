"""Wiring faults on the page: shown as they are, and switched by a restart of the region that can be followed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest
from flask.testing import FlaskClient

from rideshare.faults import CODE_FAULTS, WIRING_FAULTS
from spanprofiles.linking import Waiting
from spanprofiles.model import Endpoints
from spanprofiles.ui import ControlError, DemoControls, create_app
from spanprofiles.ui.controls import FAULT_WORDS, WIRING_WORDS, Restart
from tests.unit.conftest import Answer, Seen, Serve
from tests.unit.ui.test_security import form_token

START_S = 60


class Region:
    """A region of the demo app as the page sees it: its admin route, and what it was restarted with."""

    def __init__(self, *wiring: str, on: Collection[str] = ()) -> None:
        self.wiring, self.on = list(wiring), set(on)
        self.restarted: list[tuple[str, frozenset[str]]] = []
        self.may_start = threading.Event()
        self.error = ""

    def answer(self, seen: Seen) -> Answer:
        if seen.method == "POST":
            json.loads(seen.body)
        switches = {name: name in self.on for name in CODE_FAULTS}
        return Answer.of({"region": "north", "faults": switches, "wiring": self.wiring})

    def restart(self, name: str, faults: Collection[str], tell: Callable[[str], None]) -> None:
        self.restarted.append((name, frozenset(faults)))
        tell("waiting for its answer")
        self.may_start.wait(START_S)
        if self.error:
            raise ControlError(self.error)
        self.wiring = [fault for fault in faults if fault in WIRING_FAULTS]


PageOf = Callable[..., FlaskClient]


@pytest.fixture
def page_of(embedded_pair: Endpoints, serve: Serve) -> PageOf:
    """Give a function that makes the page of a demo with one region, north."""

    def make(region: Region, restart: Restart | None = None) -> FlaskClient:
        controls = DemoControls({"north": serve(region.answer).url}, "a token", restart=restart)
        return create_app(embedded_pair, controls).test_client()

    return make


def switch(page: FlaskClient, fault: str, state: str, region: str = "north") -> Any:
    data = {"token": form_token(page), "fault": fault, "switch": f"{state} {region}"}
    return page.post("/demo/wiring", data=data)


def pressed(text: str) -> dict[str, bool]:
    """Return of each wiring fault's switch whether it is shown as on."""
    found = re.findall(r'id="wiring-([\w-]+)-north"[^>]*aria-pressed="(true|false)"', text)
    return {name: on == "true" for name, on in found}


def come_to(page: FlaskClient, text: str, *, gone: bool = False) -> str:
    seen = ""
    for _ in Waiting(START_S).attempts():
        seen = page.get("/demo/controls").text
        if (text in seen) is not gone:
            return seen
    raise AssertionError(seen)


def test_the_page_has_words_for_every_fault_of_the_app() -> None:
    assert tuple(WIRING_WORDS) == WIRING_FAULTS
    assert tuple(FAULT_WORDS) == CODE_FAULTS


def test_faults_that_were_set_at_the_start_are_shown_as_on(page_of: PageOf) -> None:
    text = page_of(Region("no-agent", "slow-upload")).get("/demo/controls").text

    assert {name for name, on in pressed(text).items() if on} == {"no-agent", "slow-upload"}
    assert pressed(text).keys() == set(WIRING_FAULTS)
    assert "no-agent is on in north, slow-upload is on in north" in re.sub(r"\s+", " ", text)
    assert re.search(r'<details id="wiring"[^>]* open>', text)


def test_the_switches_are_in_the_page_itself_where_they_are_asked_for(page_of: PageOf) -> None:
    page = page_of(Region("no-agent"))

    assert pressed(page.get("/?controls=open").text)["no-agent"]
    assert pressed(page.get("/").text) == {}


def test_without_one_the_group_is_closed(page_of: PageOf) -> None:
    text = page_of(Region()).get("/demo/controls").text

    assert not any(pressed(text).values())
    assert "no fault is on" in text
    assert re.search(r'<details id="wiring"[^>]*(?<! open)>', text)


def test_a_switch_restarts_the_region_and_shows_how_far_it_is(page_of: PageOf) -> None:
    region = Region()
    page = page_of(region, region.restart)

    assert switch(page, "no-agent", "on").status_code == 303
    text = come_to(page, "waiting for its answer")
    assert "north restarts" in text
    assert "no-agent switched on in north" in text
    assert "disabled" in text
    assert "data-sooner" in text

    region.may_start.set()
    text = come_to(page, "data-restart", gone=True)
    assert region.restarted == [("north", frozenset({"no-agent"}))]
    assert pressed(text)["no-agent"]
    assert "compare before and after" in text


def test_what_else_is_on_stays_on(page_of: PageOf) -> None:
    region = Region("no-agent", "slow-upload", on=["slow-search"])
    region.may_start.set()

    switch(page_of(region, region.restart), "no-agent", "off")

    assert region.restarted == [("north", frozenset({"slow-upload", "slow-search"}))]


def test_a_region_restarts_once_at_a_time(page_of: PageOf) -> None:
    region = Region()
    page = page_of(region, region.restart)
    switch(page, "no-agent", "on")

    response = switch(page, "unlabelled", "on")
    region.may_start.set()

    assert response.status_code == 502
    assert "north is restarting" in response.text
    assert len(region.restarted) == 1


def test_a_region_that_does_not_start_is_told_and_can_be_switched_again(page_of: PageOf) -> None:
    region = Region()
    region.error = "region north ended; its last lines: boom"
    region.may_start.set()
    page = page_of(region, region.restart)

    switch(page, "no-agent", "on")
    text = come_to(page, "does not start")
    assert "its last lines: boom" in text
    region.error = ""
    switch(page, "no-agent", "on")

    assert pressed(come_to(page, "data-restart", gone=True))["no-agent"]


@pytest.mark.parametrize(
    ("fault", "state", "where"),
    [
        ("flat-tyre", "on", "north"),
        ("slow-search", "on", "north"),
        ("", "on", "north"),
        ("no-agent", "maybe", "north"),
        ("no-agent", "on", ""),
        ("no-agent", "on", "moon"),
    ],
)
def test_a_switch_that_is_none_is_refused(page_of: PageOf, fault: str, state: str, where: str) -> None:
    region = Region()

    assert switch(page_of(region, region.restart), fault, state, where).status_code == 400
    assert not region.restarted


def test_a_switch_needs_the_forms_token(page_of: PageOf) -> None:
    region = Region()

    response = page_of(region, region.restart).post("/demo/wiring", data={"fault": "no-agent", "switch": "on north"})

    assert response.status_code == 403
    assert not region.restarted


def test_where_regions_cannot_be_restarted_the_switches_say_how_faults_are_set(page_of: PageOf) -> None:
    page = page_of(Region("no-agent"))

    assert "RIDESHARE_FAULTS" in page.get("/demo/controls").text
    assert switch(page, "no-agent", "off").status_code == 404
