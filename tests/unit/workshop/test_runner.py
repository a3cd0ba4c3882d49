"""What runs a learner's tests: it takes jobs, runs them side by side, and says how each run has ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import Waiting
from spanprofiles.workshop.program import LearnersProgram
from spanprofiles.workshop.pytest_runner import Run
from spanprofiles.workshop.runner import IGNORED_WARNINGS, Runner
from spanprofiles.workshop.starting_gate import GATE_VARIABLE

ENDS_S = 120.0
PLAIN = ("-q", "-p", "no:cacheprovider", *IGNORED_WARNINGS)
GATED = (*PLAIN, "-p", "spanprofiles.workshop.starting_gate")

pytestmark = pytest.mark.slow


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    command = [sys.executable, "-m", "spanprofiles.workshop.pytest_runner", str(jobs)]
    with LearnersProgram("the runner", command, tmp_path, free_ports(1)[0], plain_environment()) as program:
        yield Runner(program.start(None), jobs)


def plain_environment() -> dict[str, str]:
    """Return this environment without what tells pytest of the run that this test is in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def written(folder: Path, text: str) -> Path:
    """Write tests into a folder of their own."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_shop.py").write_text(text, encoding="utf-8")
    return folder / "tests"


def test_each_run_has_variables_an_end_and_output_of_its_own(runner: Runner, tmp_path: Path) -> None:
    tests = written(tmp_path, "import os\n\ndef test_price(): assert int(os.environ['PRICE']) < 9\n")

    job = runner.give(tests, [Run(PLAIN, {"PRICE": price}) for price in ("7", "9")])

    assert [job.await_exit_code(run, ENDS_S) for run in (0, 1)] == [0, 1]
    assert "1 passed" in job.output(0)[-1]
    assert any("assert 9 < 9" in line for line in job.output(1))


@pytest.mark.skipif(sys.platform == "darwin", reason="a run is no fork of the runner there")
def test_a_run_does_not_search_the_runners_objects_for_garbage(runner: Runner, tmp_path: Path) -> None:
    tests = written(tmp_path, "import gc\n\ndef test_objects(): assert 10_000 < gc.get_freeze_count()\n")

    job = runner.give(tests, [Run(PLAIN)])

    assert job.await_exit_code(0, ENDS_S) == 0


def test_a_run_finds_modules_in_its_folder_and_not_in_the_runners(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("PRICE = 9\n", encoding="utf-8")
    tests = written(tmp_path, "import prices\n\ndef test_price(): assert prices.PRICE == 7\n")

    without = runner.give(tests, [Run((*PLAIN, "--import-mode=importlib"))])
    assert without.await_exit_code(0, ENDS_S) == pytest.ExitCode.INTERRUPTED

    (tests / "prices.py").write_text("PRICE = 7\n", encoding="utf-8")
    assert runner.give(tests, [Run((*PLAIN, "--import-mode=importlib"))]).await_exit_code(0, ENDS_S) == 0


def test_behind_a_gate_tests_are_collected_and_begin_when_it_opens(runner: Runner, tmp_path: Path) -> None:
    tests = written(
        tmp_path,
        "from pathlib import Path\n\nPath('collected').touch()\n\ndef test_it(): Path('begun').touch()\n",
    )
    gate = tmp_path / "gate"

    job = runner.give(tests, [Run(GATED, {GATE_VARIABLE: str(gate)})])

    assert Waiting(ENDS_S).until((tests / "collected").exists)
    assert job.await_exit_code(0, 0.3) is None
    assert not (tests / "begun").exists()
    gate.touch()
    assert job.await_exit_code(0, ENDS_S) == 0
    assert (tests / "begun").exists()


def test_a_job_that_is_ended_has_no_run_left_and_the_next_one_runs(runner: Runner, tmp_path: Path) -> None:
    tests = written(tmp_path, "def test_it(): pass\n")
    held = runner.give(tests, [Run(GATED, {GATE_VARIABLE: str(tmp_path / "never")})])
    assert held.await_exit_code(0, 0.1) is None
    assert "still running" in held.unfinished().judgement.text

    held.end()

    assert held.await_exit_code(0, ENDS_S) not in {None, 0}
    assert runner.give(tests, [Run(PLAIN)]).await_exit_code(0, ENDS_S) == 0


def test_a_runner_that_is_stopped_leaves_no_one_waiting(runner: Runner, tmp_path: Path) -> None:
    tests = written(tmp_path, "def test_it(): pass\n")
    job = runner.give(tests, [Run(GATED, {GATE_VARIABLE: str(tmp_path / "never")})])

    runner.program.stop()

    assert job.await_exit_code(0, ENDS_S) is None
    assert "what runs your tests was stopped" in job.unfinished().judgement.text
    job.end()
