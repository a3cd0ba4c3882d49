"""The pages of the documentation: what they show as code and output, and which commands they give to their readers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND_TIMEOUT_S = 180

PROGRAMS = Path(sys.executable).parent
"""Where a reader's commands are found."""

#: For the runs of pytest in other projects: what `.venv` has for its own tests, and takes a second to import.
NO_OTHER_PLUGINS = tuple(
    f"-pno:{name}" for name in ("anyio", "hypothesispytest", "locust", "xdist", "xdist.looponfail")
)

needs_the_venv_of_make = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="the pages' commands live in .venv, which `make install` makes"
)

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>No test runs this[^>]*) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_ANY_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page of Markdown.

    Attributes:
        path: where it is.
    """

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The page without its blocks of code and output."""
        return _ANY_BLOCK.sub("", self.text)

    def blocks(self, kind: str) -> list[str]:
        """Return its blocks of one kind, such as ``python`` or ``text``."""
        return [block["text"] for block in _BLOCK.finditer(self.text) if block["kind"] == kind]

    @property
    def excerpts(self) -> list[tuple[str, str]]:
        """The names and the code of blocks of Python whose first line is a comment with the name of a file."""
        found = (re.fullmatch(r"# (\S+\.py)\n(.*)", block, re.DOTALL) for block in self.blocks("python"))
        return [(file[1], file[2]) for file in found if file is not None]

    @property
    def files(self) -> dict[str, str]:
        """The code of the files that it shows, by their names."""
        return dict(self.excerpts)

    @property
    def commands(self) -> list[str]:
        """The commands that a test has to run: all of them, but for those that are marked."""
        return self._commands(marked=False)

    @property
    def marked_commands(self) -> list[str]:
        """The commands that are marked as run by no test."""
        return self._commands(marked=True)

    def _commands(self, *, marked: bool) -> list[str]:
        blocks = [block for block in _BLOCK.finditer(self.text) if block["kind"] == "console"]
        texts = [block["text"] for block in blocks if bool(block["mark"]) is marked]
        return [line.removeprefix("$ ") for text in texts for line in text.splitlines() if line.startswith("$ ")]


def page(name: str) -> Page:
    """Return a page by its path from the repository's root."""
    return Page(ROOT / name)


def pages() -> list[Page]:
    """Return every page that a reader may come to."""
    patterns = ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/*/*.md")
    return [Page(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def run(
    command: str, directory: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader does whose environment is active: ``.venv``, or what :data:`PROGRAMS` says.

    In other projects than this one, pytest has none of the plugins that only this one's tests need.
    """
    options = {} if directory == ROOT else {"PYTEST_ADDOPTS": " ".join(NO_OTHER_PLUGINS)}
    return subprocess.run(
        shlex.split(command),
        cwd=directory,
        env=readers_environment({**options, **(environment or {})}),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def readers_environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a reader's shell: none of pytest's or of the harness's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SPAN_PROFILES"))}
    programs = os.pathsep.join([str(PROGRAMS), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": programs, "PYTHONUNBUFFERED": "1", **(more or {})}


def not_printed(shown: str, printed: str) -> list[str]:
    """Return the lines of a block of output that were not printed like that.

    Identifiers, numbers and units of time may be others, the space between words another; "…" stands for anything.
    """
    text = " ".join(printed.split())
    return [line for line in shown.splitlines() if line.strip() and not re.search(_form(line), text)]


def _form(line: str) -> str:
    parts = re.split(r"(\b[0-9a-f]{16,32}\b|\d+(?:,\d{3})*(?:\.\d+)?(?: [mu]?s\b)?|…|\s+|█+)", line.strip())
    return "".join(_form_of(part) for part in parts)


def _form_of(part: str) -> str:
    if part == "…":
        return ".*?"
    if re.fullmatch(r"[0-9a-f]{16,32}", part):
        return "[0-9a-f]{16,32}"
    if re.match(r"\d", part):
        return r"[\d.,]+ [mu]?s" if " " in part else r"[\d.,]+(?: [mu]?s(?= to ))?"
    if part and not part.strip("█"):
        return "█+"
    return " " if part and not part.strip() else re.escape(part)
