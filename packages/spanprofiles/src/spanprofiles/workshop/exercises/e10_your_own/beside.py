"""Finds the files of an app that has a folder of its own, beside the exercise's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from spanprofiles.workshop.exercise import plain_files
from spanprofiles.workshop.storage import read_learners_file

FILE = "own.yaml"

# What people write. An app may keep its log or its data there as well, and must not seem to be saved by that.
_SOURCES = {
    *(".c", ".cc", ".cfg", ".clj", ".conf", ".cpp", ".cs", ".css", ".erb", ".ex", ".exs", ".fs", ".go", ".gradle"),
    *(".groovy", ".h", ".html", ".ini", ".java", ".jinja", ".jinja2", ".js", ".jsx", ".kt", ".kts", ".lua", ".mod"),
    *(".php", ".properties", ".proto", ".py", ".pyi", ".pyx", ".rb", ".rs", ".scala", ".sh", ".sql", ".swift"),
    *(".toml", ".ts", ".tsx", ".vue", ".xml", ".yaml", ".yml"),
}


def app_folder(folder: Path, written: str) -> Path:
    """Return the folder of the app.

    Args:
        folder: the exercise's.
        written: what the learner says: a path from there, from ``~``, or a whole one; empty for the exercise's folder.
    """
    try:
        return (folder / Path(written).expanduser()).resolve()
    except (RuntimeError, ValueError, OSError):  # another user's home that is not there, or no path at all
        return folder / written


def files(folder: Path) -> Iterator[Path]:
    """Yield the source files of an app that is not in the exercise's folder.

    Args:
        folder: the exercise's.
    """
    try:
        written: Any = yaml.safe_load(read_learners_file(folder / FILE))
    except yaml.YAMLError:
        return
    named = written.get("folder") if isinstance(written, dict) else None
    app = app_folder(folder, str(named or "").strip())
    if app.is_relative_to(folder.resolve()):
        return
    yield from (app / path for path in plain_files(app) if path.suffix.lower() in _SOURCES)
