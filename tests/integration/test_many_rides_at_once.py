"""Concurrent rides of all kinds: nobody gets another's samples, and nothing is counted twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import LinkedSpan, TracedSession
from spanprofiles.model import label_selector
from spanprofiles.pytest_plugin import SpanProfiles

VIEWS = {"/bike": "bike", "/scooter": "scooter", "/car": "car"}
ROUNDS = 8
AT_ONCE = 6

Ride = tuple[str, requests.Response]


@pytest.fixture(scope="module")
def rides(rideshare: TracedSession) -> Iterator[list[Ride]]:
    """Rides of all kinds, six at a time, on one worker with eight threads."""
    address = rideshare.base_url

    def order(path: str) -> Ride:
        with TracedSession(address) as session:  # one for each: a session is not for many threads
            return path, session.get(path)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield list(pool.map(order, list(VIEWS) * ROUNDS))


@pytest.fixture
def linked_rides(rides: list[Ride], span_profiles: SpanProfiles) -> list[tuple[str, LinkedSpan]]:
    return [(path, span_profiles.linked_span(response)) for path, response in rides]


def test_every_ride_has_samples_of_its_own_route_only(linked_rides: list[tuple[str, LinkedSpan]]) -> None:
    for path, linked in linked_rides:
        assert linked.name == f"GET {path}"
        seen = linked.flamegraph.functions & set(VIEWS.values())
        assert seen == {VIEWS[path]}, f"{linked.trace_id}: {linked.flamegraph!r}"


def test_every_ride_has_a_profile_id_of_its_own(linked_rides: list[tuple[str, LinkedSpan]]) -> None:
    identifiers = [linked.profile_id for _, linked in linked_rides]

    assert len(set(identifiers)) == len(identifiers) == ROUNDS * len(VIEWS)


def test_the_rides_together_have_no_more_cpu_than_the_service(
    linked_rides: list[tuple[str, LinkedSpan]], span_profiles: SpanProfiles
) -> None:
    spans = [linked for _, linked in linked_rides]
    selector = label_selector({"service_name": spans[0].service, "region": "eu-north"})
    first, last = min(one.span.start_ns for one in spans), time.time_ns()
    query = ProfileQuery(selector, first // 1_000_000 - 60_000, last // 1_000_000)

    whole = span_profiles.pyroscope.merged_profile(query)

    assert 0 < sum(one.cpu_ns for one in spans) <= whole.total
    together = span_profiles.pyroscope.span_profile(query, [one.profile_id for one in spans])
    assert together.total == sum(one.cpu_ns for one in spans), "no sample belongs to two spans"
