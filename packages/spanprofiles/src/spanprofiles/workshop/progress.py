"""How far a learner has come: one file in the learner's folder, written whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.storage import write_file

FORMAT = 1
"""The version of the file's format."""


@dataclass(frozen=True)
class Record:
    """What is known of one exercise.

    Attributes:
        passed_s: when it was first solved, s since the epoch; None where it is not.
        checks: how many attempts were judged; a look at the files as they were given is none, and an attempt that was
            judged again is the same one.
        hints: how many hints were given.
        notes: what its judge keeps between checks.
        judgement: the last one; None before the first check.
        judged_s: when that was, s since the epoch.
        absence: why the last check found that it cannot be done on this machine; empty where it can.
        begun_s: when it was first judged, or the first hint given, s since the epoch; 0 before that.
        attempt: what tells the attempt that was judged last from others; empty where that is not known.
    """

    passed_s: float | None = None
    checks: int = 0
    hints: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    judgement: Judgement | None = None
    judged_s: float = 0.0
    absence: str = ""
    begun_s: float = 0.0
    attempt: str = ""

    @property
    def passed(self) -> bool:
        """Whether the exercise was solved."""
        return self.passed_s is not None

    def after(self, judgement: Judgement, notes: dict[str, Any], attempt: str = "") -> Record:
        """Return the record after another judgement.

        Args:
            judgement: what was said.
            notes: what the judge wants to keep.
            attempt: what tells the attempt from others; empty where that is not known.
        """
        now_s = time.time()
        is_same = bool(attempt) and attempt == self.attempt  # by check and by watch, of one save
        passed_s = self.passed_s if self.passed or not judgement.passed else now_s
        return replace(
            self,
            passed_s=passed_s,
            checks=self.checks + (not judgement.is_look and not is_same),
            judgement=judgement,
            judged_s=now_s,
            notes=notes,
            absence="",
            begun_s=self.begun_s or now_s,
            attempt=attempt,
        )

    def after_hint(self, most: int) -> Record:
        """Return the record after another hint, of which there are so many."""
        return replace(self, hints=min(self.hints + 1, most), begun_s=self.begun_s or time.time())


@dataclass(frozen=True)
class Progress:
    """How far a learner has come.

    Attributes:
        seed: the learner's own number, by which answers are drawn.
        learner: the learner's name among others who use the same servers; empty where there are none.
        records: by the exercise's name; one that was not touched is absent.
    """

    seed: int
    learner: str = ""
    records: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def new(cls) -> Progress:
        """Return the progress of somebody who begins."""
        return cls(secrets.randbits(48))

    def of(self, name: str) -> Record:
        """Return the record of an exercise."""
        return self.records.get(name) or Record()

    def with_record(self, name: str, record: Record) -> Progress:
        """Return the progress with another record of an exercise."""
        return replace(self, records={**self.records, name: record})

    def as_json(self) -> dict[str, Any]:
        """Return the progress as a JSON object."""
        records = {name: _as_json(record) for name, record in self.records.items()}
        return {"format": FORMAT, "seed": self.seed, "learner": self.learner, "exercises": records}

    @classmethod
    def of_json(cls, document: Any) -> Progress:
        """Return the progress that was written as a JSON object.

        Raises:
            ValueError: it is none, or of a version that this one does not read.
        """
        try:
            found_format, seed = document["format"], int(document["seed"])
            records = {str(name): _of_json(record) for name, record in dict(document["exercises"]).items()}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("it holds no progress") from error
        if found_format != FORMAT:
            raise ValueError(f"its format is {found_format!r}, and this version reads {FORMAT}")
        return cls(seed, str(document.get("learner") or ""), records)


class ProgressFile:
    """The file with a learner's progress. Several programs may use it at once.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_there(self) -> bool:
        """Whether somebody has begun."""
        return self.path.is_file()

    def read(self) -> Progress:
        """Return the progress.

        Raises:
            WorkshopError: the file cannot be read, or holds something else.
        """
        try:
            return Progress.of_json(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise WorkshopError(
                f"{self.path} cannot be read: {reason}. Your exercises are not touched; remove or rename this file, and"
                " `spanprofiles workshop start` begins a new one"
            ) from error

    def update(self, change: Callable[[Progress], Progress]) -> Progress:
        """Change the progress while nobody else does, and return it.

        Raises:
            WorkshopError: it cannot be read or written; what was there before still is.
        """
        with self._alone():
            progress = change(self.read() if self.is_there else Progress.new())
            write_file(self.path, json.dumps(progress.as_json(), indent=1))
        return progress

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise WorkshopError(f"{self.path.parent} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _as_json(record: Record) -> dict[str, Any]:
    return {
        "passed_s": record.passed_s,
        "checks": record.checks,
        "hints": record.hints,
        "notes": record.notes,
        "judgement": record.judgement.as_json() if record.judgement else None,
        "judged_s": record.judged_s,
        "absence": record.absence,
        "begun_s": record.begun_s,
        "attempt": record.attempt,
    }


def _of_json(document: dict[str, Any]) -> Record:
    judgement = document.get("judgement")
    passed_s = document.get("passed_s")
    return Record(
        passed_s=None if passed_s is None else float(passed_s),
        checks=int(document.get("checks") or 0),
        hints=int(document.get("hints") or 0),
        notes=dict(document.get("notes") or {}),
        judgement=Judgement.of_json(judgement) if judgement else None,
        judged_s=float(document.get("judged_s") or 0.0),
        absence=str(document.get("absence") or ""),
        begun_s=float(document.get("begun_s") or 0.0),
        attempt=str(document.get("attempt") or ""),
    )
