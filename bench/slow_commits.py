"""The demo app with slow commits: each request says which version of the code is to answer it, and how slow that is.

gunicorn loads it in the place of the app's own factory: ``bench.slow_commits:create_app()``. One process answers for
all versions, so that nothing but the code differs between them: two processes of the same program differ by a few per
cent for as long as they live. Requests come one at a time. A request for the code as it is runs the functions of the
app, and no line of this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

from flask import Flask

from bench import clocked
from rideshare import fleet, orders
from rideshare.faults.slow_code import drop_repeated_vehicles
from rideshare.fleet import SearchResult, Vehicle
from rideshare.geography import Position

COMMIT_HEADER = "X-Slow-Commit"
"""Name of the function that the commit made slow, and how much work it adds, with a space between."""

NEW_FUNCTION = "drop_repeated_vehicles"
"""A commit that calls a new function, as the demo's fault does: it compares so many vehicles with each other."""

OLD_FUNCTION = "smoothed_position"
"""A commit that makes an old function slower: it looks at so many fixes of each vehicle once more."""

_FURTHEST = 127

_find, _smoothed = fleet.find_nearest_vehicle, fleet.smoothed_position

_work = 0


# Functions of a module, with the names of those that they stand for: a flame graph shows the same names as before.


def find_nearest_vehicle(vehicles: Iterable[Vehicle], rider: Position) -> SearchResult:
    """Find the nearest vehicle, and look for repeated ones before."""
    every = tuple(vehicles)
    drop_repeated_vehicles(every[:_work])
    return _find(every, rider)


def smoothed_position(vehicle: Vehicle) -> Position:
    """Estimate where a vehicle is, and check its fixes before."""
    for metres in islice(cycle(vehicle.track), _work):
        if metres > _FURTHEST:
            raise ValueError(metres)
    return _smoothed(vehicle)


_COMMITS = {
    NEW_FUNCTION: (orders, "find_nearest_vehicle", find_nearest_vehicle),
    OLD_FUNCTION: (fleet, "smoothed_position", smoothed_position),
}


def create_app() -> Flask:
    """Make the demo app with a clock (:mod:`bench.clocked`) and with its slow commits."""
    app = clocked.create_app()
    inner = app.wsgi_app

    def committed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name, _, work = environ.get("HTTP_X_SLOW_COMMIT", "").partition(" ")
        if not name:
            return inner(environ, start_response)
        global _work  # noqa: PLW0603 - one request at a time
        _work = int(work)
        module, attribute, changed = _COMMITS[name]
        original = getattr(module, attribute)
        setattr(module, attribute, changed)
        try:
            return inner(environ, start_response)
        finally:
            setattr(module, attribute, original)

    app.wsgi_app = committed  # type: ignore[method-assign] # how Flask documents adding middleware
    return app
