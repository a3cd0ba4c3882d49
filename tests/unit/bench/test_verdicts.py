"""The bench of verdicts: its recording, its slow commits, and what it counts."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from flask import Flask

from bench import slow_commits
from bench.command import BenchError
from bench.interval_coverage import coverage_of, dispersion_by_waiting, functions_of, telling_functions
from bench.ride_recording import BASE, VERSIONS, RecordedRide, Recording, kept
from bench.slow_commits import COMMIT_HEADER, NEW_FUNCTION, OLD_FUNCTION
from bench.verdicts import Report, changed, drawn, equal, measure, ours
from rideshare import fleet, orders
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS


def ride(chance: random.Random, extra: str = "", more: float = 0.0) -> RecordedRide:
    """A ride of some ten samples, of which two functions have most."""
    work = {"find": 4.0, "route": 3.0, "price": 0.5}
    work[extra] = work.get(extra, 0.0) + more
    stacks: dict[tuple[str, ...], int] = {}
    for name, periods in work.items():
        count, moment = 0, chance.expovariate(1)
        while moment < periods:
            count, moment = count + 1, moment + chance.expovariate(1)
        if count:
            stacks["main", name] = count * SAMPLE_PERIOD_NS
    wall_ns = round(sum(work.values()) * SAMPLE_PERIOD_NS)
    return RecordedRide(wall_ns, wall_ns, stacks)


@pytest.fixture(scope="module")
def recording() -> Recording:
    chance = random.Random(1)
    rides = {BASE: [ride(chance) for _ in range(120)]}
    for version in VERSIONS[1:]:
        rides[version] = [ride(chance, version.function, 7.5 * version.growth) for _ in range(60)]
    return Recording("a quiet machine", rides)


def test_a_recording_is_read_as_it_was_written(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "rides.json.gz"
    assert kept(path, lambda: recording) == recording
    assert kept(path, lambda: pytest.fail("it is there")) == recording
    assert recording.count == 360


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"format": 1', '{"format": "spanprofiles recorded rides", "version": 9}']
)
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_is_no_recording_is_refused(text: str, compressed: bool, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    with pytest.raises(BenchError, match="not a recording"):
        Recording.read(tmp_path / "other")


def test_sides_are_drawn_alike_every_time(recording: Recording) -> None:
    first, again = (list(drawn(recording, VERSIONS[1], 5, 3)) for _ in range(2))
    assert first == again
    assert len({id(side) for sides in first for side in sides}) == 6
    assert all(len(base) == len(head) == 5 for base, head in first)


def test_any_claim_of_equal_sides_is_a_false_alarm(recording: Recording) -> None:
    assert not ours((recording.rides[BASE][:60], recording.rides[BASE][60:])).claims
    found = ours((recording.rides[BASE][:60], recording.rides[VERSIONS[1]]))
    assert found.claims
    assert found.is_regression
    assert found.first == NEW_FUNCTION


def test_equal_sides_and_both_kinds_of_commits_are_compared(recording: Recording) -> None:
    seen: list[int] = []

    def program(sides: tuple[object, ...]) -> Report:
        seen.append(len(sides))
        return Report(False, "", False, "pass")

    assert {size: len(reports) for size, reports in equal(recording, 10, program).items()} == {30: 5, 150: 5}
    assert {name: len(some) for name, some in changed(recording, 0.5, 30, 8, program).items()} == {
        NEW_FUNCTION: 4,
        OLD_FUNCTION: 4,
    }
    assert len(seen) == 18


def test_coverage_is_counted_of_whole_totals_and_shares(recording: Recording) -> None:
    assert functions_of(recording.rides[BASE]) == ["find", "route", "price"]
    rows = coverage_of(recording, 10)
    assert {row.trials for row in rows} == {10}
    assert sum(row.hits for row in rows) / sum(row.trials for row in rows) > 0.8


def test_independent_samples_have_a_dispersion_of_about_one(recording: Recording) -> None:
    base = recording.rides[BASE]
    (line,) = dispersion_by_waiting(base, telling_functions(base))
    figures = [float(figure) for figure in re.findall(r"\d\.\d\d", line)]
    assert line.startswith("120 rides that waited 0% to 10%")
    assert len(figures) == 3
    assert all(0.6 < figure < 1.5 for figure in figures)


def test_samples_that_come_in_pairs_have_a_dispersion_of_about_two(recording: Recording) -> None:
    twice = [
        RecordedRide(ride.cpu_ns, 2 * ride.wall_ns, {stack: 2 * value for stack, value in ride.stacks.items()})
        for ride in recording.rides[BASE]
    ]
    (line,) = dispersion_by_waiting(twice, telling_functions(twice))
    figures = [float(figure) for figure in re.findall(r"\d\.\d\d", line)]
    assert line.startswith("120 rides that waited 50% to 70%")
    assert all(1.2 < figure < 3.0 for figure in figures)


def test_a_recording_of_a_few_rides_gives_no_figures(recording: Recording) -> None:
    few = Recording("anywhere", {version: rides[:10] for version, rides in recording.rides.items()})
    with pytest.raises(BenchError, match="record more"):
        measure(few, 20, with_curve=False, of_peer=0)


@pytest.fixture(scope="module")
def committed() -> Iterator[Flask]:
    patch = pytest.MonkeyPatch()
    patch.setattr(fleet, "FLEET_SIZES", dict.fromkeys(fleet.FLEET_SIZES, 30))
    yield slow_commits.create_app()
    patch.undo()


@pytest.mark.parametrize(("name", "work_of"), [(NEW_FUNCTION, "drop_repeated_vehicles"), (OLD_FUNCTION, "islice")])
def test_a_slow_commit_answers_as_the_code_does_and_is_gone_afterwards(
    committed: Flask, name: str, work_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = orders.find_nearest_vehicle, fleet.smoothed_position  # type: ignore[attr-defined] # what is changed
    work = Mock(side_effect=getattr(slow_commits, work_of))
    monkeypatch.setattr(slow_commits, work_of, work)
    client = committed.test_client()

    plain = client.get("/scooter")
    assert not work.called
    slow = client.get("/scooter", headers={COMMIT_HEADER: f"{name} 20"})

    assert work.called
    assert plain.status_code == slow.status_code == 200
    assert plain.get_json()["vehicle"] == slow.get_json()["vehicle"]
    assert (orders.find_nearest_vehicle, fleet.smoothed_position) == before


@pytest.mark.parametrize("name", ["find_nearest_vehicle", "smoothed_position"])
def test_a_slow_commit_is_sampled_under_the_names_of_the_code(name: str) -> None:
    code = getattr(slow_commits, name).__code__
    assert getattr(code, "co_qualname", code.co_name) == name == getattr(fleet, name).__name__
