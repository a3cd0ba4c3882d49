"""Writes files whole or not at all, and says what is wrong where that fails; reads what learners wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from spanprofiles.files import replace_file
from spanprofiles.workshop.errors import WorkshopError

LEARNERS_FILE_BYTES = 1_000_000
"""How much is read of a file that a learner wrote."""


def read_learners_file(path: Path) -> str:
    """Return the text of a learner's file; empty where there is none, or none that can be read."""
    try:
        with path.open("rb") as file:
            return file.read(LEARNERS_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


Fingerprint = tuple[tuple[str, int, int], ...]
"""What tells whether somebody has saved a file: names, times and sizes."""


def fingerprint_of(folder: Path, paths: Iterable[Path]) -> Fingerprint:
    """Return what changes whenever one of these files is saved, added or removed.

    Args:
        folder: where relative paths begin.
        paths: the files.
    """
    found = []
    for path in paths:
        try:
            status = (folder / path).stat()
        except OSError:  # saved by an editor that replaces it, at this moment
            continue
        found.append((path.as_posix(), status.st_mtime_ns, status.st_size))
    return tuple(found)


def write_file(path: Path, text: str) -> None:
    """Write a file whole or not at all, and its folder where there is none.

    Raises:
        WorkshopError: it cannot be written; what was there before still is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise WorkshopError(
            f"{path} cannot be written: {error.strerror or error}; what was there before is unchanged"
        ) from error


def write_new_file(path: Path, text: str) -> bool:
    """Write a file unless there is something of that name already, and tell whether it was written.

    Raises:
        WorkshopError: it cannot be written.
    """
    if os.path.lexists(path):
        return False
    write_file(path, text)
    return True
