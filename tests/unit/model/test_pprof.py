"""A flame graph as a pprof profile: every field, read by a decoder that shares nothing with the writer."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.source_lines import SourceFrame, SourceLines

GO_SAMPLES = "process_cpu:samples:count:cpu:nanoseconds"
START_NS, MINUTE_NS = 1_700_000_000_123_456_789, 60_000_000_000


def read(data: bytes) -> tuple[Profile, list[str]]:
    profile = Profile.FromString(gzip.decompress(data))
    size = profile.ByteSize()
    profile.DiscardUnknownFields()
    assert profile.ByteSize() == size, "nothing else is in it"
    return profile, list(profile.string_table)


def pair_of(texts: list[str], value_type: Any) -> tuple[str, str]:
    return texts[value_type.type], texts[value_type.unit]


def stacks_of(profile: Profile, texts: list[str]) -> list[tuple[list[tuple[str, str, int]], int]]:
    """Call paths, outermost function first: name, file and line of each frame, and the value."""
    functions = {function.id: function for function in profile.function}
    locations = {location.id: location for location in profile.location}
    found = []
    for sample in profile.sample:
        lines = [locations[number].line[0] for number in reversed(sample.location_id)]
        path = [
            (texts[functions[line.function_id].name], texts[functions[line.function_id].filename], line.line)
            for line in lines
        ]
        found.append((path, sample.value[0]))
    return found


def test_every_field_of_a_profile_is_what_was_given() -> None:
    graph = FlameGraph({("main",): 10_000_000, ("main", "search"): 380_000_000}, CPU)

    profile, texts = read(
        pprof_profile(graph, time_ns=START_NS, duration_ns=MINUTE_NS, labels={"span_id": "aa", "region": "eu"})
    )

    assert texts[0] == ""
    assert len(set(texts)) == len(texts)
    assert [pair_of(texts, kind) for kind in profile.sample_type] == [("cpu", "nanoseconds")]
    assert pair_of(texts, profile.period_type) == ("cpu", "nanoseconds")
    assert (profile.time_nanos, profile.duration_nanos, profile.period) == (START_NS, MINUTE_NS, 10_000_000)
    assert stacks_of(profile, texts) == [
        ([("main", "", 0)], 10_000_000),
        ([("main", "", 0), ("search", "", 0)], 380_000_000),
    ]
    for sample in profile.sample:
        assert [(texts[label.key], texts[label.str]) for label in sample.label] == [("span_id", "aa"), ("region", "eu")]
    assert [(function.id, texts[function.system_name]) for function in profile.function] == [(1, "main"), (2, "search")]
    assert [location.id for location in profile.location] == [1, 2]


def test_a_profile_of_counts_still_tells_what_lies_between_two_samples() -> None:
    profile, texts = read(pprof_profile(FlameGraph([(("main",), 38)], GO_SAMPLES)))

    assert [pair_of(texts, kind) for kind in profile.sample_type] == [("samples", "count")]
    assert pair_of(texts, profile.period_type) == ("cpu", "nanoseconds")
    assert (profile.time_nanos, profile.duration_nanos) == (0, 0)
    assert [list(sample.label) for sample in profile.sample] == [[]]


def test_lines_have_locations_of_their_own_and_share_the_function_of_one_file() -> None:
    frames = [SourceFrame("main", "app.py", 300), SourceFrame("main", "app.py", 2), SourceFrame("main", "lib.py", 2)]
    lines = SourceLines([((frames[0], frames[1]), 5), ((frames[2], frames[1]), 2**70)])

    profile, texts = read(pprof_profile(lines.flamegraph, lines=lines))

    assert stacks_of(profile, texts) == [
        ([("main", "app.py", 300), ("main", "app.py", 2)], 5),
        ([("main", "lib.py", 2), ("main", "app.py", 2)], 2**63 - 1),  # the largest that the format holds
    ]
    assert [(function.id, texts[function.filename]) for function in profile.function] == [(1, "app.py"), (2, "lib.py")]
    assert [location.id for location in profile.location] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "shown"), [("héllo 漢", "héllo 漢"), ("half \ud800", "half ?"), ("x" * 300, "x" * 300)]
)
def test_any_name_is_written_as_text(name: str, shown: str) -> None:
    profile, texts = read(pprof_profile(FlameGraph([((name,), 1)])))
    assert stacks_of(profile, texts) == [([(shown, "", 0)], 1)]


def test_a_profile_without_samples_is_one_too_and_the_same_each_time() -> None:
    profile, _ = read(pprof_profile(FlameGraph()))
    assert not profile.sample
    assert len(profile.sample_type) == 1
    assert pprof_profile(FlameGraph([(("f",), 1)])) == pprof_profile(FlameGraph([(("f",), 1)]))
    assert pprof_profile(FlameGraph())[4:8] == bytes(4), "gzip's field for the time of day"


@pytest.mark.parametrize("value", [1, 126, 127, 128, 129, 2**14 - 1, 2**14, 2**63 - 1])
def test_a_value_of_any_size_is_read_back(value: int) -> None:
    profile, texts = read(pprof_profile(FlameGraph([(("f",), value)], GO_SAMPLES), time_ns=START_NS))
    assert stacks_of(profile, texts) == [([("f", "", 0)], value)]
