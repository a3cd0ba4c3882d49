"""The demo with its page, as one process: backend, regions, load, page. Prints the page's address, ends on SIGTERM.

Run it with `python -m tests.browser.running_demo [PORT]` to look at the page by hand.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from contextlib import suppress
from dataclasses import fields
from types import FrameType
from typing import NoReturn

from spanprofiles.backends.ports import free_ports
from spanprofiles.demo import DemoPorts, DemoStack
from spanprofiles.ui import DemoControls, create_app, serve

USERS = 3
TOKEN_VARIABLE = "RIDESHARE_ADMIN_TOKEN"  # a variable's name


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  # the signal module's signature
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    token = secrets.token_urlsafe(16)
    os.environ[TOKEN_VARIABLE] = token  # the regions inherit it
    ports = DemoPorts(*free_ports(len(fields(DemoPorts))))  # not the usual ones: another demo may run
    stack = DemoStack(ports, USERS)
    with suppress(KeyboardInterrupt):
        try:
            stack.launch()
            endpoints = stack.await_backend()
            for name in stack.regions:
                stack.await_region(name)
            stack.start_load()
            regions = {name: region.url for name, region in stack.regions.items()}
            controls = DemoControls(regions, token, stack.locust_url)
            port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
            serve(create_app(endpoints, controls), port=port, announce=lambda url: print(f"page {url}", flush=True))  # noqa: T201  # what the fixture waits for
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
