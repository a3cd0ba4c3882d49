"""More of the fleet: the regions' own checks, the settings of Java's extension that they do not use, `make fleet`."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanprofiles import Endpoints
from spanprofiles.backends import ManagedProcess
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.pytest_plugin.apps import RunningApp
from tests.support.documentation import needs_the_venv_of_make, run
from tests.support.fleet import (
    CARS,
    CHECKS_A_DRIVER,
    GO,
    JAVA,
    JAVA_OPTIONS,
    LANGUAGES,
    ROOT,
    LanguageOfRegion,
    Start,
    labels_of,
    made,
    start,
    together,
)

pytestmark = pytest.mark.exhaustive

START_S = 400.0


@pytest.mark.parametrize(
    ("language", "command", "printed"),
    [(GO, "gofmt -l .", ""), (GO, "go vet ./...", ""), (GO, "go test ./...", None), (JAVA, "mvn -q -B verify", None)],
    ids=["Go is formatted", "Go is vetted", "Go", "Java is formatted and tested"],
)
def test_the_regions_own_checks_pass(
    language: LanguageOfRegion, command: str, printed: str | None, tmp_path: Path
) -> None:
    assert language.fleet is not None
    if language.fleet.missing():
        pytest.skip(language.fleet.missing())
    copy = tmp_path / "copy"  # what is built of the region itself may be running
    shutil.copytree(language.fleet.folder, copy, ignore=shutil.ignore_patterns(language.fleet.made.name))

    checked = run(command, copy)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert printed is None or checked.stdout.strip() == printed


@pytest.fixture(scope="module")
def java_with_options(span_profiles_app: Start, span_profiles_endpoints: Endpoints) -> Iterator[RunningApp]:
    app = start(JAVA, span_profiles_app, span_profiles_endpoints, "java-with-options", **JAVA_OPTIONS)
    app.get("/scooter")  # what is loaded and compiled when it first runs has now been
    yield app
    app.stop()


def test_java_gives_each_span_an_id_of_its_own_and_the_harness_adds_them_up(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    rides = [java_with_options.get("/scooter") for _ in range(3)]
    orders = [span_profiles.linked_span(ride) for ride in rides]
    steps = [step for order in orders for step in order.added]
    searches = together(span_profiles.linked_span(step) for step in steps if step.name == "find_nearest_vehicle")

    assert {step.name for step in steps} == {"find_nearest_vehicle", "plan_route", "calculate_price"}
    assert [step.profile_id for step in steps] == [step.span_id for step in steps]
    assert together(orders).total_of(JAVA.search) == searches.total_of(JAVA.search) > 0
    assert together(orders).share(JAVA.search) > 0.5


def test_java_names_no_span_on_its_samples_where_that_is_turned_off(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    order = span_profiles.linked_span(java_with_options.get("/scooter"))

    assert labels_of(order, "span_name", span_profiles) == []


def test_java_labels_samples_that_it_takes_by_the_event_cpu(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    order = span_profiles.linked_span(java_with_options.get("/scooter"))

    assert labels_of(order, "jfr_event", span_profiles) == ["cpu"]
    assert order.flamegraph.cpu_ns > 0


def test_java_keeps_it_where_each_span_has_a_profile_id(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    rides = [java_with_options.get("/car") for _ in range(CARS)]
    orders = [span_profiles.linked_span(ride) for ride in rides]

    assert together(orders).total_of(CHECKS_A_DRIVER) > 0


@needs_the_venv_of_make
def test_make_fleet_shows_an_order_that_passes_through_all_languages() -> None:
    reasons = [made(language) for language in LANGUAGES]
    if any(reasons):
        pytest.skip("; ".join(filter(None, reasons)))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = "make fleet"

    with ManagedProcess(command, shlex.split(command), environment=environment, directory=ROOT) as process:
        process.wait_for_line(lambda line: "rides/s" in line, START_S)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the whole foreground group
        lines = process.wait_for_line(lambda line: "all processes are stopped" in line, START_S)

    printed = "\n".join(lines)
    assert "3 regions, each with its own flame graph: go, java, python" in printed
    crossing = printed[printed.index("each with its own flame graph") :]
    assert [name for name in ("ap-south", "us-west", "sa-east") if name in crossing] == [
        "ap-south",
        "us-west",
        "sa-east",
    ]
    assert crossing.count("└ span profile") == 3
