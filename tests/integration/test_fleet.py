"""The city's regions in Python, Go and Java: the same tests, and the same negative twins, in each language."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from operator import add

import pytest

from spanprofiles import Endpoints
from spanprofiles.backends import ManagedProcess
from spanprofiles.clients import ProfileQuery
from spanprofiles.doctor import Examination, Verdict
from spanprofiles.linking import LinkedSpan, NoProfileIdError, NoSamplesError, NotWaitingError, Waiting
from spanprofiles.model import FlameGraph, new_trace_id
from spanprofiles.model.selector import service_selector
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.pytest_plugin.apps import RunningApp
from tests.support.documentation import needs_the_venv_of_make, run
from tests.support.fleet import FAULTS, GO, JAVA, JAVA_OPTIONS, LANGUAGES, PYTHON, ROOT, LanguageOfRegion

pytestmark = pytest.mark.exhaustive

START_S = 400.0
QUOTES = 20
#: In so many orders for a car, a fifth of which is the check of its driver, that has samples, however few a ride has.
CARS = 6
CHECKS_A_DRIVER = "rideshare/city/Driver.checkDriver"

Start = Callable[..., RunningApp]
Doctor = Callable[..., Examination]


@cache
def made(language: LanguageOfRegion) -> str:
    """Build a region once; returns why it cannot be, or an empty text."""
    if language.fleet is None:
        return ""
    reason = language.fleet.missing()
    if not reason:
        language.fleet.make()
    return reason


@pytest.mark.parametrize(
    ("language", "command", "printed"),
    [(GO, "gofmt -l .", ""), (GO, "go vet ./...", ""), (GO, "go test ./...", None), (JAVA, "mvn -q -B verify", None)],
    ids=["Go is formatted", "Go is vetted", "Go", "Java is formatted and tested"],
)
def test_the_regions_own_checks_pass(language: LanguageOfRegion, command: str, printed: str | None) -> None:
    assert language.fleet is not None
    if language.fleet.missing():
        pytest.skip(language.fleet.missing())

    checked = run(command, language.fleet.folder)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert printed is None or checked.stdout.strip() == printed


def start(
    language: LanguageOfRegion, starter: Start, endpoints: Endpoints, service: str, fault: str = "", **more: str
) -> RunningApp:
    reason = made(language)
    if reason:
        pytest.skip(reason)
    return starter(
        language.command(),
        ready="/health",
        environment={**language.environment(endpoints, service, fault), **more},
        cwd=ROOT,
        start_timeout=language.start_s,
        name=service,
    )


def together(spans: Iterable[LinkedSpan]) -> FlameGraph:
    """The flame graph of several: on a busy machine a single one has four or five samples in Java."""
    return reduce(add, (span.flamegraph for span in spans))


def labels_of(span: LinkedSpan, label: str, span_profiles: SpanProfiles) -> list[str]:
    """The values of a label of the profiles around a span."""
    query = span_profiles.linker.query(span.span)
    return span_profiles.linker.pyroscope.label_values(label, query.start_ms, query.end_ms, [query.selector])


@pytest.fixture(scope="module", params=LANGUAGES, ids=lambda language: language.name)
def language(request: pytest.FixtureRequest) -> LanguageOfRegion:
    found: LanguageOfRegion = request.param
    return found


@pytest.fixture(scope="module")
def region(
    language: LanguageOfRegion, span_profiles_app: Start, span_profiles_endpoints: Endpoints
) -> Iterator[RunningApp]:
    app = start(language, span_profiles_app, span_profiles_endpoints, f"city-{language.name.lower()}")
    ride_id = app.get("/scooter").json()["ride_id"]
    app.get(f"/receipt/{ride_id}")  # what is loaded and compiled when it first runs has now been
    yield app
    app.stop()


def test_the_cpu_of_orders_is_in_the_function_that_searches(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    spans = [span_profiles.linked_span(region.get("/scooter")) for _ in range(3)]

    assert [span.profile_id for span in spans] == [span.span_id for span in spans]
    assert {span.span.name for span in spans} == {"GET /scooter"}
    assert together(spans).share(language.search) > 0.5


def test_the_steps_of_an_order_are_child_spans_without_a_profile_id(
    region: RunningApp, span_profiles: SpanProfiles
) -> None:
    trace = span_profiles.trace(region.get("/scooter"), lambda trace: len(trace.spans) >= 4)
    steps = {span.name: span for span in trace.spans}

    assert {"find_nearest_vehicle", "plan_route", "calculate_price"} <= set(steps)
    assert [step.name for step in steps.values() if step.profile_id] == ["GET /scooter"]


def test_profiles_tell_which_agent_took_them(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    label, agent = language.agent

    assert labels_of(span_profiles.linked_span(region.get("/scooter")), label, span_profiles) == [agent]


def test_samples_carry_the_name_that_their_span_had_at_its_start(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    span = span_profiles.linked_span(region.get("/scooter"))

    assert language.sampled_as in labels_of(span, "span_name", span_profiles)


@pytest.mark.parametrize("language", [JAVA], indirect=True, ids=["Java"])
def test_javas_region_samples_by_the_event_itimer(region: RunningApp, span_profiles: SpanProfiles) -> None:
    assert labels_of(span_profiles.linked_span(region.get("/scooter")), "jfr_event", span_profiles) == ["itimer"]


def test_spans_have_the_route_and_profiles_the_region_that_dashboards_ask_for(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    span = span_profiles.linked_span(region.get("/scooter"))
    query = span_profiles.linker.query(span.span)

    found = {
        label: span_profiles.linker.pyroscope.label_values(label, query.start_ms, query.end_ms, [query.selector])
        for label in ("region", "hostname")
    }

    assert span.span.attributes["http.route"] == "/scooter"
    assert found == {"region": [language.region], "hostname": [f"rideshare-{language.region}"]}


def test_two_orders_at_once_have_samples_of_their_own(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    with ThreadPoolExecutor(2) as pool:
        spans = [span_profiles.linked_span(answer) for answer in pool.map(region.get, ["/scooter", "/scooter"])]

    first, second = (span.profile_id for span in spans)
    assert first != second
    assert together(spans).share(language.search) > 0.5


def test_a_receipt_waits_and_has_no_cpu_to_speak_of(region: RunningApp, span_profiles: SpanProfiles) -> None:
    ride_id = region.get("/bike").json()["ride_id"]

    span_profiles.waiting_span(region.get(f"/receipt/{ride_id}"))


def test_a_quote_is_too_short_to_be_claimed_to_wait(region: RunningApp, span_profiles: SpanProfiles) -> None:
    quotes = [region.get("/quote?vehicle=bike") for _ in range(QUOTES)]  # one is short, however busy the machine
    spans = [span_profiles.trace(quote).local_roots[0] for quote in quotes]
    shortest = min(range(QUOTES), key=lambda index: spans[index].duration_ns)

    with pytest.raises(NotWaitingError, match="too short to tell waiting from computing"):
        span_profiles.waiting_span(quotes[shortest])


def test_an_order_of_an_unsampled_trace_leaves_nothing(region: RunningApp, span_profiles: SpanProfiles) -> None:
    unsampled = region.get("/scooter", headers={"traceparent": f"00-{new_trace_id()}-00000000000000ab-00"})
    span_profiles.linked_span(region.get("/scooter"))  # what was sent before this has arrived

    assert unsampled.ok
    assert span_profiles.linker.follow(unsampled).look() is None


def test_bad_requests_are_refused_alike(region: RunningApp) -> None:
    answers = {path: region.get(path) for path in ("/bike?riders=2", "/quote", "/boat", "/receipt/nobodys")}

    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/bike?riders=2": 400,
        "/quote": 400,
        "/boat": 404,
        "/receipt/nobodys": 404,
    }
    assert answers["/bike?riders=2"].json()["error"] == {
        "parameter": "riders",
        "message": "riders must be at most 1 for a bike, not '2'",
    }
    assert answers["/quote"].json()["error"]["message"] == "vehicle is missing; give one of bike, scooter, car"


def test_the_doctor_finds_nothing_broken(
    region: RunningApp, language: LanguageOfRegion, span_profiles: SpanProfiles, span_profiles_doctor: Doctor
) -> None:
    span_profiles.linked_span(region.get("/scooter"))

    found = span_profiles_doctor(f"city-{language.name.lower()}")

    assert found.broken is None, "\n".join(found.lines())
    assert found.finding("one span a sample").verdict is not Verdict.DOUBTFUL, "\n".join(found.lines())


@pytest.fixture(scope="module")
def java_with_options(span_profiles_app: Start, span_profiles_endpoints: Endpoints) -> Iterator[RunningApp]:
    app = start(JAVA, span_profiles_app, span_profiles_endpoints, "java-with-options", **JAVA_OPTIONS)
    app.get("/scooter")  # what is loaded and compiled when it first runs has now been
    yield app
    app.stop()


def test_java_gives_each_span_an_id_of_its_own_and_the_harness_adds_them_up(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    orders = [span_profiles.linked_span(java_with_options.get("/scooter")) for _ in range(3)]
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


@pytest.mark.parametrize("language", [JAVA], indirect=True, ids=["Java"])
def test_javas_extension_loses_what_a_ride_does_after_its_first_child_span(
    region: RunningApp, span_profiles: SpanProfiles
) -> None:
    """With an extension that keeps it this fails: then the documentation of what is lost has to go."""
    orders = [span_profiles.linked_span(region.get("/car")) for _ in range(CARS)]
    first, last = (span_profiles.linker.query(orders[place].span) for place in (0, -1))
    of_the_service = ProfileQuery(service_selector(orders[0].service), first.start_ms, last.end_ms)

    assert together(orders).total_of(JAVA.search) > 0
    assert together(orders).total_of(CHECKS_A_DRIVER) == 0
    assert span_profiles.linker.pyroscope.merged_profile(of_the_service).total_of(CHECKS_A_DRIVER) > 0


def test_java_keeps_it_where_each_span_has_a_profile_id(
    java_with_options: RunningApp, span_profiles: SpanProfiles
) -> None:
    orders = [span_profiles.linked_span(java_with_options.get("/car")) for _ in range(CARS)]

    assert together(orders).total_of(CHECKS_A_DRIVER) > 0


@pytest.mark.parametrize("language", [JAVA], indirect=True, ids=["Python to Go to Java"])
def test_an_order_passes_from_language_to_language_with_a_flame_graph_in_each(
    region: RunningApp, span_profiles_app: Start, span_profiles_endpoints: Endpoints, span_profiles: SpanProfiles
) -> None:
    go = start(GO, span_profiles_app, span_profiles_endpoints, "crossing-go", RIDESHARE_NEIGHBOUR_URL=region.base_url)
    python = start(
        PYTHON,
        span_profiles_app,
        span_profiles_endpoints,
        "crossing-python",
        RIDESHARE_REGION="ap-south",  # where all cars are out
        RIDESHARE_NEIGHBOUR_URL=go.base_url,
    )

    ordered = python.get("/car")
    spans = span_profiles.linked_spans(ordered, count=3)

    go.stop()
    python.stop()
    assert ordered.json()["region"] == JAVA.region
    assert {span.service for span in spans} == {"crossing-python", "crossing-go", "city-java"}
    functions = frozenset().union(*(span.flamegraph.functions for span in spans))
    assert {language.search for language in LANGUAGES} <= functions


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


@pytest.mark.parametrize(
    ("language", "fault"), FAULTS, ids=[f"{language.name}: {fault}" for language, fault in FAULTS], scope="function"
)
def test_the_doctor_names_what_is_broken_and_advises_in_its_language(
    language: LanguageOfRegion,
    fault: str,
    span_profiles_app: Start,
    span_profiles_endpoints: Endpoints,
    span_profiles: SpanProfiles,
    span_profiles_doctor: Doctor,
) -> None:
    expected = language.faults[fault]
    service = f"{language.name.lower()}-{fault.replace(' ', '-')}"
    app = start(language, span_profiles_app, span_profiles_endpoints, service, fault)
    ordered = app.get("/scooter")
    span_profiles.trace(ordered)
    with pytest.raises((NoProfileIdError, NoSamplesError)):
        span_profiles.linker.with_waiting(Waiting(4)).linked_span(ordered)

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = span_profiles_doctor(service)
        if found.broken is not None and found.broken.hop == expected.hop:
            break
        app.get("/scooter")

    app.stop()
    assert found.broken is not None, "\n".join(found.lines())
    assert found.broken.hop == expected.hop, "\n".join(found.lines())
    assert expected.advice in found.broken.advice, found.broken.advice
    assert expected.evidence in " ".join(found.broken.evidence), found.broken.evidence
