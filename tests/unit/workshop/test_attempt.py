"""What tells one attempt of a learner's from another: the files, the answer, and what the judge knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import Workbench
from spanprofiles.workshop.exercise import ANSWER_FILE, TEXT_FILE, exercise_of

NOWHERE = Endpoints(tempo="", pyroscope="")


def attempt_in(folder: Path, answer: str = "", notes: dict[str, Any] | None = None) -> str:
    bench = Workbench(exercise_of(2), folder, NOWHERE, answer=answer, notes=notes or {})
    bench.read_attempt()
    return bench.attempt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bakery.py").write_text("cake = 1")
    return tmp_path


def test_the_same_files_are_the_same_attempt_though_they_were_saved_again(folder: Path) -> None:
    first = attempt_in(folder)
    (folder / "bakery.py").write_text("cake = 1")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "bakery.pyc").write_text("compiled")
    (folder / TEXT_FILE).write_text("the text")

    assert attempt_in(folder) == first


def test_other_text_a_new_file_and_other_notes_are_other_attempts(folder: Path) -> None:
    attempts = [attempt_in(folder), attempt_in(folder, notes={"asked": 1})]
    (folder / "bakery.py").write_text("cake = 2")
    attempts.append(attempt_in(folder))
    (folder / "oven.py").write_text("")
    attempts.append(attempt_in(folder))

    assert len(set(attempts)) == 4


def test_an_answer_in_its_file_is_the_same_as_on_the_command_line(folder: Path) -> None:
    given, none = attempt_in(folder, "find_fare"), attempt_in(folder)
    (folder / ANSWER_FILE).write_text("find_fare\n")

    assert attempt_in(folder) == given != none
