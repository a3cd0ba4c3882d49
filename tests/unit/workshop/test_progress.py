"""The file with a learner's progress: whole or not at all, whoever else writes it."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from spanprofiles.workshop import Judgement, WorkshopError
from spanprofiles.workshop.progress import Progress, ProgressFile, Record
from spanprofiles.workshop.storage import write_file, write_new_file

JUDGEMENT = Judgement.fails(["a thing", "another"], "what is missing", hint=2).showing("f" * 32, "e" * 16)


def no_room(_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def file(tmp_path: Path) -> ProgressFile:
    return ProgressFile(tmp_path / ".workshop" / "progress.json")


def test_what_was_written_is_read_again(file: ProgressFile) -> None:
    record = Record(hints=2).after(JUDGEMENT, {"asked": ["one"]}, "a")

    written = file.update(lambda progress: progress.with_record("02_instrument", record))

    assert file.read() == written
    assert file.read().of("02_instrument").judgement == JUDGEMENT
    assert file.read().of("03_forks") == Record()


def test_a_solved_exercise_stays_solved_when_a_later_check_fails() -> None:
    solved = Record().after(Judgement.passes("well done"), {})

    again = solved.after(JUDGEMENT, {})

    assert (again.passed, again.checks, again.passed_s) == (True, 2, solved.passed_s)
    assert again.judgement == JUDGEMENT


def test_one_attempt_that_is_judged_by_check_and_by_watch_is_one_check() -> None:
    first = Record().after(JUDGEMENT, {}, "a")

    assert first.after(JUDGEMENT, {}, "a").checks == 1
    assert first.after(Judgement.passes("well done"), {}, "a").passed


def test_an_attempt_that_differs_is_another_check_and_so_is_a_return_to_an_old_one() -> None:
    record = Record().after(JUDGEMENT, {}, "a").after(JUDGEMENT, {}, "b").after(JUDGEMENT, {}, "a")

    assert record.checks == 3


def test_attempts_that_nothing_tells_apart_all_count() -> None:
    assert Record().after(JUDGEMENT, {}).after(JUDGEMENT, {}).checks == 2


def test_a_judgement_that_fails_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="says what is missing"):
        Judgement.fails("something was seen", ())


def test_learners_are_given_different_numbers() -> None:
    assert len({Progress.new().seed for _ in range(10)}) == 10


def test_changes_at_the_same_time_are_all_kept(file: ProgressFile) -> None:
    def count(progress: Progress) -> Progress:
        record = progress.of("x")
        return progress.with_record("x", replace(record, checks=record.checks + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: file.update(count), range(20)))

    assert file.read().of("x").checks == 20


def test_a_full_disk_leaves_what_was_there_and_no_other_file(
    file: ProgressFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.update(lambda progress: progress.with_record("x", Record(checks=3)))
    names = sorted(path.name for path in file.path.parent.iterdir())
    monkeypatch.setattr(os, "fsync", no_room)

    with pytest.raises(WorkshopError, match=r"progress\.json cannot be written: No space left on device; .* unchanged"):
        file.update(lambda progress: progress.with_record("x", Record(checks=4)))

    assert file.read() == before
    assert sorted(path.name for path in file.path.parent.iterdir()) == names


RUBBISH = (
    "",
    "null",
    "5",
    "[]",
    "{}",
    "not JSON",
    "[" * 100_000,
    '{"format": 1, "seed": 1}',
    '{"format": 1, "seed": "x", "exercises": {}}',
    '{"format": 1, "seed": 1, "exercises": 5}',
    '{"format": 1, "seed": 1, "exercises": {"x": 5}}',
)


@pytest.mark.parametrize("text", RUBBISH, ids=range(len(RUBBISH)))
def test_a_file_that_holds_something_else_is_left_alone_and_says_what_to_do(file: ProgressFile, text: str) -> None:
    file.path.parent.mkdir()
    file.path.write_text(text)

    with pytest.raises(WorkshopError, match=r"cannot be read: .*\. Your exercises are not touched; remove or rename"):
        file.update(lambda progress: progress)

    assert file.path.read_text() == text


def test_the_file_of_a_later_version_is_left_alone(file: ProgressFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text(json.dumps({"format": 2, "seed": 1, "exercises": {}}))

    with pytest.raises(WorkshopError, match="its format is 2, and this version reads 1"):
        file.read()


def test_a_new_file_never_replaces_another_nor_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere.py")

    assert not write_new_file(tmp_path / "mine.py", "theirs")
    assert not write_new_file(tmp_path / "link.py", "theirs")
    assert write_new_file(tmp_path / "sub" / "new.py", "theirs")
    assert ((tmp_path / "mine.py").read_text(), (tmp_path / "elsewhere.py").exists()) == ("mine", False)


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(WorkshopError, match=r"file/x\.py cannot be written: (File exists|Not a directory)"):
        write_file(tmp_path / "file" / "x.py", "text")
