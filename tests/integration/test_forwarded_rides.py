"""A ride that two regions serve: one trace, two local root spans, two span profiles."""

from __future__ import annotations

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import TracedSession
from spanprofiles.model import label_selector
from spanprofiles.pytest_plugin import SpanProfiles


def test_each_region_has_a_linked_span_of_its_own(
    region_without_cars: TracedSession, span_profiles: SpanProfiles
) -> None:
    response = region_without_cars.get("/car")

    asked, serving = span_profiles.linked_spans(response, count=2)

    assert asked.trace_id == serving.trace_id
    assert asked.profile_id != serving.profile_id
    assert asked.span.resource["region"] == response.json()["asked_in"] == "ap-south"
    assert serving.span.resource["region"] == response.json()["region"] == "eu-north"


def test_each_profile_has_its_own_samples_and_not_the_others(
    region_without_cars: TracedSession, span_profiles: SpanProfiles
) -> None:
    asked, serving = span_profiles.linked_spans(region_without_cars.get("/car"), count=2)

    for linked, region, other in ((asked, "ap-south", "eu-north"), (serving, "eu-north", "ap-south")):
        around = span_profiles.linker.query(linked.span)
        in_region, in_other = (
            ProfileQuery(
                label_selector({"service_name": linked.service, "region": name}), around.start_ms, around.end_ms
            )
            for name in (region, other)
        )
        assert span_profiles.pyroscope.span_profile(in_region, [linked.profile_id]) == linked.flamegraph
        assert span_profiles.pyroscope.span_profile(in_other, [linked.profile_id]).is_empty
    assert asked.flamegraph.total_of("find_nearest_vehicle") > 0, "it looked through its own cars before it asked"
    assert asked.flamegraph.total_of("check_driver") == 0, "it has no driver to check"


def test_the_answering_span_is_that_of_the_region_that_was_asked(
    region_without_cars: TracedSession, span_profiles: SpanProfiles
) -> None:
    linked = span_profiles.linked_span(region_without_cars.get("/car"))

    assert linked.span.resource["region"] == "ap-south"


def test_a_ride_with_a_free_car_is_served_by_one_region(rideshare: TracedSession, span_profiles: SpanProfiles) -> None:
    response = rideshare.get("/car")
    span_profiles.linked_span(response)

    trace = span_profiles.trace(response, lambda found: len(found.spans) > 1)

    assert len(trace.local_roots) == 1
    assert response.json()["asked_in"] == response.json()["region"]
