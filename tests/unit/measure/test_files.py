"""Measurements in a folder: a file for programs, one for pprof viewers, and never half of either."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.embedded.proto.pprof_pb2 import Profile
from spanprofiles.measure.files import (
    RecordingFailedError,
    file_stem,
    read_measurement,
    read_measurements,
    write_measurement,
)
from spanprofiles.model import FlameGraph
from spanprofiles.model.measurement_json import MeasurementError
from tests.support.measurements import MS, START_NS, a_measurement

MEASUREMENT = a_measurement([{"search": 40, "render": 20}, {"search": 30}])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_recording_reads_back_as_the_measurement(tmp_path: Path) -> None:
    path = write_measurement(tmp_path / "new" / "folder", MEASUREMENT)
    assert read_measurement(path) == MEASUREMENT
    assert read_measurements(tmp_path / "new" / "folder") == {MEASUREMENT.name: MEASUREMENT}


def test_a_pprof_viewer_finds_the_same_samples_beside_it(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, MEASUREMENT)
    named = path.with_name(path.name.replace(".measurement.json", ".pprof"))
    profile = Profile.FromString(gzip.decompress(named.read_bytes()))
    assert f'"pprof": "{named.name}"' in path.read_text()
    assert sum(sample.value[0] for sample in profile.sample) == MEASUREMENT.flamegraph.total
    assert profile.time_nanos == START_NS
    assert profile.duration_nanos == 1_500 * MS


def test_a_second_recording_replaces_the_first(tmp_path: Path) -> None:
    write_measurement(tmp_path, MEASUREMENT)
    again = a_measurement([{"search": 10}])
    write_measurement(tmp_path, again)
    assert read_measurements(tmp_path) == {again.name: again}
    assert len(names_in(tmp_path)) == 2


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "", "-", "x" * 5_000, "\0\n\x1b[2J", "tëst", "..", "\ud800", ".hidden"]
)
def test_no_name_leads_to_another_folder(tmp_path: Path, name: str) -> None:
    path = write_measurement(tmp_path, a_measurement([{"f": 10}], name=name))
    assert path.parent == tmp_path
    assert len(path.name) < 150
    assert list(read_measurements(tmp_path)) == [name]
    assert len(names_in(tmp_path)) == 2


def test_names_that_look_alike_in_a_file_system_have_files_of_their_own() -> None:
    names = ["test[a/b]", "test[a-b]", "test[a b]", "test(a-b)"]
    assert len({file_stem(name) for name in names}) == 4


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingFailedError, match=r"cannot be written to .*file"):
        write_measurement(tmp_path / "file", MEASUREMENT)


def test_a_writing_that_is_interrupted_leaves_the_old_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_measurement(tmp_path, MEASUREMENT)
    before = names_in(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingFailedError, match="No space left on device"):
        write_measurement(tmp_path, a_measurement([{"search": 10}]))
    assert read_measurement(path) == MEASUREMENT
    assert names_in(tmp_path) == before


def test_a_folder_without_measurements_says_how_to_make_some(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(MeasurementError, match=r"holds no measurement .*: write some with pytest --span-prof"):
        read_measurements(tmp_path)
    with pytest.raises(MeasurementError, match="nowhere is not a folder"):
        read_measurements(tmp_path / "nowhere")


def test_two_files_of_one_measurement_are_named(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, MEASUREMENT)
    (tmp_path / "copy.measurement.json").write_bytes(path.read_bytes())
    with pytest.raises(MeasurementError, match=r"both measure tests/test_shop\.py::test_search: remove the older"):
        read_measurements(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"it\.json cannot be read: No such file"):
        read_measurement(tmp_path / "it.json")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, MEASUREMENT)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MeasurementError, match=f"{path.name} is no JSON, perhaps cut off"):
        read_measurements(tmp_path)


def test_a_measurement_without_requests_is_dated_by_when_it_was_made(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, replace(MEASUREMENT, requests=(), flamegraph=FlameGraph()))
    profile = Profile.FromString(gzip.decompress(next(tmp_path.glob("*.pprof")).read_bytes()))
    assert (profile.time_nanos, profile.duration_nanos) == (MEASUREMENT.environment.time_ns, 0)
    assert read_measurement(path).requests == ()
