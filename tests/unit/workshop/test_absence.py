"""Exercises that cannot be done on a machine: they are said to be, and a workshop is complete without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanprofiles.cli import main
from spanprofiles.model import Endpoints
from spanprofiles.ui import create_app
from spanprofiles.workshop import Exercise, Judgement, NotHereError, Workbench, exercise
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.exercise import all_exercises
from spanprofiles.workshop.folder import LearnersFolder, absence_of
from spanprofiles.workshop.progress import Progress, Record
from spanprofiles.workshop.session import Session, announce, claimed

NOWHERE = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9", otlp_http="http://127.0.0.1:9")
REASON = "loom must be on the PATH"


@pytest.fixture
def learners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LearnersFolder]:
    """A workshop of two exercises: the first is solved, and the second needs a program that is not there."""
    exercises = tmp_path / "exercises"
    for name, tools in (("e01_plain", ""), ("e02_woven", "loom\npython3\n")):
        (exercises / name / "files").mkdir(parents=True)
        (exercises / name / "exercise.md").write_text(f"# {name}\n")
        (exercises / name / "hints.md").write_text("## 1\n\none\n")
        (exercises / name / "tools.txt").write_text(tools)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(exercise, "_EXERCISES", exercises)
    all_exercises.cache_clear()
    folder = LearnersFolder(tmp_path / "mine")
    folder.fill()
    folder.note_judgement(all_exercises()[0], Judgement.passes("well done"), {})
    yield folder
    all_exercises.cache_clear()


def woven() -> Exercise:
    return all_exercises()[1]


def install_loom(tmp_path: Path) -> None:
    (tmp_path / "bin" / "loom").touch(0o755)


@pytest.mark.usefixtures("learners")
def test_an_exercise_says_which_of_its_programs_are_missing(tmp_path: Path) -> None:
    assert [found.absence for found in all_exercises()] == ["", REASON]

    install_loom(tmp_path)

    assert woven().absence == ""


def test_it_is_not_judged_and_the_reason_is_one_line(learners: LearnersFolder) -> None:
    bench = Workbench(woven(), learners.files_of(woven()), NOWHERE)

    with pytest.raises(NotHereError, match=f"^exercise 2 is not here: {REASON}$"):
        judged(bench)


def test_the_next_exercise_is_one_that_is_here(learners: LearnersFolder, tmp_path: Path) -> None:
    assert learners.next_exercise(learners.progress()) is None

    install_loom(tmp_path)

    assert learners.next_exercise(learners.progress()) == woven()


def test_what_only_a_check_finds_out_counts_until_a_later_check(learners: LearnersFolder, tmp_path: Path) -> None:
    install_loom(tmp_path)
    learners.note_absence(woven(), NotHereError(2, "there is no yarn"))
    assert absence_of(woven(), learners.progress().of(woven().name)) == "there is no yarn"
    assert learners.next_exercise(learners.progress()) is None

    learners.note_judgement(woven(), Judgement.fails("a knot", "a cloth"), {})

    assert learners.next_exercise(learners.progress()) == woven()


def test_a_missing_program_is_not_noted_so_that_it_counts_as_soon_as_it_is_there(
    learners: LearnersFolder, tmp_path: Path
) -> None:
    learners.note_absence(woven(), NotHereError(2, REASON))
    install_loom(tmp_path)

    assert absence_of(woven(), learners.progress().of(woven().name)) == ""


def test_a_solved_exercise_stays_solved_when_its_program_is_gone(learners: LearnersFolder, tmp_path: Path) -> None:
    install_loom(tmp_path)
    learners.note_judgement(woven(), Judgement.passes("a cloth"), {})
    (tmp_path / "bin" / "loom").unlink()

    assert absence_of(woven(), learners.progress().of(woven().name)) == ""


def test_the_reason_is_kept_with_the_progress() -> None:
    progress = Progress(1, records={"02_woven": Record(absence="there is no yarn")})

    assert Progress.of_json(progress.as_json()) == progress


def test_the_commands_say_it_in_one_line_and_call_the_rest_complete(
    learners: LearnersFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(learners.path)
    monkeypatch.setattr("spanprofiles.cli.workshop.judge.check_installed", lambda: None)
    with claimed(learners.state):
        announce(learners.state, Session.of(NOWHERE, ""))
        status, as_json, check, following = (
            CliRunner().invoke(main, ["workshop", *words.split()])
            for words in ("status", "status --json", "check 2", "check")
        )

    assert f"e02_woven   not here: {REASON}\n" in status.stdout
    assert "All exercises that can be done here are solved." in status.stdout
    assert [row["not_here"] for row in json.loads(as_json.stdout)["exercises"]] == [None, REASON]
    assert (check.exit_code, check.stderr) == (2, f"spanprofiles: exercise 2 is not here: {REASON}\n")
    assert (following.exit_code, "all exercises that can be done here are solved" in following.stderr) == (2, True)


def test_the_page_says_it_and_counts_the_others(learners: LearnersFolder, embedded_pair: Endpoints) -> None:
    page = create_app(embedded_pair, workshop=learners).test_client()

    text = page.get("/workshop?exercise=2").text

    assert "1 of 1 solved" in text
    assert '<span class="tag">not here</span>' in text
    assert f"cannot be done on this machine: {REASON}. The workshop is complete without it." in text
    assert "All exercises that can be done here are solved." in page.get("/workshop?exercise=1").text
