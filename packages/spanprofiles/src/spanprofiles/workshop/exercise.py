"""Exercises as folders of data.

The folder of an exercise is ``exercises/eNN_name``, a package of Python with

- ``exercise.md``: the text, with its title as the first heading;
- ``hints.md``: three hints, each under a heading ``## 1`` to ``## 3``, from a nudge to nearly the solution;
- ``files/``: what the learner gets, and may change;
- ``tools.txt``, where it needs programs that Python does not bring: their names, one a line. Where one is not on the
  ``PATH``, the exercise is not here, and a workshop is complete without it;
- ``judge.py``: a function ``judge(bench)`` that returns a :class:`.Judgement`; a second function ``drawn(bench)``
  returns the right answer where it differs between learners;
- ``solutions/NAME.patch``: a unified diff of the learner's files that solves the exercise. There are at least two; the
  first by name is the one that learners are shown. ``{drawn}`` in it stands for the right answer;
- ``attempts/NAME.patch``: likewise, but a typical wrong attempt; there are at least two. Above the diff stands what the
  judgement must contain, a line ``must say: FRAGMENT`` each, and perhaps ``hint: N``, the hint that must fit.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from spanprofiles.workshop.errors import NotHereError, WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.patch import patched

if TYPE_CHECKING:
    from spanprofiles.workshop.workbench import Workbench

ANSWER_FILE = "answer.txt"
"""In the learner's folder: an answer, for those exercises that ask a question."""

TEXT_FILE = "README.md"
"""In the learner's folder: the exercise's text."""

MOST_FILES = 1_000
"""How many files of an exercise's folder are looked at."""

_OTHERS_FOLDERS = {"__pycache__", "venv", "node_modules", "site-packages"}
_BESIDE = "beside"
_EXERCISES = Path(__file__).with_name("exercises")
_FOLDER = re.compile(r"e(\d\d)_(\w+)")
_HINT = re.compile(r"^## \d+\s*$", re.MULTILINE)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        number: its number, from 1.
        name: the name of its folder among the learner's, such as ``02_instrument``.
        source: where its files are.
    """

    number: int
    name: str
    source: Path

    @cached_property
    def text(self) -> str:
        """Its text, Markdown."""
        return (self.source / "exercise.md").read_text(encoding="utf-8")

    @cached_property
    def title(self) -> str:
        """Its title, without its number."""
        found = _TITLE.search(self.text)
        return found[1].strip() if found else self.name

    @cached_property
    def hints(self) -> tuple[str, ...]:
        """Its hints, in the order in which they are given; Markdown."""
        return tuple(part.strip() for part in _HINT.split((self.source / "hints.md").read_text("utf-8"))[1:])

    @cached_property
    def tools(self) -> tuple[str, ...]:
        """The programs that it needs besides Python."""
        names = self.source / "tools.txt"
        return tuple(names.read_text(encoding="utf-8").split()) if names.is_file() else ()

    @property
    def absence(self) -> str:
        """Why it cannot be done on this machine, in one line; empty where its programs are there."""
        absent = [tool for tool in self.tools if shutil.which(tool) is None]
        return f"{' and '.join(absent)} must be on the PATH" if absent else ""

    def check_here(self) -> None:
        """Check that its programs are on this machine.

        Raises:
            NotHereError: one is not.
        """
        if self.absence:
            raise NotHereError(self.number, self.absence)

    @property
    def files(self) -> Path:
        """The folder with what the learner gets."""
        return self.source / "files"

    @property
    def given(self) -> dict[str, str]:
        """The texts that the learner gets, by their paths."""
        return {path.as_posix(): (self.files / path).read_text(encoding="utf-8") for path in plain_files(self.files)}

    @property
    def solutions(self) -> list[Path]:
        """The patches that solve it, by name."""
        return sorted((self.source / "solutions").glob("*.patch"))

    @property
    def attempts(self) -> list[Path]:
        """The patches of typical wrong attempts, by name."""
        return sorted((self.source / "attempts").glob("*.patch"))

    def attempted(self, patch: Path, drawn: str = "") -> dict[str, str]:
        """Return the learner's files as they are after a patch, those that it changes or makes.

        Args:
            patch: one of :attr:`solutions` or :attr:`attempts`.
            drawn: the right answer of this learner.

        Raises:
            PatchError: it does not fit.
        """
        return patched(self.given, patch.read_text(encoding="utf-8").replace("{drawn}", drawn))

    def files_beside(self, folder: Path) -> Iterator[Path]:
        """Yield what a learner writes for it in other folders, where it allows that.

        Args:
            folder: the learner's folder of it.
        """
        if (self.source / f"{_BESIDE}.py").is_file():
            yield from self._module(_BESIDE).files(folder)

    def judge(self, bench: Workbench) -> Judgement:
        """Ask its judge.

        Raises:
            NotHereError: it cannot be done on this machine.
        """
        self.check_here()
        judge: Callable[[Workbench], Judgement] = self._module("judge").judge
        return judge(bench)

    def drawn(self, bench: Workbench) -> str:
        """Return the learner's right answer; empty where the exercise asks for none."""
        drawn: Callable[[Workbench], str] | None = getattr(self._module("judge"), "drawn", None)
        return drawn(bench) if drawn else ""

    def _module(self, name: str) -> ModuleType:
        return import_module(f"{__package__}.exercises.{self.source.name}.{name}")


@cache
def all_exercises() -> tuple[Exercise, ...]:
    """Return all exercises, by number."""
    return tuple(sorted(_found(), key=lambda exercise: exercise.number))


def exercise_of(number: int) -> Exercise:
    """Return the exercise of a number.

    Raises:
        WorkshopError: there is none.
    """
    known = all_exercises()
    for exercise in known:
        if exercise.number == number:
            return exercise
    numbers = ", ".join(str(exercise.number) for exercise in known)
    raise WorkshopError(f"there is no exercise {number}: choose one of {numbers}")


def plain_files(folder: Path) -> Iterator[Path]:
    """Yield the paths of the files in a folder and below it, relative to it.

    What Python and editors make is left out, and so are environments that somebody put there. There is an end to it.
    """
    count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _OTHERS_FOLDERS)
        for name in sorted(names):
            if name.startswith("."):
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield (Path(parent) / name).relative_to(folder)


def _found() -> Iterator[Exercise]:
    for folder in _EXERCISES.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match:
            yield Exercise(int(match[1]), f"{match[1]}_{match[2]}", folder)
