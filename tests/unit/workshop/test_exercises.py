"""What stands in the folders of the exercises, without a program being run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from spanprofiles import workshop
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Workbench, WorkshopError, all_exercises, exercise
from spanprofiles.workshop.attempt import read_attempt
from spanprofiles.workshop.exercise import exercise_of
from tests.support.repository import ROOT

NOWHERE = Endpoints(tempo="", pyroscope="")
PATCHES = [(found, patch) for found in all_exercises() for patch in (*found.solutions, *found.attempts)]


def _named(value: object) -> str:
    return value.stem if isinstance(value, Path) else getattr(value, "name", str(value))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(exercise, "_EXERCISES", tmp_path)
    all_exercises.cache_clear()
    yield tmp_path
    all_exercises.cache_clear()


def test_exercises_are_numbered_without_a_double() -> None:
    numbers = [found.number for found in all_exercises()]

    assert numbers == sorted(set(numbers))
    assert numbers[:4] == [1, 2, 3, 4]


@pytest.mark.parametrize("found", all_exercises(), ids=_named)
def test_an_exercise_has_what_it_needs(found: Exercise) -> None:
    assert found.text.startswith(f"# {found.title}\n")
    assert [part for part in ("See", "Mend", "Prove") if f"**{part}.**" not in found.text] == []
    assert f"check {found.number}" in found.text
    assert len(found.hints) == 3
    assert len(found.solutions) >= 2
    assert len(found.attempts) >= 2
    assert [patch.stem for patch in found.attempts if not read_attempt(patch).must_say] == []


@pytest.mark.parametrize(("found", "patch"), PATCHES, ids=_named)
def test_each_patch_fits_the_files_and_changes_them(found: Exercise, patch: Path, tmp_path: Path) -> None:
    right = found.drawn(Workbench(found, tmp_path, NOWHERE, seed=1))

    changed = found.attempted(patch, right)

    assert changed
    assert [name for name, text in changed.items() if text == found.given.get(name)] == []
    assert [name for name, text in changed.items() if "{drawn}" in text] == []


def test_solutions_of_one_exercise_differ() -> None:
    for found in all_exercises():
        assert len({patch.read_text() for patch in found.solutions}) == len(found.solutions), found.name


def test_what_is_drawn_stays_the_same_for_a_learner_and_differs_between_learners(tmp_path: Path) -> None:
    found = exercise_of(1)
    answers = [found.drawn(Workbench(found, tmp_path, NOWHERE, seed=seed)) for seed in range(100)]

    assert found.drawn(Workbench(found, tmp_path, NOWHERE, seed=7)) == answers[7]
    assert len(set(answers)) > 50


def test_an_exercise_is_added_by_adding_its_folder(folder: Path) -> None:
    for name in ("e11_new", "e02_old", "notes", "__pycache__"):
        (folder / name).mkdir()

    assert [(found.number, found.name) for found in all_exercises()] == [(2, "02_old"), (11, "11_new")]


def test_a_number_without_an_exercise_is_answered_with_those_there_are(folder: Path) -> None:
    (folder / "e02_old").mkdir()

    with pytest.raises(WorkshopError, match="there is no exercise 3: choose one of 2"):
        exercise_of(3)


def test_what_an_attempt_must_be_told_is_read_from_above_its_patch(tmp_path: Path) -> None:
    patch = tmp_path / "wrong.patch"
    patch.write_text("must say: one thing\nmust say: another\nhint: 2\n--- a/x\n+++ b/x\n+must say: no\n")

    assert read_attempt(patch).must_say == ("one thing", "another")
    assert read_attempt(patch).hint == 2


def test_the_texts_name_files_that_learners_get() -> None:
    for found in all_exercises():
        for path in re.findall(rf"`{found.name}/([\w./]+)`", found.text):
            assert path in found.given, f"{found.name}: {path}"


def test_the_files_that_learners_get_hold_no_solution() -> None:
    assert [path for found in all_exercises() for path in found.files.rglob("*.patch")] == []
    assert all(ROOT in found.source.parents for found in all_exercises())


def test_the_names_of_the_package_stay_theirs_when_the_exercises_are_imported() -> None:
    offered = {name: getattr(workshop, name) for name in workshop.__all__}
    for found in all_exercises():
        import_module(f"spanprofiles.workshop.exercises.{found.source.name}.judge")

    assert {name: getattr(workshop, name) for name in workshop.__all__} == offered
    assert [name for name in workshop.__all__ if isinstance(offered[name], ModuleType)] == []
