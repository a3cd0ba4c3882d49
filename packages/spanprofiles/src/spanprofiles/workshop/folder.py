"""The learner's folder: the exercises, to be changed at will, and how far the learner has come."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spanprofiles.workshop.errors import NotHereError, WorkshopError
from spanprofiles.workshop.exercise import TEXT_FILE, Exercise, all_exercises, plain_files
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.patch import difference
from spanprofiles.workshop.progress import Progress, ProgressFile, Record
from spanprofiles.workshop.storage import Fingerprint, fingerprint_of, read_learners_file, write_new_file
from spanprofiles.workshop.workbench import Workbench

DEFAULT_NAME = "span-profiles-workshop"
"""The folder that is made where none is named."""

STATE = ".workshop"
"""In the learner's folder: what this program keeps there."""


@dataclass(frozen=True)
class LearnersFolder:
    """A folder with exercises.

    Attributes:
        path: where it is.
    """

    path: Path

    @classmethod
    def find(cls, start: Path) -> LearnersFolder:
        """Return the folder that ``start`` is, is in, or holds under the usual name.

        Raises:
            WorkshopError: there is none.
        """
        start = start.resolve()
        below = cls(start / DEFAULT_NAME)
        folder = cls.around(start) or (below if below.is_begun else None)
        if folder is not None:
            return folder
        raise WorkshopError(
            f"there is no workshop in {start}: go to your workshop's folder, or begin one with"
            " `spanprofiles workshop start`"
        )

    @classmethod
    def around(cls, start: Path) -> LearnersFolder | None:
        """Return the folder with a workshop that ``start`` is or is in; None where there is none."""
        start = start.resolve()
        folders = (cls(path) for path in (start, *start.parents))
        return next((folder for folder in folders if folder.is_begun), None)

    @property
    def is_begun(self) -> bool:
        """Whether a workshop was started here."""
        return self.progress_file.is_there

    @property
    def state(self) -> Path:
        """The folder for what this program keeps."""
        return self.path / STATE

    @property
    def progress_file(self) -> ProgressFile:
        """The file with the progress."""
        return ProgressFile(self.state / "progress.json")

    def progress(self) -> Progress:
        """Return how far the learner has come.

        Raises:
            WorkshopError: the file with it cannot be read.
        """
        return self.progress_file.read()

    def fill(self, learner: str = "") -> list[str]:
        """Copy the files that are not there yet, and return the names of the exercises that got any.

        Nothing that is there is overwritten.

        Args:
            learner: the learner's name among others; empty leaves it as it is.

        Raises:
            WorkshopError: a file cannot be written.
        """
        self.progress_file.update(lambda progress: replace(progress, learner=learner or progress.learner))
        return [exercise.name for exercise in all_exercises() if _copy(exercise, self.path / exercise.name)]

    def files_of(self, exercise: Exercise) -> Path:
        """Return the folder of an exercise.

        Raises:
            WorkshopError: the learner has removed it.
        """
        folder = self.path / exercise.name
        if not folder.is_dir():
            raise WorkshopError(
                f"{folder} is not there: `spanprofiles workshop reset {exercise.number}` puts it back as it was given"
            )
        return folder

    def next_exercise(self, progress: Progress) -> Exercise | None:
        """Return the first exercise that is here and not solved; None where there is none."""
        for exercise in all_exercises():
            record = progress.of(exercise.name)
            if not record.passed and not absence_of(exercise, record):
                return exercise
        return None

    def note_judgement(
        self, exercise: Exercise, judgement: Judgement, notes: dict[str, Any], attempt: str = ""
    ) -> None:
        """Note what a judge said, and what it wants to keep; see :meth:`.Record.after`.

        Raises:
            WorkshopError: that cannot be noted; the message says what it was.
        """
        try:
            self.progress_file.update(
                lambda progress: progress.with_record(
                    exercise.name, progress.of(exercise.name).after(judgement, notes, attempt)
                )
            )
        except WorkshopError as error:
            result = "solved" if judgement.passed else "not solved yet"
            raise WorkshopError(
                f"exercise {exercise.number} is {result}, but that could not be saved: {error}"
            ) from error

    def note_absence(self, exercise: Exercise, error: NotHereError) -> None:
        """Note that an exercise cannot be done on this machine, as far as the last check could see.

        Raises:
            WorkshopError: that cannot be noted.
        """
        if exercise.absence:  # seen without a check, and gone as soon as its programs are there
            return
        self.progress_file.update(
            lambda progress: progress.with_record(
                exercise.name, replace(progress.of(exercise.name), absence=error.reason)
            )
        )

    def note_hint(self, exercise: Exercise) -> int:
        """Count a hint that is given, and return its number; the last one is given again and again.

        Raises:
            WorkshopError: that cannot be noted.
        """
        most = len(exercise.hints)

        def one_more(progress: Progress) -> Progress:
            return progress.with_record(exercise.name, progress.of(exercise.name).after_hint(most))

        return self.progress_file.update(one_more).of(exercise.name).hints

    def solution(self, exercise: Exercise, bench: Workbench) -> str:
        """Return what turns the learner's files into a solution, as a unified diff; empty where nothing does.

        Raises:
            WorkshopError: the learner has removed the exercise.
        """
        folder = self.files_of(exercise)
        wanted = exercise.given | exercise.attempted(exercise.solutions[0], exercise.drawn(bench))
        parts = [
            difference(f"{exercise.name}/{name}", read_learners_file(folder / name), text)
            for name, text in sorted(wanted.items())
        ]
        return "".join(parts)

    def reset(self, exercise: Exercise) -> Path | None:
        """Put an exercise back as it was given, and return where the learner's files are kept; None if there were none.

        Raises:
            WorkshopError: that cannot be done; the learner's files are where they were, or in the backup.
        """
        folder, fresh = self.path / exercise.name, self.state / f"fresh-{secrets.token_hex(4)}"
        backup = self._free_name(f"{exercise.name}-{time.strftime('%Y-%m-%d-%H%M%S')}") if folder.exists() else None
        try:
            _copy(exercise, fresh)  # where there is no room for it, everything stays as it is
            if backup is not None:
                backup.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(backup)
            fresh.rename(folder)
        except OSError as error:
            where = f"; your files are in {backup}" if backup is not None and backup.exists() else "; it is as it was"
            raise WorkshopError(f"{folder} cannot be replaced: {error.strerror}{where}") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.progress_file.update(
            lambda progress: progress.with_record(exercise.name, _begun_anew(progress.of(exercise.name)))
        )
        return backup

    def fingerprint(self, exercise: Exercise) -> Fingerprint:
        """Return what changes whenever a file of an exercise is saved, added or removed."""
        folder = self.path / exercise.name
        return fingerprint_of(folder, plain_files(folder)) + fingerprint_of(folder, exercise.files_beside(folder))

    def _free_name(self, name: str) -> Path:
        backups = self.state / "backups"
        number, path = 1, backups / name
        while path.exists():
            number += 1
            path = backups / f"{name}-{number}"
        return path


def absence_of(exercise: Exercise, record: Record) -> str:
    """Return why an exercise cannot be done on this machine; empty where it can, or is solved."""
    return "" if record.passed else exercise.absence or record.absence


def _begun_anew(record: Record) -> Record:
    return Record(hints=record.hints, checks=record.checks, begun_s=record.begun_s)


def _copy(exercise: Exercise, folder: Path) -> bool:
    """Copy the files of an exercise that are not there yet, and tell whether there were any."""
    texts = {TEXT_FILE: exercise.text, **exercise.given}
    written = [write_new_file(folder / name, text) for name, text in texts.items()]
    return any(written)
