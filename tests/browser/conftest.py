"""A real browser, and pages to look at: one on the running demo, one on a pair that a test can fill and stop."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from spanprofiles.backends import EmbeddedBackend, ManagedProcess
from spanprofiles.backends.embedded import EmbeddedPorts
from spanprofiles.backends.ports import free_ports
from spanprofiles.model import Endpoints

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEMO = [sys.executable, "-m", "spanprofiles", "demo", "--users", "3"]
UI = [sys.executable, "-c", "from spanprofiles.cli.ui import command; command()"]
START_S = 120
#: How long a page may take, ms: a machine with other work takes more than the five seconds that are usual.
LONGEST_MS = 60_000

expect.set_options(timeout=LONGEST_MS)

#: Opens a window of the browser on an address.
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip where there is no browser."""
    if CHROMIUM is None:
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason="no browser here: install Debian's package chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Give a function that opens a window; afterwards no page may have had an error in its script or its policy."""
    contexts, complaints = [], []

    def open_window(
        address: str, *, width: int = 1280, height: int = 900, scheme: str = "light", script: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]  # light or dark
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONGEST_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.on("request", lambda request: complaints.append(request.url) if "127.0.0.1" not in request.url else None)
        page.goto(address)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="session")
def demo() -> Iterator[str]:
    """The address of the page of a running demo, from when its first ride is linked."""
    with ManagedProcess(
        "the demo", DEMO, environment={**os.environ, "PYTHONUNBUFFERED": "1"}, directory=ROOT
    ) as process:
        lines = process.wait_for_line(lambda line: "rides/s, linked" in line, START_S)
        (announced,) = [line for line in lines if line.startswith("the page: ")]
        yield announced.split()[-1]


@pytest.fixture
def stoppable_pair() -> Iterator[tuple[EmbeddedBackend, Endpoints]]:
    """A pair on ports of its own, which comes back on the same ones when it is started again."""
    backend = EmbeddedBackend(EmbeddedPorts(*free_ports(3)))
    try:
        yield backend, backend.start()
    finally:
        backend.stop()


@pytest.fixture(scope="session")
def pair() -> Iterator[Endpoints]:
    """A pair for what a test stores itself."""
    with EmbeddedBackend() as endpoints:
        yield endpoints


@pytest.fixture
def page_of() -> Iterator[Callable[[Endpoints], str]]:
    """Give a function that serves the page on a backend, by the command, and returns its address."""
    processes: list[ManagedProcess] = []

    def serve(endpoints: Endpoints) -> str:
        options = ["--port", "0", "--tempo", endpoints.tempo, "--pyroscope", endpoints.pyroscope]
        process = ManagedProcess("the page", [*UI, *options], directory=ROOT)
        processes.append(process)
        process.start()
        return process.wait_for_line(lambda line: line.startswith("page "), START_S)[-1].split()[1]

    yield serve
    for process in processes:
        process.stop()
