"""What every page says at its top where requests lead to no samples, and when it says nothing."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from spanprofiles.linking import Linker, Waiting
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.ui import DemoControls, create_app, link_monitor
from spanprofiles.ui.confirmation import Confirmation
from spanprofiles.ui.cpu import CpuCache, CpuState, Known, ProfiledSpan
from spanprofiles.ui.link_monitor import Break, Entry, ServiceRegion, silent_regions, suspects
from spanprofiles.ui.views import alarm
from tests.unit.conftest import Answer, Serve
from tests.unit.ui.conftest import MS, StoreRide
from tests.unit.ui.test_pages import NOBODY, STACKS, a_service

pytestmark = pytest.mark.slow

SETTLED_AFTER_S = 1.7
REGIONS = ("north", "south")


@pytest.fixture(autouse=True)
def patient_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the alarm take its time, and tell of every service: other tests' are on the same backend."""
    monkeypatch.setattr(alarm, "_LOOK_TIMEOUT_S", 30.0)
    monkeypatch.setattr(alarm, "_LINES", 1000)


def told_of(page: FlaskClient, service: str, address: str = "/alarm") -> str:
    """Return what the alarm says of a service; empty where it says nothing."""
    lines = re.findall(r"<p>.*?</p>", page.get(address, follow_redirects=True).text, re.DOTALL)
    return next((re.sub(r"\s+", " ", line) for line in lines if f"?service={service}" in line), "")


def entry(region: str = "north", *, seconds_ago: float = 10, profile_id: str | None = None) -> Entry:
    """A request; an empty profile ID stands for none."""
    profile_id = new_span_id() if profile_id is None else profile_id
    end_ns = time.time_ns() - round(seconds_ago * 1e9)
    profiled = ProfiledSpan(profile_id, "shop", end_ns - 100 * MS, end_ns) if profile_id else None
    return Entry(
        ServiceRegion("shop", region), new_trace_id(), new_span_id(), "/bike", profiled, end_ns - 100 * MS, end_ns
    )


def known(entries: list[Entry], state: CpuState, cpu_ns: int = 0) -> dict[str, Known]:
    return {entry.profiled.profile_id: Known(state, cpu_ns) for entry in entries if entry.profiled}


def test_dead_links_are_told_on_every_page_with_the_way_to_the_doctor(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    rides = [store_ride(service, seconds_ago=40, region="north") for _ in range(4)]

    for address in ("/", "/alarm", f"/trace/{rides[0].trace_id}", "/compare", "/tour"):
        told = told_of(page, service, address)
        assert "Links are dead in north" in told
        assert "none of the last 4 requests leads to samples" in told
        assert "The doctor says: broken hop: profiles." in told
        assert f'href="/doctor?service={service}"' in told


def test_the_doctors_own_page_says_it_once(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(4):
        store_ride(service, seconds_ago=40)

    assert "data-alarm" not in page.get(f"/doctor?service={service}").text


def test_where_one_of_the_newest_is_linked_nothing_is_said(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    store_ride(service, STACKS, seconds_ago=30)
    for _ in range(4):
        store_ride(service, seconds_ago=40)

    assert told_of(page, service) == ""


def test_a_few_requests_prove_nothing(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(2):
        store_ride(service, seconds_ago=40)
    for _ in range(10):
        store_ride(service, seconds_ago=40, milliseconds=10)

    assert told_of(page, service) == ""


def test_requests_that_waited_are_no_alarm(page: FlaskClient, store_ride: StoreRide) -> None:
    service = a_service()
    for _ in range(6):
        store_ride(service, STACKS, seconds_ago=45)
    for _ in range(5):
        store_ride(service, name="GET /receipt", route="/receipt", seconds_ago=30)

    assert told_of(page, service) == ""


def test_a_service_that_nobody_profiles_is_no_alarm_beside_one_that_is(
    page: FlaskClient, store_ride: StoreRide
) -> None:
    store_ride(a_service(), STACKS, seconds_ago=40)
    service = a_service()
    for _ in range(4):
        store_ride(service, seconds_ago=40, with_profile_id=False)

    assert told_of(page, service) == ""


def test_in_the_demo_it_is_one(embedded_pair: Endpoints, store_ride: StoreRide) -> None:
    page = create_app(embedded_pair, DemoControls({"north": NOBODY})).test_client()
    service = a_service()
    for _ in range(4):
        store_ride(service, seconds_ago=3, with_profile_id=False)

    assert "none of the last 4 rides carries a profile ID" in told_of(page, service)


def test_in_the_demo_a_link_is_dead_as_soon_as_its_upload_is_overdue(
    embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    page = create_app(embedded_pair, DemoControls({"north": NOBODY})).test_client()
    service = a_service()
    for _ in range(4):
        store_ride(service, seconds_ago=SETTLED_AFTER_S + 0.2)

    assert f"Links of {service} are dead" in told_of(page, service)


@pytest.mark.parametrize(
    ("routes", "is_open", "told"),
    [(["/bike", "/car"], False, True), (["/bike"], False, False), (["/bike", "/car"], True, False)],
)
def test_in_the_demo_requests_of_several_kinds_do_not_all_wait(
    embedded_pair: Endpoints,
    store_ride: StoreRide,
    monkeypatch: pytest.MonkeyPatch,
    routes: list[str],
    is_open: bool,
    told: bool,
) -> None:
    monkeypatch.setattr(link_monitor, "confirm", lambda *_: Confirmation(is_dead=False, is_open=is_open))
    service = a_service()
    for route in routes * 3:
        store_ride(service, seconds_ago=3, route=route)

    demo = create_app(embedded_pair, DemoControls({"north": NOBODY})).test_client()
    any_service = create_app(embedded_pair).test_client()

    assert bool(told_of(demo, service)) is told
    assert told_of(any_service, service) == ""


def test_a_server_that_is_away_is_told_elsewhere(embedded_pair: Endpoints) -> None:
    page = create_app(replace(embedded_pair, tempo=NOBODY)).test_client()

    assert page.get("/alarm").text == ""


@pytest.mark.parametrize(("riders", "requests", "told"), [(3, 40, True), (3, 2, False), (0, 40, False)])
def test_a_demo_whose_load_leaves_no_trace_says_so(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, riders: int, requests: int, told: bool
) -> None:
    monkeypatch.setattr(link_monitor, "_LOUD_FOR_S", 0.0)
    tempo = serve(lambda _: Answer.of({"traces": []}))
    locust = serve(lambda _: Answer.of({"user_count": riders, "stats": [{"num_requests": requests}]}))
    controls = DemoControls({"north": NOBODY, "south": NOBODY}, locust_url=locust.url)

    text = create_app(Endpoints(tempo=tempo.url, pyroscope=NOBODY), controls).test_client().get("/alarm").text

    assert ("No trace comes from north and south" in text) is told


def test_spans_that_may_be_on_their_way_are_awaited_before_that_is_said(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_monitor, "_LOUD_FOR_S", 1000.0)
    tempo = serve(lambda _: Answer.of({"traces": []}))
    locust = serve(lambda _: Answer.of({"user_count": 3, "stats": [{"num_requests": 40}]}))
    controls = DemoControls({"north": NOBODY}, locust_url=locust.url)

    text = create_app(Endpoints(tempo=tempo.url, pyroscope=NOBODY), controls).test_client().get("/alarm").text

    assert "No trace" not in text
    assert "data-sooner" in text


def test_after_first_rides_without_samples_a_demos_page_asks_sooner_until_it_knows(
    embedded_pair: Endpoints, store_ride: StoreRide
) -> None:
    page = create_app(embedded_pair, DemoControls({"north": NOBODY})).test_client()
    service = a_service()
    for _ in range(3):
        store_ride(service, seconds_ago=0.2, with_profile_id=True)

    texts = [page.get("/alarm").text]
    for _ in Waiting(30).attempts():
        texts.append(page.get("/alarm").text)
        if service in texts[-1]:
            break

    assert f"Links of {service} are dead" in texts[-1]
    assert "data-sooner" not in texts[-1]


@pytest.mark.parametrize(
    ("seconds_ago", "linked", "pending"), [(0.2, False, True), (0.2, True, False), (30, False, False)]
)
def test_only_what_has_begun_and_is_not_linked_is_asked_for_sooner(
    seconds_ago: float, linked: bool, pending: bool
) -> None:
    entries = [entry(seconds_ago=seconds_ago + place) for place in range(4)]
    states = known(entries, CpuState.WAITING)
    if linked:
        states |= known(entries[-1:], CpuState.FOUND, MS)

    assert link_monitor._may_be_dead(entries, states, time.time_ns()) is pending


def test_a_span_is_asked_about_again_as_soon_as_its_samples_must_have_come(serve: Serve) -> None:
    pyroscope = serve(lambda _: Answer.of({}))
    cpu_cache = CpuCache(Linker.of(Endpoints(tempo=NOBODY, pyroscope=pyroscope.url)).pyroscope)
    end_ns = time.time_ns()
    span = ProfiledSpan(new_span_id(), "shop", end_ns - 100 * MS, end_ns)

    for settled_after_s in (1000.0, 1000.0, 0.001, 0.001):
        time.sleep(0.002)  # longer than the shorter time
        assert cpu_cache.look([span], 30, settled_after_s)[span.profile_id].state is CpuState.WAITING
    cpu_cache.close()

    assert len(pyroscope.seen) == 2


def test_requests_too_short_for_samples_are_traces_all_the_same(serve: Serve) -> None:
    span = {"spanID": "1" * 16, "startTimeUnixNano": str(time.time_ns()), "durationNanos": str(2 * MS)}
    short = {"traceID": "1" * 32, "spanSets": [{"spans": [span]}]}
    tempo = serve(lambda seen: Answer.of({"traces": [] if "duration" in seen.query["q"] else [short]}))
    locust = serve(lambda _: Answer.of({"user_count": 3, "stats": [{"num_requests": 40}]}))
    controls = DemoControls({"north": NOBODY}, locust_url=locust.url)

    page = create_app(Endpoints(tempo=tempo.url, pyroscope=NOBODY), controls).test_client()

    assert page.get("/alarm").text == ""
    assert len(tempo.seen) == 2


def test_samples_that_may_still_come_are_awaited() -> None:
    young, old = [entry(seconds_ago=1) for _ in range(5)], [entry(seconds_ago=4) for _ in range(3)]
    states = known([*young, *old], CpuState.WAITING)

    found = suspects([*young, *old], states, time.time_ns(), SETTLED_AFTER_S, all_profiled=True)

    assert found == [(Break.NO_SAMPLES, old)]


def test_a_region_is_judged_by_itself_and_by_its_newest_requests() -> None:
    before, after = [entry(seconds_ago=30) for _ in range(5)], [entry(seconds_ago=5) for _ in range(5)]
    elsewhere = [entry("south", seconds_ago=5) for _ in range(5)]
    states = (
        known(before, CpuState.FOUND, 80 * MS) | known(after, CpuState.NONE) | known(elsewhere, CpuState.FOUND, 80 * MS)
    )

    found = suspects([*after, *elsewhere, *before], states, time.time_ns(), SETTLED_AFTER_S, all_profiled=True)

    assert found == [(Break.NO_SAMPLES, after)]


def test_regions_with_few_requests_are_judged_together() -> None:
    here, there = [entry("north") for _ in range(2)], [entry("south") for _ in range(2)]
    states = known([*here, *there], CpuState.NONE)

    found = suspects([*here, *there], states, time.time_ns(), SETTLED_AFTER_S, all_profiled=True)
    with_a_linked_one = suspects(
        [*here, *there], states | known(there[:1], CpuState.FOUND, MS), time.time_ns(), 0, all_profiled=True
    )

    assert found == [(Break.NO_SAMPLES, [*here, *there])]
    assert with_a_linked_one == []


def test_without_any_profile_id_anywhere_each_service_is_a_suspect() -> None:
    bare = [entry(profile_id="") for _ in range(3)]
    southern = entry("south")

    alone = suspects(bare, {}, time.time_ns(), SETTLED_AFTER_S, all_profiled=False)
    beside = suspects(
        [*bare, southern], known([southern], CpuState.FOUND, MS), time.time_ns(), SETTLED_AFTER_S, all_profiled=False
    )

    assert alone == [(Break.NO_PROFILE_ID, bare)]
    assert beside == []


def test_a_region_is_silent_when_many_requests_came_from_the_others_since() -> None:
    now_ns = time.time_ns()
    last = entry("south", seconds_ago=20)
    many = [entry("north", seconds_ago=1 + place / 2) for place in range(30)]

    assert silent_regions([*many, last], REGIONS, now_ns) == [("south", 20)]
    assert silent_regions([*many[:10], last], REGIONS, now_ns) == []
    assert silent_regions([*many, replace(last, start_ns=now_ns)], REGIONS, now_ns) == []
