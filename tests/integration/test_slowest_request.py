"""Two hundred riders at once, and the slowest of their rides: from the user to the trace to the flame graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from bench.regions import all_regions
from bench.slowest_of_many import Followed, Slow, follow, load
from spanprofiles.linking import Linker, LinkError, TraceNotFoundError, Waiting
from spanprofiles.model import Endpoints, new_trace_id

pytestmark = pytest.mark.exhaustive

USERS, SECONDS = 200, 5
STANDS_BACK = 10  # the regions are overloaded on purpose: they must not take the processors from other tests


@pytest.fixture(scope="module")
def linker(span_profiles_endpoints: Endpoints) -> Linker:
    return Linker.of(span_profiles_endpoints, waiting=Waiting(30.0))


@pytest.fixture(scope="module")
def rides(span_profiles_endpoints: Endpoints) -> Iterator[list[Slow]]:
    """The rides, slowest first."""
    with all_regions(span_profiles_endpoints, "official", niceness=STANDS_BACK) as regions:
        yield load([region.url for region in regions.values()], USERS, SECONDS)


@pytest.fixture(scope="module")
def followed(rides: list[Slow], linker: Linker) -> Followed:
    """The slowest ride, followed; or the next: one in twenty is short and met a sampler that got no processor."""
    for ride in rides[:5]:
        with suppress(LinkError):
            return follow(linker, ride)
    return follow(linker, rides[5])


@pytest.fixture
def slowest(followed: Followed) -> Slow:
    return followed.request


def test_the_slowest_ride_of_two_hundred_users_leads_to_its_own_trace(followed: Followed) -> None:
    assert followed.trace.trace_id == followed.request.trace_id
    assert followed.answering.name == f"GET {followed.request.name}"
    assert followed.answering.duration_ns / 1e6 <= followed.request.response_ms + 5


def test_the_slowest_ride_leads_to_a_flame_graph_of_the_functions_that_did_its_work(followed: Followed) -> None:
    view = followed.request.name.removeprefix("/")

    assert followed.flamegraph.total >= 10_000_000
    assert {view, "find_nearest_vehicle"} <= followed.flamegraph.functions
    assert followed.flamegraph.share("find_nearest_vehicle") > 0.3
    assert followed.foreign_samples < 0.5 * followed.samples  # the agent labels late on an overloaded machine


def test_the_slowest_ride_has_no_more_cpu_than_its_spans_are_long(followed: Followed) -> None:
    longest_ns = sum(linked.span.duration_ns for linked in followed.linked)

    assert followed.flamegraph.total <= longest_ns + 2 * 10_000_000 * len(followed.linked)


def test_a_ride_reported_under_another_route_is_not_taken_for_it(slowest: Slow, linker: Linker) -> None:
    another = "/bike" if slowest.name != "/bike" else "/car"

    with pytest.raises(LinkError, match=f"Locust asked for {another}, and the trace {slowest.trace_id} answers"):
        follow(linker, replace(slowest, name=another))


def test_a_ride_reported_with_an_unknown_trace_is_not_found(slowest: Slow, span_profiles_endpoints: Endpoints) -> None:
    impatient = Linker.of(span_profiles_endpoints, waiting=Waiting(0.5))

    with pytest.raises(TraceNotFoundError):
        follow(impatient, replace(slowest, trace_id=new_trace_id()))
