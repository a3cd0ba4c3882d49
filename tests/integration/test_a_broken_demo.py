"""A demo that was broken at its start, and is mended and broken again on its page."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.linking import Waiting

pytestmark = pytest.mark.exhaustive

DEMO = [sys.executable, "-m", "spanprofiles", "demo", "--wait", "3"]
START_S = 60
REGIONS = ("eu-north", "us-east", "ap-south")


@pytest.fixture(scope="module")
def broken_demo() -> Iterator[ManagedProcess]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "RIDESHARE_FAULTS": "no-agent"}
    with ManagedProcess("the demo", DEMO, environment=environment) as demo:
        demo.wait_for_line(lambda line: "rides/s, linked: 0.0%" in line, START_S)
        yield demo


@pytest.fixture(scope="module")
def page(broken_demo: ManagedProcess) -> str:
    (announced,) = [line for line in broken_demo.output if line.startswith("the page: ")]
    return announced.split()[-1]


def get(address: str) -> str:
    return requests.get(address, timeout=START_S).text


def on(text: str) -> set[tuple[str, str]]:
    """Return the faults and regions whose switches are shown as on."""
    return set(re.findall(r'id="wiring-([a-z-]+?)-(eu-north|us-east|ap-south)"[^>]*aria-pressed="true"', text))


def switch(page: str, fault: str, state: str, region: str) -> None:
    """Press a switch, and wait until the region answers again."""
    token = re.search(r'name="token" value="([^"]+)"', get(f"{page}/demo/controls"))
    assert token is not None
    form = {"token": token[1], "fault": fault, "switch": f"{state} {region}"}
    answer = requests.post(f"{page}/demo/wiring", data=form, timeout=START_S, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    come_to(f"{page}/demo/controls", lambda text: "data-restart" not in text)


def come_to(address: str, wanted: Callable[[str], bool]) -> str:
    text = ""
    for _ in Waiting(START_S).attempts():
        text = get(address)
        if wanted(text):
            return text
    raise AssertionError(text)


def test_it_says_that_links_are_dead_and_which_faults_are_on(page: str) -> None:
    assert on(get(f"{page}/demo/controls")) == {("no-agent", region) for region in REGIONS}
    text = come_to(f"{page}/", lambda text: "Links are dead" in text)

    assert "none of the last" in text
    assert 'href="/doctor?service=ride-sharing-app"' in text


def test_mended_region_by_region_it_falls_silent_and_a_region_broken_again_is_named(
    page: str, broken_demo: ManagedProcess
) -> None:
    for region in REGIONS:
        switch(page, "no-agent", "off", region)
    come_to(f"{page}/alarm", lambda text: not text)
    come_to(f"{page}/?linked=1&region=us-east", lambda text: "linked</span>" in text)

    switch(page, "unlabelled", "on", "us-east")
    assert on(get(f"{page}/demo/controls")) == {("unlabelled", "us-east")}
    text = come_to(f"{page}/alarm", lambda text: "Links are dead in us-east" in text)

    assert "eu-north" not in text
    assert broken_demo.is_running
