"""A demo whose links are dead: a person sees it wherever they land, finds the switch, and mends it on the page."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from spanprofiles.backends import ManagedProcess
from tests.browser.conftest import DEMO, LONGEST_MS, ROOT, START_S, OpenPage

pytestmark = pytest.mark.exhaustive

FAULT = "no-agent"
REGIONS = ("eu-north", "us-east", "ap-south")


@pytest.fixture(scope="module")
def broken_demo() -> Iterator[str]:
    """The address of the page of a demo that was started with a fault, from when its first ride proved not linked."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "RIDESHARE_FAULTS": FAULT}
    command = [*DEMO, "--wait", "3"]
    with ManagedProcess("the broken demo", command, environment=environment, directory=ROOT) as process:
        lines = process.wait_for_line(lambda line: "rides/s, linked" in line, 2 * START_S)
        (announced,) = [line for line in lines if line.startswith("the page: ")]
        yield announced.split()[-1]
        assert process.is_running, process.failure("ended by itself")


@pytest.mark.parametrize("address", ["/", "/compare", "/compare?kind=moment", "/tour"])
def test_it_is_seen_wherever_one_lands_and_leads_to_the_doctor(
    open_page: OpenPage, broken_demo: str, address: str
) -> None:
    page = open_page(broken_demo + address)

    expect(page.locator("[data-alarm]")).to_contain_text("Links are dead")
    page.get_by_role("link", name="Ask the doctor").first.click()
    expect(page.locator(".state.failed h3")).to_contain_text("broken at")
    expect(page.locator("[data-alarm]")).to_have_count(0)


def test_the_fault_is_shown_as_on_and_switched_off(open_page: OpenPage, broken_demo: str) -> None:
    page = open_page(f"{broken_demo}/?controls=open")
    expect(page.locator("#controls summary").first).to_contain_text(f"{FAULT} is on in")

    for region in REGIONS:
        switch = page.locator(f"#wiring-{FAULT}-{region}")
        expect(switch).to_have_attribute("aria-pressed", "true")
        switch.click()
        expect(page.locator(".changes")).to_contain_text(f"{FAULT} switched off in {region}", timeout=2 * LONGEST_MS)
        expect(switch).to_have_attribute("aria-pressed", "false")

    expect(page.locator("#controls summary").first).to_contain_text("no fault is on")
    expect(page.locator("[data-alarm]")).to_have_count(0, timeout=2 * LONGEST_MS)
    expect(page.locator(".mark.linked").first).to_be_visible()
