"""How long threads waited for a processor, as Linux counts it, and when that is noted in a measurement."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.measure import processor_time
from spanprofiles.measure.processor_time import ProcessorTime, with_processor_wait
from spanprofiles.model import Measurement
from tests.support.compared_measurements import HERE, measurement

MS = 1_000_000
NOTHING = ProcessorTime({})


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(processor_time, "_PROC", tmp_path)
    return tmp_path


def thread(proc: Path, pid: int, number: int, times: str, children: str = "") -> None:
    folder = proc / str(pid) / "task" / str(number)
    folder.mkdir(parents=True)
    (folder / "schedstat").write_text(times)
    (folder / "children").write_text(children)


def measured(cpu_ms: int = 200, agent: str = "pyroscope-io 1.4.0") -> Measurement:
    return measurement({"search": cpu_ms}, requests=8, environment=replace(HERE, agent=agent))


def test_the_threads_of_a_process_and_of_its_workers_are_counted(proc: Path) -> None:
    thread(proc, 10, 10, "5 1 3\n", "20 21 ")
    thread(proc, 10, 11, "7 2 3\n")
    thread(proc, 20, 20, "100 50 9\n", "10")  # a circle, as of a number that was used again
    thread(proc, 21, 21, "garbage\n")

    assert ProcessorTime.of([10, 0]).threads == {(10, 10): (5, 1), (10, 11): (7, 2), (20, 20): (100, 50)}


def test_a_process_that_is_not_there_and_a_system_without_counts_give_none(proc: Path) -> None:
    (proc / "30" / "task" / "30").mkdir(parents=True)

    assert ProcessorTime.of([30, 31]) == NOTHING


def test_threads_that_hardly_ran_do_not_count() -> None:
    before = ProcessorTime({(1, 1): (1000, 100), (1, 2): (5, 5)})
    after = ProcessorTime({(1, 1): (2000, 400), (1, 2): (10, 9000), (1, 3): (900, 100)})

    assert after.since(before) == (1900, 400)


def test_the_part_of_the_time_that_threads_waited_is_noted() -> None:
    after = ProcessorTime({(1, 1): (1200 * MS, 400 * MS)})

    assert with_processor_wait(measured(), NOTHING, after).environment.processor_wait == 0.25


@pytest.mark.parametrize(
    ("measurement_", "after"),
    [
        (measured(), ProcessorTime({(1, 1): (20 * MS, 5 * MS)})),
        (measured(agent="another"), ProcessorTime({(1, 1): (1200 * MS, 400 * MS)})),
        (measured(agent=""), ProcessorTime({(1, 1): (1200 * MS, 400 * MS)})),
        (measured(), NOTHING),
    ],
    ids=["threads ended with their requests", "another agent", "an agent that nobody knows", "another system"],
)
def test_what_is_not_known_is_not_noted(measurement_: Measurement, after: ProcessorTime) -> None:
    assert with_processor_wait(measurement_, NOTHING, after).environment.processor_wait is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts it")
def test_this_process_has_run() -> None:
    ran_ns, _ = ProcessorTime.of([os.getpid()]).since(NOTHING)

    assert ran_ns > 0
