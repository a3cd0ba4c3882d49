"""What an examination can be asked for: a service, a trace, a stretch of time, a failed claim."""

from __future__ import annotations

import time

import pytest

from spanprofiles.doctor import (
    LONGEST_SINCE_S,
    Cause,
    SeveralServicesError,
    examine,
    examine_failure,
    runner,
)
from spanprofiles.linking import Evidence
from spanprofiles.model import Endpoints, new_trace_id
from tests.support.doctor import Ride, assert_broken, linker_of, rides, tell


def test_one_trace_is_looked_at_in_the_light_of_its_neighbours(embedded_pair: Endpoints) -> None:
    dead = Ride(ago_s=15, label="")
    tell(embedded_pair, "one-trace", [*rides(), dead])

    examination = examine(embedded_pair, trace_id=dead.trace_id)

    assert examination.service == "one-trace"
    assert_broken(examination, "sample labels", "without a span ID around it: search 100 ms")
    assert [(explanation.span.span_id, explanation.cause) for explanation in examination.unlinked] == [
        (dead.span_id, Cause.UNLABELLED)
    ]


@pytest.mark.parametrize(("since_s", "traces"), [(0.2, 1), (0.6, 2)])
def test_neighbours_of_a_trace_count_from_the_moment_that_is_asked_for(
    embedded_pair: Endpoints, since_s: float, traces: int
) -> None:
    late_in_a_second_ns = time.time_ns() // 10**9 * 10**9 - 10**8
    wanted, service = Ride(ago_s=15.0), f"neighbours-{traces}"
    tell(embedded_pair, service, [wanted, Ride(ago_s=15.4)], idle_ms=0, now_ns=late_in_a_second_ns)

    examination = examine(embedded_pair, service=service, trace_id=wanted.trace_id, since_s=since_s)

    assert examination.finding("traces").seen["traces"] == traces, examination.lines()


def test_a_trace_that_is_not_there_says_so(embedded_pair: Endpoints) -> None:
    trace_id = new_trace_id()

    assert_broken(examine(embedded_pair, trace_id=trace_id), "traces", f"no span of the trace {trace_id}")


def test_a_service_that_is_not_there_is_compared_with_those_that_are(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "ride-hailing", rides(1))

    assert_broken(examine(embedded_pair, service="ride.hailing"), "traces", "is it called ride-hailing")


def test_a_service_whose_traces_are_not_sampled_has_profiles_without_span_ids(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "other-name", rides(2, label=""), agent_name="sampler-off")

    assert_broken(examine(embedded_pair, service="sampler-off"), "traces", "OTEL_TRACES_SAMPLER")


def test_the_only_service_is_taken_and_of_several_one_must_be_chosen(
    empty_pair: Endpoints,
) -> None:
    empty = examine(empty_pair)
    assert_broken(empty, "traces", "nothing has reached it")
    assert empty.service == ""

    tell(empty_pair, "alone", rides(3))
    assert examine(empty_pair, probe=True).service == "alone"
    assert examine(empty_pair).service == "alone", "the probe's own service does not count"

    tell(empty_pair, "second", rides(3))
    with pytest.raises(SeveralServicesError, match="alone, second"):
        examine(empty_pair)


def test_the_longest_time_allowed_can_be_asked_for(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "long", [*rides(), Ride(ago_s=3000), Ride(ago_s=9, label="")])

    examination = examine(embedded_pair, service="long", since_s=LONGEST_SINCE_S)

    assert examination.could_look, examination.lines()
    assert examination.finding("link").seen["spans"] == 14


@pytest.mark.parametrize("since_s", [0, 24 * 3600])
def test_a_time_that_cannot_be_asked_for_is_refused(embedded_pair: Endpoints, since_s: float) -> None:
    with pytest.raises(ValueError, match="at most 20 h"):
        examine(embedded_pair, service="healthy", since_s=since_s)


def test_a_failed_claim_gets_its_verdict(embedded_pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_QUICK_TIMEOUT_S", (30.0, 30.0))  # what is claimed is the verdict
    ride = Ride(ago_s=5)
    tell(embedded_pair, "claimed", [*rides(), ride], agent_name=None)
    tell(embedded_pair, "another", rides())  # that has profiles

    examination = examine_failure(linker_of(embedded_pair), Evidence(ride.trace_id), budget_s=30)

    assert_broken(examination, "profiles", "no profile of claimed")
    assert "broken: profiles" in "\n".join(examination.lines())
