"""How the benches tell in a profile whose work a stack is, in each language."""

from __future__ import annotations

import re

import pytest

from bench.languages import EVERY_ORDER, GO, JAVA, PYTHON, Language
from bench.regions import NEIGHBOURS, labels_of_its_own, used_ns
from rideshare.fleet import FLEET_SIZES
from spanprofiles.demo.fleet import java_region
from spanprofiles.model import Endpoints
from tests.support.repository import ROOT

FLASK = ("wsgi_app", "full_dispatch_request", "dispatch_request")
OTELHTTP = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp.(*middleware).serveHTTP"
CITY, APP = "rideshare/internal/city", "rideshare/internal/web.(*App)"
JAVALIN = "io/javalin/jetty/JavalinJettyServlet.service"
JETTY = ("java/lang/Thread.run", "org/eclipse/jetty/server/HttpChannel.handle")
HANDLER = "org/eclipse/jetty/server/handler/"


@pytest.mark.parametrize(
    ("language", "path", "route", "foreign"),
    [
        (PYTHON, (*FLASK, "bike", "find_nearest_vehicle"), "/bike", ""),
        (PYTHON, (*FLASK, "bike", "find_nearest_vehicle"), "/quote", "bike"),
        (PYTHON, ("bike", *FLASK), "/quote", ""),
        (GO, (OTELHTTP, f"{APP}.orderRide", f"{CITY}.FindNearestVehicle"), "/scooter", ""),
        (GO, (OTELHTTP, f"{APP}.orderRide", f"{CITY}.FindNearestVehicle"), "/quote", f"{APP}.orderRide"),
        (GO, (OTELHTTP, f"{APP}.orderRide", f"{CITY}.CheckDriver"), "/car", ""),
        (GO, (OTELHTTP, f"{APP}.orderRide", f"{CITY}.CheckDriver"), "/bike", f"{CITY}.CheckDriver"),
        (GO, (OTELHTTP, f"{APP}.payForRide"), "/receipt/{ride_id}", ""),
        (JAVA, (JAVALIN, "rideshare/web/Orders.orderRide"), "/bike", ""),
        (JAVA, (JAVALIN, "rideshare/web/Orders.quoteRide"), "/bike", "rideshare/web/Orders.quoteRide"),
        (JAVA, (JAVALIN, "rideshare/city/Driver.checkDriver"), "/scooter", "rideshare/city/Driver.checkDriver"),
    ],
)
def test_work_of_another_route_is_foreign(language: Language, path: tuple[str, ...], route: str, foreign: str) -> None:
    assert language.foreign(path, route) == foreign


@pytest.mark.parametrize(
    ("language", "inside", "outside"),
    [
        (PYTHON, ("serve", "Flask.wsgi_app", "bike"), ("serve", "accept")),
        (GO, ("net/http.(*conn).serve", OTELHTTP), ("net/http.(*conn).serve", "net/http.(*conn).readRequest")),
        (JAVA, (*JETTY, f"{HANDLER}HandlerWrapper.handle", JAVALIN), JETTY),
        (
            JAVA,
            (*JETTY, f"{HANDLER}HandlerWrapper.handle", f"{HANDLER}StatisticsHandler.handle"),
            (".unknown_Java", "asin"),
        ),
    ],
    ids=["Python", "Go", "Java", "Java, before the app is called"],
)
def test_what_happens_before_and_after_a_request_is_told_apart(
    language: Language, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    assert (language.in_a_request(inside), language.in_a_request(outside)) == (True, False)


def test_regions_in_java_have_labels_of_their_own_as_a_real_pyroscope_needs() -> None:
    fleet = java_region().environment(Endpoints("http://t", "http://p", "http://o"), "ride-sharing-app")
    labels = {labels_of_its_own(fleet, name)["PYROSCOPE_LABELS"] for name in NEIGHBOURS}

    assert len(labels) == len(NEIGHBOURS)
    assert labels_of_its_own({"OTEL_SERVICE_NAME": "ride-sharing-app"}, "eu-north") == {}


def test_as_many_vehicles_are_counted_as_the_regions_have() -> None:
    go = (ROOT / "fleet/go/internal/city/vehicles.go").read_text(encoding="utf-8")
    java = (ROOT / "fleet/java/src/main/java/rideshare/city/VehicleKind.java").read_text(encoding="utf-8")

    assert PYTHON.vehicles == {f"/{kind.value}": size for kind, size in FLEET_SIZES.items()}
    assert list(GO.vehicles.values()) == _numbers(r"(?:Bike|Scooter|Car): ([\d_]{4,})", go)
    assert list(JAVA.vehicles.values()) == _numbers(r'\("\w+", ([\d_]+), \d\)', java)
    assert {tuple(language.vehicles) for language in (PYTHON, GO, JAVA)} == {EVERY_ORDER}


def test_threads_that_have_ended_are_left_out_and_new_ones_count_whole() -> None:
    before = {"idle": 2_000, "busy": 100, "ended": 9_000}
    after = {"idle": 2_000, "busy": 350, "new": 40}

    assert used_ns(before, after) == 290


def _numbers(pattern: str, text: str) -> list[int]:
    return [int(found) for found in re.findall(pattern, text)]
