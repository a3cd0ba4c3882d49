"""The languages of the demo's regions: how one is run, and how a stack tells whose work it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.command import BenchError, tell
from spanprofiles.demo.fleet import FleetRegion, go_region, java_region

Stack = tuple[str, ...]

ORDERS = frozenset({"/bike", "/scooter", "/car"})
EVERY_ORDER = ("/bike", "/scooter", "/car")


@dataclass(frozen=True)
class Language:
    """A language, and what the profiles of its regions look like.

    Attributes:
        name: its name on the command line.
        in_a_request: tells whether a stack runs through the handling of a request.
        foreign: returns what of a stack is no work of a route, such as another route's view; else nothing.
        search: the function that looks at each vehicle.
        vehicles: how many it looks at, by path.
        request_threads: how the names of the threads begin that do nothing but answer requests; empty where the threads
            of a process do everything in turn.
        fleet: how a region is built and run; None for Python.
        interval_unit: what stands behind the seconds of an upload interval.
    """

    name: str
    in_a_request: Callable[[Stack], bool]
    foreign: Callable[[Stack, str], str]
    search: str
    vehicles: Mapping[str, int]
    request_threads: str = ""
    fleet: Callable[[], FleetRegion] | None = None
    interval_unit: str = ""

    def interval(self, seconds: int) -> str:
        """Return an upload interval as its agent reads it."""
        return f"{seconds}{self.interval_unit}"

    def build(self) -> FleetRegion | None:
        """Build a region, where that has to be done.

        Raises:
            BenchError: what it takes is not on this machine.
            DemoError: it cannot be built.
        """
        if self.fleet is None:
            return None
        region = self.fleet()
        missing = region.missing()
        if missing:
            raise BenchError(missing)
        tell(f"building the region in {region.language}")
        region.make()
        return region


def python_foreign(path: Stack, route: str) -> str:
    """Return the view that a stack runs through and that is not the route's own; else nothing.

    Before Python 3.11, frames lack the class's name.
    """
    methods = [name.rpartition(".")[2] for name in path]
    if _DISPATCH not in methods[:-1]:
        return ""  # before or after the view
    view = path[methods.index(_DISPATCH) + 1]
    return view if view in _VIEWS.values() and view != _VIEWS.get(route, "") else ""


def foreign_to(routes: Mapping[str, frozenset[str]]) -> Callable[[Stack, str], str]:
    """Return a function that finds in a stack what a route does not do.

    Args:
        routes: the routes that run a function, by the function's name.
    """

    def foreign(path: Stack, route: str) -> str:
        return next((name for name in path if name in routes and route not in routes[name]), "")

    return foreign


_VIEWS = {
    "/bike": "bike",
    "/scooter": "scooter",
    "/car": "car",
    "/quote": "quote",
    "/receipt/<ride_id>": "receipt",
}
"""The view function of each route, as frames are named."""

_HANDLING, _DISPATCH = "wsgi_app", "dispatch_request"
"""Flask's methods that handle a request and call its view."""


def _runs_through(*names: str) -> Callable[[Stack], bool]:
    """Return a function that tells whether a stack has a frame of one of these names."""
    wanted = frozenset(names)
    return lambda path: not wanted.isdisjoint(path)


def _vehicles(bikes: int, scooters: int, cars: int) -> dict[str, int]:
    return dict(zip(EVERY_ORDER, (bikes, scooters, cars), strict=True))


PYTHON = Language(
    "python",
    in_a_request=lambda path: any(name.rpartition(".")[2] == _HANDLING for name in path),
    foreign=python_foreign,
    search="find_nearest_vehicle",
    vehicles=_vehicles(1_500, 3_050, 4_700),
)
GO = Language(
    "go",
    in_a_request=_runs_through("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp.(*middleware).serveHTTP"),
    foreign=foreign_to(
        {
            "rideshare/internal/web.(*App).orderRide": ORDERS,
            "rideshare/internal/web.(*App).quoteRide": frozenset({"/quote"}),
            "rideshare/internal/web.(*App).payForRide": frozenset({"/receipt/{ride_id}"}),
            "rideshare/internal/city.CheckDriver": frozenset({"/car"}),
        }
    ),
    search="rideshare/internal/city.FindNearestVehicle",
    vehicles=_vehicles(15_000, 30_500, 47_000),
    fleet=go_region,
)
JAVA = Language(
    "java",
    in_a_request=_runs_through(
        "org/eclipse/jetty/server/handler/HandlerWrapper.handle"
    ),  # where the agent begins spans
    foreign=foreign_to(
        {
            "rideshare/web/Orders.orderRide": ORDERS,
            "rideshare/web/Orders.quoteRide": frozenset({"/quote"}),
            "rideshare/web/Orders.receipt": frozenset({"/receipt/{ride_id}"}),
            "rideshare/city/Driver.checkDriver": frozenset({"/car"}),
        }
    ),
    search="rideshare/city/Fleet.findNearestVehicle",
    vehicles=_vehicles(7_500, 15_250, 23_500),
    request_threads="JettyServer",
    fleet=java_region,
    interval_unit="s",
)
LANGUAGES = {language.name: language for language in (PYTHON, GO, JAVA)}
