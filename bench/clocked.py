"""The demo app with a clock: each answer says how much CPU its thread used, and a route does as much work as asked.

gunicorn loads it in the place of the app's own factory: ``bench.clocked:create_app()``. The clock is the thread's own
(``CLOCK_THREAD_CPUTIME_ID``), which the profiling agent has no part in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

from flask import Flask

from rideshare import app as rideshare_app
from rideshare.fleet import find_nearest_vehicle
from rideshare.regions import VehicleKind
from rideshare.routes import CITY_EXTENSION

CPU_HEADER = "X-Thread-Cpu-Ns"
"""CPU of the thread from the request's arrival in the app to the start of the answer, ns."""

WALL_HEADER = "X-Wall-Ns"
"""The wall-clock time of the same, ns."""

LARGEST_SEARCH = 200_000
"""How many vehicles may be asked for."""


def create_app() -> Flask:
    """Make the demo app with the clock around it, and the route ``/search/<vehicles>``."""
    app = rideshare_app.create_app()
    city = app.extensions[CITY_EXTENSION]
    fleet = city.fleet[VehicleKind.BIKE]

    def search(vehicles: int) -> dict[str, Any] | tuple[dict[str, Any], int]:
        if not 1 <= vehicles <= LARGEST_SEARCH:
            return {"error": {"parameter": "vehicles", "message": f"must be from 1 to {LARGEST_SEARCH}"}}, 400
        return {"examined": find_nearest_vehicle(islice(cycle(fleet), vehicles), city.region.pick_up).examined}

    app.add_url_rule("/search/<int:vehicles>", view_func=search)
    inner = app.wsgi_app

    def clocked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()

        def start_with_clocks(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            clocks = [
                (CPU_HEADER, str(time.thread_time_ns() - cpu_ns)),
                (WALL_HEADER, str(time.perf_counter_ns() - wall_ns)),
            ]
            return start_response(status, [*headers, *clocks], *rest)

        return inner(environ, start_with_clocks)

    app.wsgi_app = clocked  # type: ignore[method-assign] # how Flask documents adding middleware
    return app
