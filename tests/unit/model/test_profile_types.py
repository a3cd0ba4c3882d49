"""What a profile type measures, and how its values are written."""

from __future__ import annotations

import gzip

import pytest

from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.profile_types import Kind, ProfileType, note, others, stand_ins

WALL = "wall:wall:nanoseconds:wall:nanoseconds"
DOTNET_WALL = "wall:wall:nanoseconds:cpu:nanoseconds"
NODE_SAMPLES = "wall:samples:count:wall:nanoseconds"
GO_SAMPLES = "process_cpu:samples:count:cpu:nanoseconds"
MEMORY = "memory:alloc_space:bytes:space:bytes"
LOCKS = "mutex:contentions:count:mutex:count"


@pytest.mark.parametrize(
    ("profile_type", "kind", "value", "words"),
    [
        (CPU, Kind.CPU, 380_000_000, "380.0 ms of CPU"),
        (WALL, Kind.WALL, 1_840_000_000, "1.84 s of wall time"),
        (DOTNET_WALL, Kind.WALL, 10_000_000, "10.0 ms of wall time"),
        (GO_SAMPLES, Kind.CPU, 38, "38 samples of CPU"),
        (NODE_SAMPLES, Kind.WALL, 38, "38 samples of wall time"),
        ("wall:wall:count:wall:nanoseconds", Kind.WALL, 38, "38 samples of wall time"),
        (MEMORY, Kind.OTHER, 1_572_864, "1.5 MiB of alloc_space"),
        (LOCKS, Kind.OTHER, 7, "7 contentions"),
        ("mutex:delay:nanoseconds:mutex:count", Kind.OTHER, 2_000_000, "2.0 ms of delay"),
    ],
)
def test_a_value_is_written_in_its_own_unit(profile_type: str, kind: Kind, value: int, words: str) -> None:
    assert ProfileType.of(profile_type).kind is kind
    assert ProfileType.of(profile_type).amount(value) == words


def test_a_count_of_samples_is_worth_ten_milliseconds_each() -> None:
    assert ProfileType.of(GO_SAMPLES).time_ns(38) == 380_000_000
    assert ProfileType.of(WALL).time_ns(38) == 38


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ([CPU], ()),
        ([CPU, MEMORY, LOCKS], ()),
        ([CPU, WALL, MEMORY], (WALL,)),
        ([CPU, GO_SAMPLES], ()),
        ([GO_SAMPLES], (GO_SAMPLES,)),
        ([WALL, GO_SAMPLES], (GO_SAMPLES, WALL)),
        ([WALL, NODE_SAMPLES], (WALL,)),
        ([CPU, WALL, NODE_SAMPLES], (WALL,)),
        ([], ()),
    ],
)
def test_types_of_time_stand_in_for_cpu_time(types: list[str], found: tuple[str, ...]) -> None:
    assert stand_ins(types, CPU) == found


def test_all_others_are_no_time() -> None:
    assert others([CPU, WALL, MEMORY, LOCKS], CPU) == (MEMORY, LOCKS)


def test_only_a_link_by_another_type_than_cpu_needs_a_setting_in_grafana() -> None:
    assert note(CPU) == ""
    assert note(WALL) == (
        "these are samples of wall time: set profileTypeId to wall:wall:nanoseconds:wall:nanoseconds in Grafana's"
        " Tempo data source (Trace to profiles)"
    )


def test_a_malformed_type_is_no_time() -> None:
    assert ProfileType.of("cpu").kind is Kind.CPU
    assert not ProfileType.of("cpu").is_time
    assert ProfileType.of("").kind is Kind.OTHER


def test_cpu_and_wall_time_do_not_add_up() -> None:
    cpu, wall = FlameGraph([(("f",), 5)]), FlameGraph([(("f",), 5)], WALL)

    with pytest.raises(ValueError, match="do not add up"):
        cpu + wall
    assert (FlameGraph() + wall).profile_type == (wall + FlameGraph()).profile_type == WALL
    assert (wall + wall).total == 10


def test_a_part_of_a_flame_graph_is_of_the_same_type() -> None:
    assert FlameGraph([(("f", "g"), 5)], WALL).below("g").profile_type == WALL
    assert FlameGraph([(("f", "g"), 50)], WALL).divided(5).profile_type == WALL


def test_a_wall_profile_is_one_in_pprof_too() -> None:
    encoded = gzip.decompress(pprof_profile(FlameGraph([(("f",), 5)], WALL)))

    assert b"wall" in encoded
    assert b"cpu" not in encoded
