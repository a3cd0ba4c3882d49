"""The negative twins: with a hop broken the claim fails, and for the stated reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from spanprofiles.linking import (
    Linker,
    NoProfileIdError,
    NoSamplesError,
    NotTracedError,
    TracedSession,
    TraceNotFoundError,
    Waiting,
)
from spanprofiles.model import Span, TraceContext, new_span_id
from spanprofiles.pytest_plugin import SpanProfiles
from tests.integration.conftest import StartRegion

# Enough for two uploads: what has not come by then does not come.
SHORT = Waiting(timeout_s=3.0)


@pytest.fixture
def impatient(span_profiles: SpanProfiles) -> Linker:
    return Linker(span_profiles.tempo, span_profiles.pyroscope, waiting=SHORT)


def test_without_the_processor_the_span_carries_no_profile_id(
    start_region: StartRegion, span_profiles: SpanProfiles, impatient: Linker
) -> None:
    response = start_region(RIDESHARE_FAULTS="no-processor").get("/car")
    span_profiles.trace(response)

    with pytest.raises(NoProfileIdError, match=r"the span processor .* is not added"):
        impatient.linked_span(response)


def test_without_the_agent_the_profile_id_is_a_dead_link(
    start_region: StartRegion, span_profiles: SpanProfiles, impatient: Linker
) -> None:
    response = start_region(RIDESHARE_FAULTS="no-agent", OTEL_SERVICE_NAME="no-agent-app").get("/car")
    span_profiles.trace(response)

    with pytest.raises(NoSamplesError, match=r"no agent runs") as failure:
        impatient.linked_span(response)
    assert failure.value.evidence is not None
    assert [graph.is_empty for graph in failure.value.evidence.flamegraphs.values()] == [True]


def test_a_short_span_is_excused_only_where_an_agent_runs(
    start_region: StartRegion,
    rideshare: TracedSession,
    car_ride: requests.Response,
    span_profiles: SpanProfiles,
    impatient: Linker,
) -> None:
    span_profiles.linked_span(car_ride)  # its service has profiles
    quote = span_profiles.trace(rideshare.get("/quote?vehicle=bike"), lambda found: bool(found.linkable)).linkable[0]
    quick = replace(quote, end_ns=quote.start_ns + 1_000_000)  # however long this one took
    unsampled = _with_profile_id(quick, new_span_id())  # whether it has a sample is chance
    with pytest.raises(NoSamplesError, match=r"shorter than 3 sample periods") as excused:
        impatient.samples(unsampled)

    agentless = start_region(RIDESHARE_FAULTS="no-agent", OTEL_SERVICE_NAME="short-and-no-agent")
    unprofiled = agentless.get("/quote?vehicle=bike")
    span_profiles.trace(unprofiled)
    with pytest.raises(NoSamplesError, match=r"no agent runs") as broken:
        impatient.linked_span(unprofiled)

    assert excused.value.evidence is not None
    assert excused.value.evidence.excused
    assert broken.value.evidence is not None
    assert not broken.value.evidence.excused


def test_with_another_name_in_the_agent_the_samples_are_under_that_name(
    start_region: StartRegion, span_profiles: SpanProfiles
) -> None:
    response = start_region(PYROSCOPE_APPLICATION_NAME="another-app").get("/car")
    linker = Linker(span_profiles.tempo, span_profiles.pyroscope, waiting=Waiting(timeout_s=10.0))

    with pytest.raises(NoSamplesError, match=r"not under service_name='ride-sharing-app'.*another-app"):
        linker.linked_span(response)


def test_an_unknown_span_id_leads_to_no_samples(
    car_ride: requests.Response, span_profiles: SpanProfiles, impatient: Linker
) -> None:
    span = span_profiles.linked_span(car_ride).span

    with pytest.raises(NoSamplesError, match=r"has profiles, but none of this span"):
        impatient.samples(_with_profile_id(span, new_span_id()))


def test_in_a_window_of_the_past_the_samples_are_not_found(
    car_ride: requests.Response, span_profiles: SpanProfiles, impatient: Linker
) -> None:
    linked = span_profiles.linked_span(car_ride)

    with pytest.raises(NoSamplesError, match=r"outside the window asked"):
        impatient.samples(_an_hour_earlier(linked.span))


def test_a_trace_that_never_was_is_not_found(impatient: Linker) -> None:
    with pytest.raises(TraceNotFoundError, match=r"Tempo has no span of the trace .* services Tempo has spans of"):
        impatient.linked_span(TraceContext.new())


def test_a_request_without_a_traceparent_cannot_be_followed(rideshare: TracedSession, impatient: Linker) -> None:
    response = requests.get(f"{rideshare.base_url}/bike", timeout=10)

    with pytest.raises(NotTracedError, match=r"carried no traceparent"):
        impatient.linked_span(response)


def _with_profile_id(span: Span, profile_id: str) -> Span:
    return replace(span, attributes={**span.attributes, "pyroscope.profile.id": profile_id})


def _an_hour_earlier(span: Span) -> Span:
    hour_ns = 3600 * 10**9
    return replace(span, start_ns=span.start_ns - hour_ns, end_ns=span.end_ns - hour_ns)
