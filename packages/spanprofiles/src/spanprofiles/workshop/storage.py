"""Writes files whole or not at all, and says what is wrong where that fails; reads what learners wrote."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

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


def write_file(path: Path, text: str) -> None:
    """Write a file that readers see as it was or as it is, and never in between, whatever happens.

    Raises:
        WorkshopError: it cannot be written; what was there before still is.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
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
