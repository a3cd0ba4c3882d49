"""Each fault of the app, seen from outside: what a healthy region does, and what is different with the fault.

A region with each wiring fault, and one with none, serves a few rides and is stopped, which sends its last spans and
samples. Then a ride is ordered elsewhere: when that one is linked, whatever the others sent has arrived.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil
import pytest
import requests

from spanprofiles.backends import ManagedProcess
from spanprofiles.backends.ports import free_ports
from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import Linker, TracedSession, Waiting, await_answer
from spanprofiles.model import Endpoints, FlameGraph, Span, SpanKind, Trace, label_selector
from tests.integration.conftest import ROOT
from tests.support.gunicorn import RIDESHARE

pytestmark = pytest.mark.exhaustive

TOKEN = "integration-tests-only"  # of regions that live for a test
HEADERS = {"X-Rideshare-Admin": TOKEN}
HEALTHY = "healthy"
FAULTS = (
    "no-processor",
    "no-agent",
    "agent-before-fork",
    "agent-under-another-name",
    "dotted-name",
    "sampler-off",
    "slow-upload",
    "unlabelled",
    "pushes-refused",
    "clock-ahead",
    "leaking-processor",
)
VIEWS = {"/car": "car", "/scooter": "scooter"}
RIDES = 3
#: Which of the labels a sample keeps is as good as chance, and threads are several: few rides may go well.
RIDES_THAT_LEAK = 16
AT_ONCE = 4


@dataclass(frozen=True)
class Observed:
    """What was seen of one region.

    Attributes:
        service: its `service.name`, which no other region has.
        rides: the answers to its rides, with the path of each.
        master_threads: threads of gunicorn's master, whose own is one.
        other_ports: ports on which the worker listens besides the one it serves at.
        refusal: what such a port answered to a push.
    """

    service: str
    rides: list[tuple[str, requests.Response]]
    master_threads: int
    other_ports: int
    refusal: int | None


class Seen:
    """Asks the backend what came of a region's rides."""

    def __init__(self, observed: Observed, linker: Linker) -> None:
        self.observed = observed
        self._linker = linker

    @property
    def roots(self) -> list[Span]:
        """The spans of the rides: one each, where the trace is there."""
        found: list[Span] = []
        for _, response in self.observed.rides:
            trace = self._linker.tempo.trace(self._linker.follow(response).trace_id)
            found += trace.local_roots if trace else ()
        return found

    @property
    def carrying(self) -> int:
        """How many of the spans carry a profile ID that is their own."""
        return sum(span.profile_id == span.span_id for span in self.roots)

    def samples(self, labels: Mapping[str, str] | None = None, at_s: float | None = None) -> FlameGraph:
        """The samples of its spans that have the labels, around the spans' time or that one (s since the epoch)."""
        found = FlameGraph()
        for span in self.roots:
            query = self._query(labels or {}, span.start_ns / 1e9 if at_s is None else at_s)
            found += self._linker.pyroscope.span_profile(query, [span.span_id])
        return found

    def whole(self) -> FlameGraph:
        """All samples of the service, those of no span included."""
        return self._linker.pyroscope.merged_profile(self._query({}, time.time()))

    @property
    def right(self) -> list[bool]:
        """Of each ride, whether its span has samples of its own route and none of another."""
        verdicts = []
        for (path, _), span in zip(self.observed.rides, self.roots, strict=True):
            found = self._linker.pyroscope.span_profile(self._query({}, span.start_ns / 1e9), [span.span_id])
            others = sum(found.total_of(view) for other, view in VIEWS.items() if other != path)
            verdicts.append(found.total_of(VIEWS[path]) > 0 and others == 0)
        return verdicts

    def _query(self, labels: Mapping[str, str], at_s: float) -> ProfileQuery:
        selector = label_selector({"service_name": self.observed.service, **labels})
        return ProfileQuery(selector, int(at_s * 1000) - 120_000, int(at_s * 1000) + 120_000)


@contextmanager
def running(environment: Mapping[str, str], name: str, **changes: str) -> Iterator[tuple[TracedSession, int]]:
    """Run a region under a service name of its own; gives a session with it and the process ID of its master."""
    (port,) = free_ports(1)
    settings = {
        "OTEL_SERVICE_NAME": f"rides-{name}",
        "OTEL_RESOURCE_ATTRIBUTES": "region=us-east,host.name=rideshare-us-east",
        "RIDESHARE_REGION": "us-east",
        "RIDESHARE_BIND": f"127.0.0.1:{port}",
        **changes,
    }
    everything = {**os.environ, **environment, **settings}
    with ManagedProcess(f"region {name}", RIDESHARE, environment=everything, directory=ROOT) as process:
        session = TracedSession(f"http://127.0.0.1:{port}")
        assert await_answer(session, "/health", 30, lambda: process.is_running), process.failure("does not answer")
        yield session, process.pid
        process.stop(30)  # on a busy machine, sending what is left takes its time


def observe(environment: Mapping[str, str], name: str) -> Observed:
    count = RIDES_THAT_LEAK if name == "leaking-processor" else RIDES
    faults = "" if name == HEALTHY else name
    with running(environment, name, RIDESHARE_FAULTS=faults) as (session, pid):
        paths = [list(VIEWS)[number % len(VIEWS)] for number in range(count)]
        rides = [(path, session.get(path)) for path in paths]
        master = psutil.Process(pid)
        (worker,) = master.children()
        ports = {
            connection.laddr.port
            for connection in worker.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and not session.base_url.endswith(f":{connection.laddr.port}")
        }
        refusals = [
            requests.post(f"http://127.0.0.1:{port}/push.v1.PusherService/Push", data=b"x", timeout=5).status_code
            for port in ports
        ]
        return Observed(
            service=f"rides-{name}",
            rides=rides,
            master_threads=master.num_threads(),
            other_ports=len(ports),
            refusal=refusals[0] if refusals else None,
        )


@pytest.fixture(scope="module")
def linker(
    span_profiles_endpoints: Endpoints, span_profiles_waiting: Waiting, span_profiles_upload_interval: float
) -> Linker:
    return Linker.of(
        span_profiles_endpoints, waiting=span_profiles_waiting, upload_interval_s=span_profiles_upload_interval
    )


@pytest.fixture(scope="module")
def look_at(
    span_profiles_environment: dict[str, str], rideshare: TracedSession, linker: Linker
) -> Callable[[str], Seen]:
    names = [*FAULTS, HEALTHY]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        observed = dict(zip(names, pool.map(partial(observe, span_profiles_environment), names), strict=True))
    linker.linked_span(rideshare.get("/car"))
    return lambda name: Seen(observed[name], linker)


LookAt = Callable[[str], Seen]


@pytest.mark.parametrize("name", [HEALTHY, *FAULTS])
def test_whatever_the_fault_every_ride_is_served(look_at: LookAt, name: str) -> None:
    assert [response.status_code for _, response in look_at(name).observed.rides] == [200] * len(
        look_at(name).observed.rides
    )


def test_without_a_fault_every_ride_is_linked_with_the_samples_of_its_own_route(look_at: LookAt) -> None:
    healthy = look_at(HEALTHY)
    assert healthy.carrying == RIDES
    assert healthy.right.count(True) >= RIDES - 1, "of one, the agent may have read the labels a moment late"
    assert (healthy.observed.master_threads, healthy.observed.other_ports) == (1, 0)


def test_with_no_processor_spans_carry_no_profile_id_and_samples_no_span(look_at: LookAt) -> None:
    seen = look_at("no-processor")
    assert (len(seen.roots), seen.carrying) == (RIDES, 0)
    assert seen.whole().total_of("find_nearest_vehicle") > 0
    assert seen.samples().is_empty


def test_with_no_agent_spans_carry_profile_ids_and_there_are_no_profiles(look_at: LookAt) -> None:
    seen = look_at("no-agent")
    assert seen.carrying == RIDES
    assert seen.whole().is_empty
    assert seen.observed.master_threads == 1


def test_with_the_agent_before_the_fork_it_runs_where_no_ride_does(look_at: LookAt) -> None:
    seen = look_at("agent-before-fork")
    assert seen.carrying == RIDES
    assert seen.observed.master_threads > 1
    assert seen.whole().total_of("find_nearest_vehicle") == 0


def test_with_the_agent_under_another_name_the_samples_are_there_under_that_name(look_at: LookAt) -> None:
    seen = look_at("agent-under-another-name")
    assert seen.carrying == RIDES
    assert seen.whole().is_empty
    assert (
        seen.samples({"service_name": "rides-agent-under-another-name-profiles"}).total_of("find_nearest_vehicle") > 0
    )


def test_with_a_dotted_name_the_host_is_in_a_label_that_grafana_does_not_ask_for(look_at: LookAt) -> None:
    seen, healthy = look_at("dotted-name"), look_at(HEALTHY)
    asked, dotted = {"hostname": "rideshare-us-east"}, {"host.name": "rideshare-us-east"}
    assert seen.samples(asked).is_empty
    assert seen.samples(dotted) == seen.samples() != FlameGraph()
    assert healthy.samples(asked) == healthy.samples() != FlameGraph()
    assert healthy.samples(dotted).is_empty


def test_with_the_sampler_off_there_is_no_trace_and_the_profiler_goes_on(look_at: LookAt) -> None:
    seen = look_at("sampler-off")
    assert seen.roots == []
    assert seen.whole().total_of("find_nearest_vehicle") > 0


def test_an_agent_that_labels_nothing_profiles_the_service_and_no_span(look_at: LookAt) -> None:
    seen = look_at("unlabelled")
    assert seen.carrying == RIDES
    assert seen.whole().total_of("find_nearest_vehicle") > 0
    assert seen.samples().is_empty


def test_with_pushes_refused_the_agent_runs_and_nothing_arrives(look_at: LookAt) -> None:
    seen = look_at("pushes-refused")
    assert seen.carrying == RIDES
    assert (seen.observed.other_ports, seen.observed.refusal) == (1, 403)
    assert seen.whole().is_empty


def test_with_the_clock_ahead_the_samples_are_minutes_before_the_span(look_at: LookAt) -> None:
    seen = look_at("clock-ahead")
    assert seen.carrying == RIDES
    assert all(span.start_ns / 1e9 > time.time() + 120 for span in seen.roots)
    assert seen.samples().is_empty
    assert seen.samples(at_s=time.time()).total_of("find_nearest_vehicle") > 0


def test_a_processor_that_leaks_gives_rides_the_samples_of_other_rides(look_at: LookAt) -> None:
    seen = look_at("leaking-processor")
    assert seen.carrying == RIDES_THAT_LEAK
    assert seen.right.count(False) > 1
    assert seen.whole().total_of("find_nearest_vehicle") > 0


def test_with_a_slow_upload_samples_come_long_after_those_of_later_rides_elsewhere(
    span_profiles_environment: dict[str, str], rideshare: TracedSession, linker: Linker
) -> None:
    with running(span_profiles_environment, "uploads-slowly", RIDESHARE_FAULTS="slow-upload") as (session, _):
        response = session.get("/car")
        linker.linked_span(rideshare.get("/car"))
        before = linker.flamegraph(linker.answering_span(response))

    assert before.is_empty
    assert linker.linked_span(response).flamegraph.total_of("find_nearest_vehicle") > 0, "the last window was sent"


@pytest.fixture(scope="module")
def slow_region(span_profiles_environment: dict[str, str]) -> Iterator[TracedSession]:
    """A region that starts with every code fault and an open admin route."""
    with running(
        span_profiles_environment,
        "slow",
        RIDESHARE_FAULTS="slow-search,lock-contention,slow-gateway",
        RIDESHARE_ADMIN_TOKEN=TOKEN,
    ) as (session, _):
        yield session


@pytest.fixture
def switch(slow_region: TracedSession) -> Iterator[Callable[[str, bool], requests.Response]]:
    """Switch a fault of the region; all are on again after the test."""

    def post(name: str, on: bool) -> requests.Response:
        return slow_region.request("POST", f"/admin/faults/{name}", json={"on": on}, headers=HEADERS)

    yield post
    for name in ("slow-search", "lock-contention", "slow-gateway"):
        assert post(name, True).ok


Switch = Callable[[str, bool], requests.Response]


def test_a_slow_search_is_in_the_rides_own_profile_until_it_is_switched_off(
    slow_region: TracedSession, switch: Switch, linker: Linker
) -> None:
    slow = linker.linked_span(slow_region.get("/scooter")).flamegraph
    switch("slow-search", False)
    quick = linker.linked_span(slow_region.get("/scooter")).flamegraph

    assert slow.share("drop_repeated_vehicles") > 0.2
    assert slow.self_of("drop_repeated_vehicles") == slow.total_of("drop_repeated_vehicles"), "work, in one function"
    assert quick.total_of("drop_repeated_vehicles") == 0
    assert quick.total_of("find_nearest_vehicle") > 0


def test_with_a_lock_contended_for_rides_wait_for_one_another_without_any_cpu(
    slow_region: TracedSession, switch: Switch, linker: Linker
) -> None:
    switch("slow-search", False)
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(slow_region.get, ["/bike"] * 4))
    waits_ns = [_child(linker, response, "confirm_with_dispatcher") for response in responses]
    merged = linker.merged_samples(linker.answering_span(response) for response in responses)
    switch("lock-contention", False)
    alone = slow_region.get("/bike")

    assert min(waits_ns) >= 250_000_000
    assert max(waits_ns) >= 400_000_000, "one waited for another too"
    assert merged.total_of("confirm_with_dispatcher") < sum(waits_ns) / 10
    assert "confirm_with_dispatcher" not in {span.name for span in linker.trace(alone, _complete).spans}


def test_a_slow_gateway_takes_three_seconds_and_no_cpu_until_it_is_switched_off(
    slow_region: TracedSession, switch: Switch, linker: Linker
) -> None:
    ride = slow_region.get("/bike").json()["ride_id"]
    slow = slow_region.get(f"/receipt/{ride}")
    switch("slow-gateway", False)
    quick = slow_region.get(f"/receipt/{ride}")
    spans = [linker.trace(response, _complete).local_roots[0] for response in (slow, quick)]
    linker.linked_span(slow_region.get("/car"))  # what came before it has been uploaded too

    assert spans[0].duration_ns >= 3_000_000_000
    assert spans[1].duration_ns < 2_900_000_000
    assert linker.flamegraph(spans[0]).total < 300_000_000


def test_the_admin_route_shows_and_switches_and_leaves_no_trace(
    slow_region: TracedSession, switch: Switch, linker: Linker
) -> None:
    all_on = slow_region.get("/admin/faults", headers=HEADERS)
    one_off = switch("slow-gateway", False)
    refused = slow_region.get("/admin/faults")
    linker.linked_span(slow_region.get("/car"))

    assert all_on.json()["faults"] == {"slow-search": True, "lock-contention": True, "slow-gateway": True}
    assert one_off.json()["faults"] == {"slow-search": True, "lock-contention": True, "slow-gateway": False}
    assert refused.status_code == 403
    for response in (all_on, one_off, refused):
        assert linker.tempo.trace(linker.follow(response).trace_id) is None


def test_a_region_without_a_token_has_no_admin_route(rideshare: TracedSession) -> None:
    assert rideshare.get("/admin/faults", headers=HEADERS).status_code == 404
    assert rideshare.post("/admin/faults/slow-search", json={"on": True}, headers=HEADERS).status_code == 404


def _complete(trace: Trace) -> bool:
    return any(span.kind is SpanKind.SERVER for span in trace.spans)


def _child(linker: Linker, response: requests.Response, name: str) -> int:
    """The duration of the request's child span of that name, ns."""
    (found,) = [span for span in linker.trace(response, _complete).spans if span.name == name]
    return found.duration_ns
