"""Seconds until the page shows a flame graph of 5,000 frames, ms until it is zoomed, and the list over 10,000 traces.

An embedded pair is filled, the page is served on it, and a real browser (Debian's Chromium, by Playwright) measures.
"""

from __future__ import annotations

import argparse
import base64
import random
import shutil
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from playwright.sync_api import Page, sync_playwright

from spanprofiles.backends import EmbeddedBackend, ManagedProcess
from spanprofiles.model import Endpoints, FlameGraph, new_span_id, new_trace_id
from spanprofiles.model.pprof import pprof_profile

FRAMES, TRACES = 5_000, 10_000
PAINT_BAR_MS, ZOOM_BAR_MS = 1000, 200
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE = ["-c", "from spanprofiles.cli.ui import command; command()"]
_BATCH = 500


def large_flamegraph(frames: int) -> FlameGraph:
    """Return a flame graph of so many frames, deep and ragged, each with 10 ms of its own."""
    chance = random.Random(7)  # variety, not a secret
    stacks: dict[tuple[str, ...], int] = {}
    prefixes: list[tuple[str, ...]] = [("main", "serve")]
    places = {("main",), ("main", "serve")}
    while len(places) < frames:
        path = (*chance.choice(prefixes[-400:]), f"package_{len(places) % 37}.function_{len(places)}")
        if len(path) > 60:
            continue
        prefixes.append(path)
        places.add(path)
        stacks[path] = 10_000_000
    return FlameGraph(stacks)


def span(trace_id: str, span_id: str, route: str, start_ns: int, length_ns: int) -> dict[str, object]:
    """Return a server span in OTLP/JSON."""
    attributes = {"pyroscope.profile.id": span_id, "http.route": route, "http.request.method": "GET"}
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "name": f"GET {route}",
        "kind": 2,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + length_ns),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }


def push_spans(endpoints: Endpoints, spans: list[dict[str, object]]) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    requests.post(f"{endpoints.otlp_http}/v1/traces", json=body, timeout=30).raise_for_status()


def push_profile(endpoints: Endpoints, flamegraph: FlameGraph, span_id: str, time_ns: int) -> None:
    """Push a flame graph as a profile of which all samples carry the span's ID."""
    profile = pprof_profile(flamegraph, time_ns=time_ns, duration_ns=10**9, labels={"span_id": span_id})
    labels = [{"name": "__name__", "value": "process_cpu"}, {"name": "service_name", "value": "bench"}]
    sample = {"ID": str(uuid.uuid4()), "rawProfile": base64.b64encode(profile).decode()}
    body = {"series": [{"labels": labels, "samples": [sample]}]}
    url = f"{endpoints.pyroscope}/push.v1.PusherService/Push"
    answer = requests.post(url, json=body, timeout=60)
    if not answer.ok:
        raise SystemExit(f"the profile was refused: {answer.text[:300]}")


@contextmanager
def page_of(endpoints: Endpoints) -> Iterator[str]:
    """Serve the page as a process and give its address."""
    command = [sys.executable, *PAGE, "--port", "0", "--tempo", endpoints.tempo, "--pyroscope", endpoints.pyroscope]
    with ManagedProcess("the page", command) as process:
        lines = process.wait_for_line(lambda line: line.startswith("page "), 20)
        yield lines[-1].split()[1]


def first_paint_ms(page: Page, url: str) -> float:
    """Return ms from the navigation's start to the first paint that has the picture in it."""
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".flame [data-box]")
    return float(
        page.evaluate(
            """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"""
        )
    )


def zoom_ms(page: Page, index: int) -> float:
    """Return ms from a click on a box to the frame after it is drawn."""
    return float(
        page.evaluate(
            """(index) => new Promise((done) => {
                const box = document.querySelector(`[data-box="${index}"]`), start = performance.now();
                box.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
                requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
            })""",
            index,
        )
    )


def list_ms(page: Page, url: str) -> float:
    """Return ms from the navigation's start to the list."""
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".list tbody tr")
    return float(page.evaluate("performance.now()"))


def shown(name: str, figures: list[float], bar_ms: float) -> None:
    worst, middle = max(figures), statistics.median(figures)
    print(f"{name}: median {middle:.0f} ms, worst {worst:.0f} ms of {len(figures)} (bar {bar_ms} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5, help="how many times each (default 5)")
    runs = parser.parse_args().runs
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("a browser is needed: install Debian's package chromium")
    with EmbeddedBackend() as endpoints, page_of(endpoints) as address, sync_playwright() as playwright:
        now_ns = time.time_ns()
        print(f"storing {TRACES} traces and a profile of {FRAMES} frames", flush=True)
        for batch in range(0, TRACES, _BATCH):
            spans = []
            for number in range(batch, batch + _BATCH):
                start_ns = now_ns - (TRACES - number) * 60_000_000
                spans.append(span(new_trace_id(), new_span_id(), f"/route{number % 5}", start_ns, 50_000_000))
            push_spans(endpoints, spans)
        trace_id, span_id = new_trace_id(), new_span_id()
        flamegraph = large_flamegraph(FRAMES)
        push_spans(endpoints, [span(trace_id, span_id, "/large", now_ns, 2_000_000_000)])
        push_profile(endpoints, flamegraph, span_id, now_ns)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        url = f"{address}/trace/{trace_id}/span/{span_id}"
        paints = [first_paint_ms(page, url) for _ in range(runs)]
        print(page.locator("[data-counts]").inner_text())
        shown("first paint of the flame graph", paints, PAINT_BAR_MS)
        zooms = []
        for _ in range(runs):
            zooms += [zoom_ms(page, 2), zoom_ms(page, 0)]
        shown("zoom", zooms, ZOOM_BAR_MS)
        shown("list over all traces", [list_ms(page, f"{address}/?window=1h") for _ in range(runs)], PAINT_BAR_MS)
        browser.close()


if __name__ == "__main__":
    main()
