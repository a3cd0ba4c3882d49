"""The city's regions in Python, Go and Java: the same tests in each. Their negative twins: test_broken_regions.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from spanprofiles import Endpoints
from spanprofiles.clients import ProfileQuery
from spanprofiles.doctor import Examination, Verdict
from spanprofiles.linking import NotWaitingError
from spanprofiles.model import new_trace_id
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS
from spanprofiles.model.selector import service_selector
from spanprofiles.pytest_plugin import SpanProfiles
from spanprofiles.pytest_plugin.apps import RunningApp
from tests.support.fleet import (
    CARS,
    CHECKS_A_DRIVER,
    GO,
    JAVA,
    LANGUAGES,
    PYTHON,
    LanguageOfRegion,
    Start,
    builds,
    labels_of,
    start,
    together,
)

pytestmark = pytest.mark.slow

QUOTES = 20
HOPS = "X-Rideshare-Hops"

Doctor = Callable[..., Examination]


@pytest.fixture(scope="module", params=LANGUAGES, ids=lambda language: language.name)
def language(request: pytest.FixtureRequest) -> LanguageOfRegion:
    found: LanguageOfRegion = request.param
    return found


@pytest.fixture(scope="module")
def region(
    language: LanguageOfRegion, span_profiles_app: Start, span_profiles_endpoints: Endpoints
) -> Iterator[RunningApp]:
    builds()  # while Python's region is tested
    app = start(language, span_profiles_app, span_profiles_endpoints, f"city-{language.name.lower()}")
    ride_id = app.get("/scooter").json()["ride_id"]
    app.get(f"/receipt/{ride_id}")  # what is loaded and compiled when it first runs has now been
    yield app
    app.stop()


@pytest.fixture(scope="module")
def orders(region: RunningApp) -> Sequence[requests.Response]:
    """Three, for the tests that only look at what they left: each test's own would wait for its own upload."""
    return [region.get("/scooter") for _ in range(3)]


def test_the_cpu_of_orders_is_in_the_function_that_searches(
    orders: Sequence[requests.Response], language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    spans = [span_profiles.linked_span(order) for order in orders]

    assert [span.profile_id for span in spans] == [span.span_id for span in spans]
    assert {span.span.name for span in spans} == {"GET /scooter"}
    assert together(spans).share(language.search) > 0.5


def test_the_steps_of_an_order_are_child_spans_without_a_profile_id(
    orders: Sequence[requests.Response], span_profiles: SpanProfiles
) -> None:
    trace = span_profiles.trace(orders[0], lambda trace: len(trace.spans) >= 4)
    steps = {span.name: span for span in trace.spans}

    assert {"find_nearest_vehicle", "plan_route", "calculate_price"} <= set(steps)
    assert [step.name for step in steps.values() if step.profile_id] == ["GET /scooter"]


def test_profiles_tell_which_agent_took_them(
    orders: Sequence[requests.Response], language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    label, agent = language.agent

    assert labels_of(span_profiles.linked_span(orders[0]), label, span_profiles) == [agent]


def test_samples_carry_the_name_that_their_span_had_at_its_start(
    orders: Sequence[requests.Response], language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    span = span_profiles.linked_span(orders[0])

    assert language.sampled_as in labels_of(span, "span_name", span_profiles)


def test_each_sample_of_an_order_is_ten_milliseconds(
    orders: Sequence[requests.Response], span_profiles: SpanProfiles
) -> None:
    found = together(span_profiles.linked_span(order) for order in orders)

    assert not found.is_empty
    assert {cpu_ns % SAMPLE_PERIOD_NS for cpu_ns in found.stacks.values()} == {0}


@pytest.mark.parametrize("language", [JAVA], indirect=True, ids=["Java"])
def test_javas_region_samples_by_the_event_itimer(
    orders: Sequence[requests.Response], span_profiles: SpanProfiles
) -> None:
    assert labels_of(span_profiles.linked_span(orders[0]), "jfr_event", span_profiles) == ["itimer"]


def test_spans_have_the_route_and_profiles_the_region_that_dashboards_ask_for(
    orders: Sequence[requests.Response], language: LanguageOfRegion, span_profiles: SpanProfiles
) -> None:
    span = span_profiles.linked_span(orders[0])
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


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/bike?riders=2", 400, "riders must be at most 1 for a bike, not '2'"),
        ("/bike?riders=it's", 400, "riders must be a whole number from 1, not 'it's'"),
        ("/bike?lat=1&lon=x", 400, "lat must be from "),
        ("/quote", 400, "vehicle is missing; give one of bike, scooter, car"),
        (f"/quote?vehicle={'🚲' * 41}", 400, f"vehicle must be one of bike, scooter, car, not '{'🚲' * 40}...'"),
        ("/receipt/x?y=1", 400, "y is not a parameter; this route has none"),
        ("/receipt/nobodys", 404, " knows no such ride"),
        ("/boat", 404, "GET /boat: Not Found"),
        ("/bike/", 404, "GET /bike/: Not Found"),
    ],
)
def test_bad_requests_are_refused_alike(region: RunningApp, path: str, status: int, message: str) -> None:
    answer = region.get(path)

    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_of_what_is_wrong_in_a_request_the_hops_are_named_last(region: RunningApp) -> None:
    for path, hops, wrong in (("/bike?riders=2", "many", "riders"), ("/bike", "", HOPS), ("/bike", "3", HOPS)):
        answer = region.get(path, headers={HOPS: hops})

        assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, wrong)


def test_another_method_is_refused_with_those_that_are_allowed(region: RunningApp) -> None:
    refused = region.post("/bike")

    assert refused.status_code == 405
    assert refused.json()["error"]["message"] == "POST /bike: Method Not Allowed"
    assert {"GET", "HEAD"} <= set(refused.headers["Allow"].split(", "))


def test_the_doctor_finds_nothing_broken(
    orders: Sequence[requests.Response],
    language: LanguageOfRegion,
    span_profiles: SpanProfiles,
    span_profiles_doctor: Doctor,
) -> None:
    span_profiles.linked_span(orders[-1])

    found = span_profiles_doctor(f"city-{language.name.lower()}")

    assert found.broken is None, "\n".join(found.lines())
    assert found.finding("one span a sample").verdict is not Verdict.DOUBTFUL, "\n".join(found.lines())


@pytest.mark.parametrize("language", [JAVA], indirect=True, ids=["Java"])
def test_javas_extension_loses_what_a_ride_does_after_its_first_child_span(
    region: RunningApp, span_profiles: SpanProfiles
) -> None:
    """With an extension that keeps it this fails: then the documentation of what is lost has to go."""
    rides = [region.get("/car") for _ in range(CARS)]
    orders = [span_profiles.linked_span(ride) for ride in rides]
    first, last = (span_profiles.linker.query(orders[place].span) for place in (0, -1))
    of_the_service = ProfileQuery(service_selector(orders[0].service), first.start_ms, last.end_ms)

    assert together(orders).total_of(JAVA.search) > 0
    assert together(orders).total_of(CHECKS_A_DRIVER) == 0
    assert span_profiles.linker.pyroscope.merged_profile(of_the_service).total_of(CHECKS_A_DRIVER) > 0


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
