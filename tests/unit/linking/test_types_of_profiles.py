"""A span is linked by the type of profile whose samples carry its ID; words and units are those of that type."""

from __future__ import annotations

import pytest

from spanprofiles.linking import Evidence, Linker, NoSamplesError
from spanprofiles.model import CPU
from tests.support.linking import ANSWERING, TRACE, Scene, Upload, server_span
from tests.unit.linking.conftest import Follow

WALL = "wall:wall:nanoseconds:wall:nanoseconds"
SAMPLES = "process_cpu:samples:count:cpu:nanoseconds"
ALLOCATED = "memory:alloc_in_new_tlab_bytes:bytes:space:bytes"
STACKS = {("serve", "wait_for_stock"): 300_000_000, ("serve", "search"): 100_000_000}
COUNTS = {("serve", "search"): 30, ("serve",): 10}


def at_once(scene: Scene, follow: Follow) -> Linker:
    return follow(scene, timeout_s=0.0)


def test_wall_time_that_carries_the_id_is_a_link_like_any_other(follow: Follow) -> None:
    linker = follow(Scene(uploads=[Upload(STACKS, profile_type=WALL)]).add(server_span()))

    span = linker.linked_span(TRACE)

    assert span.profile_type == WALL
    assert span.flamegraph.share("wait_for_stock") == 0.75
    assert span.amount == "400 ms of wall time (40 samples, 290 to 540 ms)"
    assert span.cpu_ns == 0, "wall time is no CPU"
    assert repr(span.flamegraph).startswith("<FlameGraph of 400 ms of wall time")


def test_cpu_time_goes_before_wall_time_where_both_carry_the_id(follow: Follow) -> None:
    uploads = [Upload(STACKS, profile_type=WALL), Upload({("serve", "search"): 90_000_000})]

    span = follow(Scene(uploads=uploads).add(server_span())).linked_span(TRACE)

    assert (span.profile_type, span.cpu_ns) == (CPU, 90_000_000)


def test_wall_time_without_the_id_links_nothing(follow: Follow) -> None:
    uploads = [Upload(STACKS, profile_id="c" * 16, profile_type=WALL)]

    with pytest.raises(NoSamplesError):
        at_once(Scene(uploads=uploads).add(server_span()), follow).linked_span(TRACE)


def test_counts_of_samples_are_no_nanoseconds(follow: Follow) -> None:
    span = follow(Scene(uploads=[Upload(COUNTS, profile_type=SAMPLES)]).add(server_span())).linked_span(TRACE)

    assert span.profile_type == SAMPLES
    assert span.amount == "40 samples of CPU (29 to 54)"
    assert span.flamegraph.share("search") == 0.75
    assert span.cpu_ns == 0


def test_counts_beside_cpu_time_are_not_asked_for(follow: Follow) -> None:
    """They come from the same samples, and can tell nothing more."""
    uploads = [Upload(COUNTS, "d" * 16, profile_type=SAMPLES), Upload(STACKS, "d" * 16)]
    scene = Scene(uploads=uploads).add(server_span())
    linker = at_once(scene, follow)

    assert linker.flamegraph(linker.answering_span(TRACE)).is_empty
    assert scene.profile_looks == 1


def test_samples_that_are_no_time_are_named_and_link_nothing(follow: Follow) -> None:
    uploads = [Upload({("serve", "search"): 4096}, profile_type=ALLOCATED)]

    with pytest.raises(NoSamplesError, match=f"samples of type {ALLOCATED} carry its ID") as failed:
        at_once(Scene(uploads=uploads).add(server_span()), follow).linked_span(TRACE)
    assert f"set profileTypeId to {ALLOCATED}" in str(failed.value)


def test_a_type_that_is_asked_for_by_name_is_asked_for_alone(follow: Follow) -> None:
    uploads = [Upload({("serve", "search"): 4096}, profile_type=ALLOCATED), Upload(STACKS)]
    scene = Scene(uploads=uploads).add(server_span())
    asking = at_once(scene, follow)
    linker = Linker(asking.tempo, asking.pyroscope, waiting=asking.waiting, profile_type=ALLOCATED)

    span = linker.linked_span(TRACE)

    assert (span.profile_type, span.amount) == (ALLOCATED, "4.0 KiB of alloc_in_new_tlab_bytes")


def test_a_wall_profile_that_comes_moments_before_the_cpu_profile_does_not_win(follow: Follow) -> None:
    """Agents send one type after the other."""
    uploads = [
        Upload(STACKS, after_s=0.35, profile_type=WALL, ago_s=0.5),
        Upload({("serve", "search"): 90_000_000}, after_s=0.45, ago_s=0.5),
    ]
    scene = Scene(uploads=uploads).add(server_span(ended_s_ago=0.0))

    span = follow(scene, upload_interval_s=2.0).linked_span(TRACE)

    assert span.profile_type == CPU


def test_several_spans_are_merged_by_the_type_that_carries_their_ids(follow: Follow) -> None:
    linker = follow(Scene(uploads=[Upload(STACKS, profile_type=WALL)]).add(server_span()))

    merged = linker.merged_samples([linker.answering_span(TRACE)])

    assert (merged.profile_type, merged.total) == (WALL, 400_000_000)


def test_what_was_seen_is_kept_with_its_type_for_the_report(follow: Follow) -> None:
    linker = follow(Scene(uploads=[Upload(STACKS, profile_type=WALL)]).add(server_span()))
    evidence = Evidence(TRACE)

    linker.follow(TRACE, evidence).linked_span()

    assert evidence.flamegraphs[ANSWERING].profile_type == WALL
