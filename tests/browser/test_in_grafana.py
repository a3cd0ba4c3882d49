"""Grafana itself, where there is one: its button leads from a real ride to the functions of this one request.

No Grafana could be had where this was written. So what the test does is tried here on stand-ins with the marks of
Grafana's pages, one that works and those that do not; the rest is for `make grafana`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from spanprofiles.backends.ports import free_ports
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.linking import LinkedSpan
from spanprofiles.linking.grafana import DataSource, DataSources, GrafanaLinker, trace_url
from spanprofiles.pytest_plugin import SpanProfiles
from tests.integration.conftest import running
from tests.support.grafana_browser import PATIENCE_MS, failed_panels, open_span, own_flame_graph, press_the_button
from tests.support.repository import dashboards
from tests.unit.conftest import Answer, StubServer

NOWHERE = "this backend has no Grafana: run it by make grafana, or on external with SPAN_PROFILES_GRAFANA_URL"


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A window; what it shows in the end is kept in the folder of the pictures, where one is named."""
    context = browser.new_context(viewport={"width": 1600, "height": 1200})
    page = context.new_page()
    yield page
    folder = os.environ.get("SPAN_PROFILES_PICTURES")
    if folder and page.url.startswith("http"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{request.node.name.translate(str.maketrans('[]/ ', '____'))}.png")
    context.close()


@pytest.fixture
def grafana(span_profiles: SpanProfiles) -> GrafanaClient:
    """The Grafana of the backend. One that is named and does not answer is a failure, and no reason to skip."""
    if not span_profiles.endpoints.grafana:
        pytest.skip(NOWHERE)
    client = GrafanaClient(span_profiles.endpoints.grafana, span_profiles.endpoints.credentials)
    client.health()
    return client


@pytest.fixture
def ride(request: pytest.FixtureRequest, span_profiles: SpanProfiles) -> LinkedSpan:
    """A ride of a region that sends to this backend, with its samples uploaded."""
    request.getfixturevalue("grafana")  # before anything is started
    environment: dict[str, str] = request.getfixturevalue("span_profiles_environment")
    with running(environment, "eu-north", free_ports(1)[0]) as region:
        return span_profiles.linked_span(region.get("/car"))


@pytest.mark.grafana
def test_the_button_of_a_ride_opens_its_functions(
    page: Page, grafana: GrafanaClient, ride: LinkedSpan, span_profiles: SpanProfiles
) -> None:
    sources = DataSources([DataSource.of(settings) for settings in grafana.data_sources()])
    source = GrafanaLinker(sources.tempo(), sources, span_profiles.pyroscope).source
    trace = span_profiles.trace(ride.trace_id)

    open_span(page, trace_url(span_profiles.endpoints.grafana, source, trace), ride.span.name)
    expect(own_flame_graph(page)).to_be_visible(timeout=PATIENCE_MS)
    functions = press_the_button(page)

    busiest = ride.flamegraph.top(1)[0].name  # the table begins with it
    expect(functions.get_by_text(busiest, exact=True).first).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.grafana
@pytest.mark.parametrize("name", ["fleet", "regions", "ride", "rides"])
@pytest.mark.usefixtures("ride")
def test_no_panel_of_a_dashboard_fails(page: Page, span_profiles: SpanProfiles, name: str) -> None:
    title = next(
        panel["title"] for panel in dashboards()[name]["panels"] if panel["title"] and "$" not in panel["title"]
    )

    page.goto(f"{span_profiles.endpoints.grafana}/d/{name}")
    expect(page.get_by_text(title, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)

    expect(failed_panels(page)).to_have_count(0)


TRACE = """
<button role="switch" aria-checked="false" onclick="
    this.ariaChecked = this.ariaChecked === 'true' ? 'false' : 'true'; details.hidden = false">
  <span>ride-sharing-app</span><small>GET /car</small></button>
<div id="details" hidden>BUTTON<canvas data-testid="flameGraph" width="9" height="9"></canvas></div>
<div id="beside"></div>
"""
WORKING = "<a href='' onclick='event.preventDefault(); beside.innerHTML = TABLE'>Profiles for this span</a>"
TABLE = "`<div data-testid=topTable><button>find_nearest_vehicle</button></div>`"


@pytest.fixture
def stand_in() -> Iterator[StubServer]:
    server = StubServer(lambda _: Answer("<!doctype html>" + TRACE.replace("BUTTON", ""), content_type="text/html"))
    yield server
    server.close()


def show(server: StubServer, button: str) -> str:
    html = "<!doctype html>" + TRACE.replace("BUTTON", button)
    server.respond = lambda _: Answer(html, content_type="text/html")
    return f"{server.url}/explore"


def test_on_a_page_like_grafanas_the_functions_are_found(page: Page, stand_in: StubServer) -> None:
    open_span(page, show(stand_in, WORKING.replace("TABLE", TABLE)), "GET /car")

    expect(own_flame_graph(page)).to_be_visible()
    expect(press_the_button(page).get_by_text("find_nearest_vehicle", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("button", "missing"),
    [
        ("", "Profiles for this span"),
        ("<a href=''>Open in Profiles Drilldown</a>", "Profiles for this span"),
        (WORKING.replace("TABLE", '"No data"'), "topTable"),
    ],
    ids=["no button", "the other button only", "nothing opens"],
)
def test_on_a_page_where_the_link_is_broken_they_are_not(
    page: Page, stand_in: StubServer, button: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.grafana_browser.PATIENCE_MS", 1_000)
    open_span(page, show(stand_in, button), "GET /car")

    with pytest.raises(AssertionError, match=missing):
        press_the_button(page)
