"""The learner's folder: nothing in it is ever lost."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Judgement, Workbench, WorkshopError, all_exercises
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import DEFAULT_NAME, LearnersFolder

NOWHERE = Endpoints(tempo="", pyroscope="")
BAKERY = exercise_of(2)
OWN = exercise_of(10)


@pytest.fixture
def learners(tmp_path: Path) -> LearnersFolder:
    folder = LearnersFolder(tmp_path / "mine")
    folder.fill()
    return folder


def bench(learners: LearnersFolder) -> Workbench:
    return Workbench(BAKERY, learners.files_of(BAKERY), NOWHERE, learners.progress().seed)


def attempt(learners: LearnersFolder, exercise: Exercise) -> str:
    """Return what tells the attempt that is there from others."""
    bench = Workbench(exercise, learners.files_of(exercise), NOWHERE)
    bench.read_attempt()
    return bench.attempt


def test_each_exercise_is_copied_with_its_text(learners: LearnersFolder) -> None:
    for exercise in all_exercises():
        assert (learners.path / exercise.name / "README.md").read_text() == exercise.text
        assert {name for name in exercise.given if not (learners.path / exercise.name / name).is_file()} == set()


def test_filling_it_again_brings_what_is_missing_and_overwrites_nothing(learners: LearnersFolder) -> None:
    seed = learners.progress().seed
    (learners.path / "02_instrument" / "bakery.py").write_text("my own work")
    (learners.path / "03_forks" / "ferry.py").unlink()

    assert learners.fill() == ["03_forks"]

    assert (learners.path / "02_instrument" / "bakery.py").read_text() == "my own work"
    assert (learners.path / "03_forks" / "ferry.py").is_file()
    assert learners.progress().seed == seed


def test_a_folder_with_other_files_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "02_instrument").mkdir()
    (tmp_path / "02_instrument" / "bakery.py").write_text("of another project")

    LearnersFolder(tmp_path).fill()

    assert (tmp_path / "02_instrument" / "bakery.py").read_text() == "of another project"


def test_it_is_found_from_within_from_above_and_not_from_elsewhere(tmp_path: Path) -> None:
    learners = LearnersFolder(tmp_path / DEFAULT_NAME)
    learners.fill()

    assert LearnersFolder.find(learners.path / "03_forks").path == learners.path.resolve()
    assert LearnersFolder.find(tmp_path).path == learners.path.resolve()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(WorkshopError, match=r"there is no workshop in .*elsewhere: .*spanprofiles workshop start"):
        LearnersFolder.find(tmp_path / "elsewhere")


def test_the_solution_is_a_difference_that_the_program_patch_takes(learners: LearnersFolder) -> None:
    (learners.path / "02_instrument" / "bakery.py").write_text("print('lost my way')\n")

    solution = learners.solution(BAKERY, bench(learners))

    subprocess.run(["git", "apply", "-"], cwd=learners.path, input=solution, text=True, check=True)
    wanted = BAKERY.given | BAKERY.attempted(BAKERY.solutions[0])
    assert (learners.path / "02_instrument" / "bakery.py").read_text() == wanted["bakery.py"]
    assert learners.solution(BAKERY, bench(learners)) == ""


def test_the_solution_of_a_question_has_this_learners_answer(learners: LearnersFolder) -> None:
    look = exercise_of(1)
    at_work = Workbench(look, learners.files_of(look), NOWHERE, learners.progress().seed)

    assert f"+{look.drawn(at_work)}\n" in learners.solution(look, at_work)


def test_reset_keeps_a_backup_each_time(learners: LearnersFolder) -> None:
    file = learners.path / "02_instrument" / "bakery.py"
    backups = []
    for text in ("first try", "second try"):
        file.write_text(text)
        (file.parent / "notes.txt").write_text("notes")
        backups.append(learners.reset(BAKERY))
        assert file.read_text() == BAKERY.given["bakery.py"]
        assert not (file.parent / "notes.txt").exists()

    assert [(backup / "bakery.py").read_text() for backup in backups if backup] == ["first try", "second try"]
    assert all(backup and (backup / "notes.txt").read_text() == "notes" for backup in backups)


def test_reset_makes_an_exercise_unsolved_and_brings_back_a_removed_one(learners: LearnersFolder) -> None:
    learners.progress_file.update(
        lambda progress: progress.with_record(
            BAKERY.name, progress.of(BAKERY.name).after(Judgement.passes("done"), {"asked": 1})
        )
    )
    (learners.path / "02_instrument").rename(learners.path / "moved")
    with pytest.raises(WorkshopError, match="is not there: `spanprofiles workshop reset 2` puts it back"):
        learners.files_of(BAKERY)

    assert learners.reset(BAKERY) is None

    record = learners.progress().of(BAKERY.name)
    assert (record.passed, record.notes, record.checks) == (False, {}, 1)
    assert learners.files_of(BAKERY).is_dir()


def test_reset_without_room_on_the_disk_changes_nothing(
    learners: LearnersFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (learners.path / "02_instrument" / "bakery.py").write_text("mine")
    before = sorted(learners.path.rglob("*"))
    monkeypatch.setattr(os, "fsync", no_room)

    with pytest.raises(WorkshopError, match="No space left on device"):
        learners.reset(BAKERY)

    assert (learners.path / "02_instrument" / "bakery.py").read_text() == "mine"
    assert sorted(learners.path.rglob("*")) == before


def test_hints_are_given_in_turn_and_the_last_one_again(learners: LearnersFolder) -> None:
    assert [learners.note_hint(BAKERY) for _ in range(5)] == [1, 2, 3, 3, 3]


def test_a_save_a_new_file_and_a_removed_one_change_the_fingerprint(learners: LearnersFolder) -> None:
    folder = learners.path / BAKERY.name
    seen = [learners.fingerprint(BAKERY)]
    (folder / "bakery.py").write_text("other")
    seen.append(learners.fingerprint(BAKERY))
    (folder / "answer.txt").write_text("42")
    seen.append(learners.fingerprint(BAKERY))
    (folder / "bakery.py").unlink()
    seen.append(learners.fingerprint(BAKERY))
    assert len(set(seen)) == 4

    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "bakery.pyc").write_text("")
    (folder / ".bakery.py.swp").write_text("")

    assert learners.fingerprint(BAKERY) == seen[-1]


@pytest.fixture
def app(learners: LearnersFolder, tmp_path: Path) -> Path:
    """An app of the learner's that has a folder of its own, which exercise 10 names."""
    (tmp_path / "shop" / "templates").mkdir(parents=True)
    for name in ("app.py", "templates/home.html"):
        (tmp_path / "shop" / name).write_text("one")
    written = learners.path / OWN.name / "own.yaml"
    written.write_text(written.read_text().replace("folder:\n", f"folder: {tmp_path / 'shop'}\n"))
    return tmp_path / "shop"


@pytest.mark.parametrize("name", ["app.py", "templates/home.html", "pricing.go"])
def test_a_save_in_the_folder_of_ones_own_app_is_a_new_attempt(learners: LearnersFolder, app: Path, name: str) -> None:
    before = learners.fingerprint(OWN), attempt(learners, OWN)

    (app / name).write_text("another")

    assert learners.fingerprint(OWN) != before[0]
    assert attempt(learners, OWN) != before[1]


@pytest.mark.parametrize("name", ["shop.log", "shop.sqlite3", ".venv/lib.py"])
def test_what_an_app_keeps_in_its_own_folder_is_no_save(learners: LearnersFolder, app: Path, name: str) -> None:
    before = learners.fingerprint(OWN), attempt(learners, OWN)

    (app / name).parent.mkdir(exist_ok=True)
    (app / name).write_text("one ride")

    assert (learners.fingerprint(OWN), attempt(learners, OWN)) == before


@pytest.mark.parametrize("line", ["", ".", "nowhere", "~nobody/shop", '"a\\0b"', "[a, b]", "{"], ids=repr)
def test_a_folder_that_is_none_or_the_exercises_own_adds_no_file(learners: LearnersFolder, line: str) -> None:
    folder = learners.path / OWN.name
    (folder / "own.yaml").write_text(f"folder: {line}\n")

    assert list(OWN.files_beside(folder)) == []


def test_files_in_other_folders_belong_to_an_exercise_that_has_some(learners: LearnersFolder) -> None:
    assert list(BAKERY.files_beside(learners.path / BAKERY.name)) == []


def test_the_folders_of_an_environment_and_of_an_editor_are_not_looked_through(learners: LearnersFolder) -> None:
    folder = learners.path / BAKERY.name
    before = learners.fingerprint(BAKERY)
    for name in (".venv", "venv", "node_modules", ".git"):
        (folder / name).mkdir()
        (folder / name / "module.py").write_text("")

    assert learners.fingerprint(BAKERY) == before


def test_a_learner_among_others_has_services_of_that_name(learners: LearnersFolder) -> None:
    assert bench(learners).service_name("bakery") == "bakery"

    learners.fill("anna")
    learners.fill()

    assert learners.progress().learner == "anna"
    at_work = Workbench(BAKERY, learners.files_of(BAKERY), NOWHERE, learner=learners.progress().learner)
    assert at_work.service_name("bakery") == "bakery-anna"


def test_the_next_exercise_is_the_first_that_is_not_solved(learners: LearnersFolder) -> None:
    progress = learners.progress()
    assert learners.next_exercise(progress) == all_exercises()[0]
    for exercise in all_exercises():
        progress = progress.with_record(exercise.name, progress.of(exercise.name).after(Judgement.passes("done"), {}))
    assert learners.next_exercise(progress) is None
