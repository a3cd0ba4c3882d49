"""What a user does in Grafana, and what is seen: by roles, texts and test IDs of Grafana 13.1's own pages.

They were read from Grafana's source: rows of a trace are switches, the button is a text, the table beside a flame graph
and the flame graph itself have test IDs, and so does a panel's sign that its query failed.
"""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

BUTTON = "Profiles for this span"
#: Grafana loads its pages in many parts, the first time slowly, ms.
PATIENCE_MS = 60_000


def open_span(page: Page, explore_url: str, name: str) -> None:
    """Open a trace in Explore, and in it the details of the first span of that name."""
    page.goto(explore_url)
    row = page.get_by_role("switch").filter(has_text=name).first
    expect(row).to_be_visible(timeout=PATIENCE_MS)
    row.click()
    expect(row).to_have_attribute("aria-checked", "true")


def own_flame_graph(page: Page) -> Locator:
    """Return the flame graph in the details of the open span."""
    return page.get_by_test_id("flameGraph").first


def press_the_button(page: Page) -> Locator:
    """Press the open span's button, and return the table of functions that opens beside the trace."""
    button = page.get_by_text(BUTTON, exact=True).first
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    button.click()
    table = page.get_by_test_id("topTable").first
    expect(table).to_be_visible(timeout=PATIENCE_MS)
    return table


def failed_panels(page: Page) -> Locator:
    """Return the signs of panels whose query failed."""
    return page.get_by_test_id("data-testid Panel status error")
