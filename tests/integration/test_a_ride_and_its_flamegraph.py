"""The link itself: from one request to the CPU of the functions that served it."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
import requests

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import TracedSession
from spanprofiles.model import FlameGraph, Span, label_selector
from spanprofiles.pytest_plugin import SpanProfiles

LONG_RIDES = {"/scooter": "scooter", "/car": "car"}  # of 100 and 200 ms of CPU: none is missed by the sampler


@pytest.mark.parametrize(("path", "view"), LONG_RIDES.items())
def test_a_ride_leads_to_the_cpu_of_its_own_route(
    rideshare: TracedSession, span_profiles: SpanProfiles, path: str, view: str
) -> None:
    response = rideshare.get(path)

    linked = span_profiles.linked_span(response)

    assert linked.trace_id == response.json()["trace_id"]
    assert linked.profile_id == linked.span_id
    assert linked.name == f"GET {path}"
    assert linked.flamegraph.share(view) > 0.5
    assert linked.flamegraph.total_of("find_nearest_vehicle") > 0


def test_short_rides_lead_together_to_the_cpu_of_their_route(
    rideshare: TracedSession, span_profiles: SpanProfiles
) -> None:
    bikes = [rideshare.get("/bike") for _ in range(5)]

    merged = span_profiles.merged(bikes)

    assert merged.share("bike") > 0.5
    assert merged.total_of("find_nearest_vehicle") > 0
    one_by_one = [span_profiles.flamegraph(span_profiles.linker.answering_span(bike)) for bike in bikes]
    assert merged == reduce(add, one_by_one)


def test_most_of_a_rides_cpu_is_in_the_search_for_a_vehicle(
    rideshare: TracedSession, span_profiles: SpanProfiles
) -> None:
    responses = [rideshare.get("/scooter") for _ in range(6)]  # a hundred samples are needed for a claim of a share

    merged = reduce(add, (span_profiles.linked_span(response).flamegraph for response in responses))

    assert merged.share("find_nearest_vehicle") > 0.6
    assert merged.share("calculate_price") < 0.1
    assert merged.share("check_driver") == 0, "only a car has a driver"


def test_a_cars_driver_is_checked_in_its_own_profile(rideshare: TracedSession, span_profiles: SpanProfiles) -> None:
    merged = reduce(add, (span_profiles.linked_span(rideshare.get("/car")).flamegraph for _ in range(3)))

    assert merged.share("find_nearest_vehicle") > 0.5
    assert 0 < merged.share("check_driver") < merged.share("find_nearest_vehicle")


def test_child_spans_carry_no_profile_id(car_ride: requests.Response, span_profiles: SpanProfiles) -> None:
    steps = {"find_nearest_vehicle", "check_driver", "plan_route", "calculate_price"}

    trace = span_profiles.trace(car_ride, lambda found: len(found.spans) > len(steps))

    (root,) = trace.local_roots
    children = [span for span in trace.spans if span is not root]
    assert {span.name for span in children} == steps
    assert all(span.profile_id is None for span in children)
    assert root.profile_id == root.span_id


def test_a_child_spans_id_leads_to_nothing(car_ride: requests.Response, span_profiles: SpanProfiles) -> None:
    linked = span_profiles.linked_span(car_ride)
    trace = span_profiles.trace(car_ride, lambda found: len(found.spans) > 1)
    child = next(span for span in trace.spans if span.span_id != linked.span_id)

    assert span_profiles.pyroscope.span_profile(span_profiles.linker.query(linked.span), [child.span_id]).is_empty


def test_the_samples_are_found_by_region_and_host_too(car_ride: requests.Response, span_profiles: SpanProfiles) -> None:
    linked = span_profiles.linked_span(car_ride)

    here = _samples(span_profiles, linked.span, region="eu-north", hostname="rideshare-eu-north")
    elsewhere = _samples(span_profiles, linked.span, region="us-east")

    assert here == linked.flamegraph
    assert elsewhere.is_empty


def test_the_trace_as_a_whole_leads_to_the_same_samples(
    car_ride: requests.Response, span_profiles: SpanProfiles
) -> None:
    linked = span_profiles.linked_span(car_ride)
    query = span_profiles.linker.query(linked.span)

    assert span_profiles.pyroscope.trace_profile(query, linked.trace_id) == linked.flamegraph


def test_the_ride_is_found_by_search_with_its_profile_id(
    car_ride: requests.Response, span_profiles: SpanProfiles
) -> None:
    linked = span_profiles.linked_span(car_ride)
    query = f'{{ span.pyroscope.profile.id = "{linked.profile_id}" }} | select(span.pyroscope.profile.id)'

    for _ in span_profiles.linker.waiting.attempts():  # on a real Tempo, search lags behind the trace by a second or so
        found = span_profiles.tempo.search(query)
        if found:
            break

    (trace,) = found
    assert trace.trace_id == linked.trace_id
    assert [span.attributes["pyroscope.profile.id"] for span in trace.spans] == [linked.profile_id]


def _samples(span_profiles: SpanProfiles, span: Span, **labels: str) -> FlameGraph:
    around = span_profiles.linker.query(span)
    selector = label_selector({"service_name": span.service, **labels})
    return span_profiles.pyroscope.span_profile(
        ProfileQuery(selector, around.start_ms, around.end_ms), [span.profile_id or ""]
    )
