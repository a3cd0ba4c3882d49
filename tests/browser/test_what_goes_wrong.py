"""What a person sees when something is broken, away or hostile."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import expect

from spanprofiles.backends import EmbeddedBackend
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from tests.browser.conftest import OpenPage
from tests.unit.conftest import otlp_span, push_samples, push_spans, resource_spans

MS = 1_000_000
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
PageOf = Callable[[Endpoints], str]


def store(endpoints: Endpoints, name: str, *functions: str, seconds_ago: float = 60) -> tuple[str, str]:
    """Store a span of 100 ms with a profile ID, and samples of it where functions are given."""
    trace_id, span_id = new_trace_id(), new_span_id()
    start_ns = time.time_ns() - round(seconds_ago * 1e9)
    span = otlp_span(trace_id, span_id, name, profile_id=span_id, start_ns=start_ns, end_ns=start_ns + 100 * MS)
    push_spans(endpoints, resource_spans("shop", span))
    if functions:
        push_samples(endpoints, "shop", [(functions, 90 * MS, {"span_id": span_id})], start_ns)
    return trace_id, span_id


def test_script_in_a_name_stays_text(open_page: OpenPage, page_of: PageOf, pair: Endpoints) -> None:
    trace_id, span_id = store(pair, SCRIPT, SCRIPT, "work")
    address = page_of(pair)

    page = open_page(f"{address}/trace/{trace_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
    page.goto(f"{address}/trace/{trace_id}/span/{span_id}")
    page.locator(".flame [data-box]").nth(1).hover()
    expect(page.locator(".tip b")).to_have_text(SCRIPT)
    page.locator(".flame [data-box]").nth(1).click()

    expect(page.locator(".flame-says b")).to_have_text(SCRIPT)
    assert page.locator("img").count() == 0
    assert page.title() != "run"


def test_a_dead_link_is_marked_in_the_list_and_explained_where_it_is_opened(
    open_page: OpenPage, page_of: PageOf, pair: Endpoints
) -> None:
    for _ in range(6):
        store(pair, "GET /bike", "serve", "work")
    dead, _ = store(pair, "GET /bike")

    page = open_page(page_of(pair))
    row = page.locator(".list tbody tr", has=page.locator(f"#t-{dead}"))
    expect(row.locator(".mark")).to_contain_text("no samples")
    row.locator("a.whole").click()

    expect(page.locator("[data-dead]")).to_contain_text("Dead link")
    expect(page.locator("[data-dead]")).to_contain_text("The doctor says:")
    expect(page.locator(".waterfall")).to_contain_text("no samples")


def test_a_server_that_goes_is_told_and_one_that_comes_back_needs_no_reload(
    open_page: OpenPage, page_of: PageOf, stoppable_pair: tuple[EmbeddedBackend, Endpoints]
) -> None:
    backend, endpoints = stoppable_pair
    store(endpoints, "GET /bike", "work")
    page = open_page(page_of(endpoints))
    expect(page.locator(".list tbody tr")).to_have_count(1)
    expect(page.locator("#away")).to_be_hidden()

    backend.stop()
    expect(page.locator("#away")).to_contain_text("Tempo does not answer")
    expect(page.locator(".list tbody tr")).to_have_count(1)  # what was known stays to be read
    page.reload()
    expect(page.locator(".state.failed")).to_contain_text("Tempo does not answer")

    backend.start()
    expect(page.locator(".state.empty")).to_contain_text("No request")
    store(endpoints, "GET /car", "work")
    expect(page.locator(".list tbody tr")).to_have_count(1)


def test_samples_that_arrive_later_appear_by_themselves(open_page: OpenPage, page_of: PageOf, pair: Endpoints) -> None:
    trace_id, span_id = store(pair, "GET /late", seconds_ago=0.2)
    page = open_page(f"{page_of(pair)}/trace/{trace_id}/span/{span_id}")
    expect(page.locator(".state.waiting")).to_contain_text("on their way")

    push_samples(pair, "shop", [(("serve", "work"), 50 * MS, {"span_id": span_id})], time.time_ns())

    expect(page.locator(".flame [data-box]").first).to_be_visible(timeout=15_000)
