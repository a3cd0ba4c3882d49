"""Examinations of a real pair, into which each test puts traces and profiles that show one broken hop."""

from __future__ import annotations

import time
from dataclasses import replace

from spanprofiles.doctor import (
    Cause,
    Verdict,
    examine,
)
from spanprofiles.model import Endpoints, new_span_id
from tests.support.doctor import Ride, assert_broken, assert_silent, rides, tell
from tests.unit.conftest import push_samples


def test_one_process_that_works_is_silent(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "healthy", rides())

    examination = examine(embedded_pair, service="healthy", probe=True)

    assert_silent(examination)
    assert examination.finding("link").seen["share"] == 1.0
    assert examination.finding("probe").verdict is Verdict.OK


def test_three_regions_with_host_tags_are_silent(embedded_pair: Endpoints) -> None:
    for host in ("eu", "us", "ap"):
        tell(embedded_pair, "regions", rides(6, host=host))

    examination = examine(embedded_pair, service="regions")

    assert_silent(examination)
    processes = examination.finding("link").seen["processes"]
    assert processes == {f"host.name={host}": {"linked": 6, "spans": 6} for host in ("ap", "eu", "us")}


def test_spans_that_cannot_have_samples_are_explained_in_silence(embedded_pair: Endpoints) -> None:
    waiting = [Ride("GET /receipt", 10 + index, ms=400, cpu_ms=0) for index in range(5)]
    short = [Ride("GET /quote", 10 + index, ms=4, cpu_ms=0) for index in range(5)]
    tell(embedded_pair, "by-design", [*rides(), *waiting, *short])

    examination = examine(embedded_pair, service="by-design")

    assert_silent(examination)
    assert [explanation.cause for explanation in examination.unlinked].count(Cause.WAITING) == 5
    assert [explanation.cause for explanation in examination.unlinked].count(Cause.TOO_SHORT) == 5


def test_without_the_span_processor_no_local_root_carries_a_profile_id(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "no-processor", rides(profile_id=None, label=""))

    examination = examine(embedded_pair, service="no-processor")
    assert_broken(examination, "profile ID", "PyroscopeSpanProcessor")
    assert examination.unlinked == ()


def test_without_the_agent_there_are_no_profiles(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "no-agent", rides(), agent_name=None)

    assert_broken(examine(embedded_pair, service="no-agent"), "profiles", "Pyroscope has no profile of no-agent")


def test_an_agent_in_the_parent_process_alone_has_profiles_older_than_the_spans(embedded_pair: Endpoints) -> None:
    push_samples(embedded_pair, "forked", [(("start",), 30_000_000, {})], time.time_ns() - 60 * 10**9)
    tell(embedded_pair, "forked", rides(ms=400), agent_name=None)

    examination = examine(embedded_pair, service="forked", upload_interval_s=1)

    assert_broken(examination, "profiles", r"12 span\(s\) of forked ran for 4.8 s in total.*hold 0 ms.*post_fork")


def test_one_forked_worker_without_agent_is_one_dead_process(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "half-dead", rides(host="h1"))
    tell(embedded_pair, "half-dead", rides(host="h2"), agent_name=None)

    examination = examine(embedded_pair, service="half-dead")

    assert_broken(examination, "link", "host.name=h2: 0 of 12 linked")
    assert {explanation.cause for explanation in examination.unlinked} == {Cause.DEAD_PROCESS}


def test_another_name_in_the_agent_is_found_by_the_ids(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "named", rides(), agent_name="something-else")

    assert_broken(examine(embedded_pair, service="named"), "service name", "service_name=something-else")


def test_a_profile_type_that_is_not_there_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "typed", rides())
    memory = "memory:alloc_space:bytes:space:bytes"

    assert_broken(examine(embedded_pair, service="typed", profile_type=memory), "profile type", memory)


def test_a_profile_id_copied_from_another_span_is_named(embedded_pair: Endpoints) -> None:
    copied = new_span_id()
    tell(embedded_pair, "copied", rides(profile_id=copied))

    assert_broken(examine(embedded_pair, service="copied"), "own ID", f"{copied}")


def test_samples_with_ids_of_spans_that_nobody_knows_do_not_meet(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "strangers", [replace(ride, label=new_span_id()) for ride in rides(ms=400)])

    assert_broken(examine(embedded_pair, service="strangers"), "link", "0 of 12")


def test_labels_that_stay_on_a_thread_are_found_on_samples_after_the_span(embedded_pair: Endpoints) -> None:
    first = rides()[-1]
    later = [replace(ride, label=first.span_id) for ride in rides()[:6]]
    tell(embedded_pair, "leaking", [*rides(), first, *later])

    assert_broken(examine(embedded_pair, service="leaking"), "one span a sample", first.span_id)


def test_spans_that_were_named_after_their_route_were_found_are_no_fault(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "routed", rides(sampled_name="GET"))
    tell(embedded_pair, "confused", rides(sampled_name="GET /car"))

    assert_silent(examine(embedded_pair, service="routed"))
    confused = examine(embedded_pair, service="confused").finding("one span a sample")
    assert confused.verdict is Verdict.DOUBTFUL
    assert "another span's name: GET /bike" in confused.evidence[0]


def test_an_agent_whose_uploads_stopped_is_not_taken_for_one_that_never_ran(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "stopped", [Ride(ago_s=200 + index) for index in range(12)])
    tell(embedded_pair, "stopped", [Ride(ago_s=60 + index) for index in range(12)], agent_name=None)

    examination = examine(embedded_pair, service="stopped")

    assert_broken(examination, "link", "lost or refused")


def test_a_tracer_whose_clock_is_ahead_is_named(embedded_pair: Endpoints) -> None:
    tell(embedded_pair, "ahead", rides(), profiles_later_s=-300)

    assert_broken(examine(embedded_pair, service="ahead"), "clocks", "more than 30 s before")


def test_an_upload_interval_of_a_minute_is_too_long_for_grafana(embedded_pair: Endpoints) -> None:
    told = [Ride(ago_s=65 + 3 * index) for index in range(40)]
    tell(embedded_pair, "slow-upload", told, upload_s=60)

    examination = examine(embedded_pair, service="slow-upload")

    assert_broken(examination, "window", "upload interval well under 30 s")
    assert Cause.FAR_AWAY in {explanation.cause for explanation in examination.unlinked}
