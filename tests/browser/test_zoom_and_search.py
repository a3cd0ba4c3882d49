"""What a person does with one request: picks it, copies its ID, looks for its lines, its callers and its callees."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.browser.conftest import OpenPage
from tests.unit.conftest import Stacks, otlp_span, push_samples, push_spans, resource_spans

pytestmark = pytest.mark.exhaustive

MS = 1_000_000
PageOf = Callable[[Endpoints], str]
STACKS: Stacks = {
    ("serve|/srv/shop/app.py|7", "bike|/srv/shop/app.py|20", "search|/srv/shop/stock.py|41"): 60 * MS,
    ("serve|/srv/shop/app.py|7", "car|/srv/shop/app.py|30", "search|/srv/shop/stock.py|43"): 20 * MS,
}


@dataclass(frozen=True)
class Shop:
    """Requests of one service, which nobody else looks at.

    Attributes:
        address: of the page.
        service: its name.
        requests: (trace ID, span ID), the oldest first.
    """

    address: str
    service: str
    requests: tuple[tuple[str, str], ...]

    @property
    def list_address(self) -> str:
        return f"{self.address}/?service={self.service}"

    def span_address(self, number: int) -> str:
        trace_id, span_id = self.requests[number]
        return f"{self.address}/trace/{trace_id}/span/{span_id}"


@pytest.fixture
def shop(page_of: PageOf, pair: Endpoints) -> Shop:
    """A page on three requests of 100, 200 and 300 ms, one a minute."""
    service, requests = f"shop-{uuid.uuid4().hex[:8]}", []
    for number, milliseconds in enumerate((100, 200, 300)):
        trace_id, span_id = new_trace_id(), new_span_id()
        start_ns = time.time_ns() - (240 - 60 * number) * 10**9
        span = otlp_span(trace_id, span_id, profile_id=span_id, start_ns=start_ns, end_ns=start_ns + milliseconds * MS)
        push_spans(pair, resource_spans(service, span))
        samples = [(path, value, {"span_id": span_id}) for path, value in STACKS.items()]
        push_samples(pair, service, samples, start_ns)
        requests.append((trace_id, span_id))
    return Shop(page_of(pair), service, tuple(requests))


def tick(page: Page, trace_id: str) -> None:
    page.locator(f"#pick-{trace_id}").check()


def test_two_rows_are_picked_stay_picked_while_the_list_follows_and_are_compared(
    open_page: OpenPage, shop: Shop
) -> None:
    page = open_page(shop.list_address)
    bar, chips = page.locator("#picked"), page.locator("#picked .chip")
    oldest, middle, newest = (trace_id for trace_id, _ in shop.requests)
    expect(bar).to_be_hidden()

    tick(page, newest)
    expect(bar).to_contain_text("Tick a second row")
    expect(page.get_by_role("button", name="Compare the two")).to_be_disabled()
    page.mouse.move(2, 2)
    with page.expect_response(re.compile("part=list")):
        pass
    expect(page.locator(f"#pick-{newest}")).to_be_checked()
    page.goto(f"{shop.list_address}&sort=duration")
    tick(page, middle)
    tick(page, oldest)

    expect(chips).to_have_count(3)
    expect(page.get_by_role("button", name="Compare these 3 with the others")).to_be_enabled()
    page.locator(f"#pick-{newest}").uncheck()
    expect(chips).to_have_count(2)
    page.get_by_role("button", name="Compare the two").click()
    expect(page).to_have_url(re.compile(f"first={oldest}&second={middle}"))
    expect(page.locator(".side")).to_have_count(2)
    page.goto(shop.list_address)
    expect(bar).to_be_hidden()


def test_a_row_that_was_picked_by_mistake_is_dropped_by_its_chip(open_page: OpenPage, shop: Shop) -> None:
    page = open_page(shop.list_address)
    trace_id, _ = shop.requests[0]
    tick(page, trace_id)

    page.locator("#picked .chip").click()

    expect(page.locator("#picked")).to_be_hidden()
    expect(page.locator(f"#pick-{trace_id}")).not_to_be_checked()


def test_rows_are_compared_without_the_script_too(open_page: OpenPage, shop: Shop) -> None:
    page = open_page(shop.list_address, script=False)
    for trace_id, _ in shop.requests[:2]:
        tick(page, trace_id)

    page.get_by_role("button", name="Compare the two").click()

    expect(page.locator(".side")).to_have_count(2)


def test_a_point_leads_to_its_request_by_the_mouse_and_by_the_keyboard(open_page: OpenPage, shop: Shop) -> None:
    page = open_page(shop.list_address)
    points = page.locator(".scatter .point")
    expect(points).to_have_count(3)

    points.nth(1).click()
    expect(page).to_have_url(re.compile(f"/trace/{shop.requests[1][0]}"))

    page.goto(shop.list_address)
    points.first.focus()
    page.keyboard.press("End")
    expect(points.last).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(points.nth(1)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/trace/{shop.requests[0][0]}"))


def test_the_picture_of_durations_stays_closed_where_it_was_closed(open_page: OpenPage, shop: Shop) -> None:
    page = open_page(shop.list_address)
    expect(page.locator(".scatter .point").first).to_be_visible()

    page.locator(".scatter-panel summary").click()
    page.reload()

    expect(page.locator(".scatter-panel summary")).to_be_visible()
    expect(page.locator(".scatter .point").first).to_be_hidden()


def hear_buttons(page: Page) -> None:
    """Write down what the buttons beside the IDs say from now on: they say it for a moment only."""
    page.evaluate(
        "() => { window.said = [];"
        " const hear = () => said.push(...[...document.querySelectorAll('.copy')].map((button) => button.textContent));"
        " new MutationObserver(hear).observe(document.body, { subtree: true, childList: true, characterData: true }); }"
    )


def await_copied(page: Page, text: str) -> None:
    """Wait until a text is in the clipboard and a button has said so."""
    page.wait_for_function("async (text) => (await navigator.clipboard.readText()) === text", arg=text)
    page.wait_for_function("said.includes('Copied')")


def test_a_trace_id_is_copied_by_a_click_on_it_or_on_its_button(open_page: OpenPage, shop: Shop) -> None:
    trace_id, span_id = shop.requests[0]
    page = open_page(f"{shop.address}/trace/{trace_id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    hear_buttons(page)

    page.get_by_role("button", name="Copy the trace ID").click()
    await_copied(page, trace_id)
    page.locator("code[data-copy='span ID']").click()
    await_copied(page, span_id)


def test_an_id_is_copied_where_the_browser_has_no_clipboard_for_the_page(open_page: OpenPage, shop: Shop) -> None:
    trace_id, _ = shop.requests[0]
    page = open_page(f"{shop.address}/trace/{trace_id}")
    hear_buttons(page)
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        " document.addEventListener('copy', () => { window.wasCopied = String(getSelection())"
        " || document.activeElement.value; })"
    )

    page.get_by_role("button", name="Copy the trace ID").click()

    page.wait_for_function("said.includes('Copied')")
    assert page.evaluate("window.wasCopied") == trace_id


def test_from_a_box_to_its_lines_its_callers_and_its_callees(open_page: OpenPage, shop: Shop) -> None:
    page = open_page(shop.span_address(0))
    box = page.locator(".flame [data-box]", has_text="search").first

    box.hover()
    expect(page.locator(".tip")).to_contain_text("your code, shop/stock.py:41")
    box.click()
    expect(page.locator(".flame-says")).to_contain_text("shop/stock.py:41")
    page.get_by_role("link", name="Callers and callees").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("search")
    expect(page.locator(".sandwich .box", has_text="bike")).to_be_visible()
    expect(page.locator(".top").first).to_contain_text("shop/app.py:20")
    page.locator(".sandwich .box", has_text="car").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("car")
    page.get_by_role("link", name="Show it in the flame graph").click()
    expect(page.locator(".flame-matches")).to_contain_text("1 function matches")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_in_a_window_of_390_pixels(open_page: OpenPage, shop: Shop, scheme: str) -> None:
    first, second = (trace_id for trace_id, _ in shop.requests[:2])
    page = open_page(shop.list_address, width=390, height=844, scheme=scheme)

    for address in (
        shop.list_address,
        f"{shop.address}/trace/{first}",
        shop.span_address(0),
        f"{shop.span_address(0)}/function?name=search",
        f"{shop.address}/compare?kind=spans&first={first}&second={second}",
        f"{shop.address}/compare?kind=moment",
        f"{shop.address}/doctor?service={shop.service}",
        f"{shop.address}/tour?trace={first}",
        f"{shop.address}/no-such-page",
    ):
        page.goto(address)
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1], address
    page.goto(shop.list_address)
    for cell in ("a.whole", ".col-duration", ".col-cpu", ".mark", ".col-pick input"):
        box = page.locator(".list tbody tr").first.locator(cell).bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390, cell
