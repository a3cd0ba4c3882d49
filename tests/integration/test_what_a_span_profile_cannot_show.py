"""Waiting is not computing, short is not sampled, and what was not sampled by the tracer leaves nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import requests

from spanprofiles.clients import ProfileQuery
from spanprofiles.linking import LinkedSpan, NotWaitingError, TracedSession
from spanprofiles.pytest_plugin import SpanProfiles

AwaitUploads = Callable[[], LinkedSpan]


@dataclass(frozen=True)
class Ordered:
    """What was ordered of a region, and a ride that came after it."""

    receipt: requests.Response
    quotes: list[requests.Response]
    unsampled: requests.Response
    health: requests.Response
    later: requests.Response


@pytest.fixture(scope="module")
def all_ordered(rideshare: TracedSession) -> Ordered:
    ride_id = rideshare.get("/bike").json()["ride_id"]
    return Ordered(
        receipt=rideshare.get(f"/receipt/{ride_id}"),
        quotes=[rideshare.get("/quote?vehicle=bike") for _ in range(60)],
        unsampled=rideshare.get("/car", sampled=False),
        health=rideshare.get("/health"),
        later=rideshare.get("/car", sampled=True),
    )


@pytest.fixture
def ordered(all_ordered: Ordered, span_profiles: SpanProfiles) -> Ordered:
    """All of it, uploaded: the samples of what came later are there."""
    span_profiles.linked_span(all_ordered.later)
    return all_ordered


def test_a_receipt_waits_long_and_computes_next_to_nothing(ordered: Ordered, span_profiles: SpanProfiles) -> None:
    (root,) = span_profiles.trace(
        ordered.receipt, lambda found: any(span.profile_id for span in found.spans)
    ).local_roots

    assert root.profile_id == root.span_id, "the ID is there all the same"
    assert root.duration_ns > 300_000_000
    assert span_profiles.flamegraph(root).total < root.duration_ns / 5


def test_a_receipt_is_claimed_to_wait_and_a_ride_is_not(
    rideshare: TracedSession, span_profiles: SpanProfiles, await_uploads: AwaitUploads
) -> None:
    ride = rideshare.get("/car")
    await_uploads()

    receipt = span_profiles.waiting_span(rideshare.get(f"/receipt/{ride.json()['ride_id']}"))

    assert receipt.cpu_ns < receipt.span.duration_ns / 5
    with pytest.raises(NotWaitingError, match=r"computed: [\d.]+ m?s of CPU, in "):
        span_profiles.waiting_span(ride)


def test_a_quote_is_shorter_than_a_sampling_period(ordered: Ordered, span_profiles: SpanProfiles) -> None:
    spans = [
        span_profiles.trace(response, lambda found: any(span.profile_id for span in found.spans)).local_roots[0]
        for response in ordered.quotes
    ]
    sampled = [span for span in spans if not span_profiles.flamegraph(span).is_empty]

    assert sorted(span.duration_ns for span in spans)[len(spans) // 2] < 10_000_000
    assert len(sampled) < len(spans) / 2, "a sample comes every 10 ms: most quotes fall between two"


def test_a_ride_of_an_unsampled_trace_leaves_neither_span_nor_samples(
    ordered: Ordered, span_profiles: SpanProfiles
) -> None:
    later = span_profiles.linked_span(ordered.later)
    trace_id = span_profiles.linker.follow(ordered.unsampled).trace_id
    around = ProfileQuery.around(later.span, 60_000)
    assert ordered.unsampled.ok
    assert span_profiles.tempo.trace(trace_id) is None
    assert span_profiles.pyroscope.trace_profile(around, trace_id).is_empty


def test_a_sampled_ride_leaves_both(ordered: Ordered, span_profiles: SpanProfiles) -> None:
    linked = span_profiles.linked_span(ordered.later)

    around = span_profiles.linker.query(linked.span)
    assert not span_profiles.pyroscope.trace_profile(around, linked.trace_id).is_empty


def test_a_health_check_is_not_traced(ordered: Ordered, span_profiles: SpanProfiles) -> None:
    assert ordered.health.ok
    assert span_profiles.tempo.trace(span_profiles.linker.follow(ordered.health).trace_id) is None
