"""The version of a file: how a new one gets its tables, and how an older one becomes a current one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from spanprofiles.embedded.errors import DataDirectoryError, NewerFileError

SCHEMA = Path(__file__).with_name("schema.sql")
"""The tables of the current version."""
OLDEST_VERSION = 5
"""The oldest version that is read. No release wrote an older one."""
MIGRATIONS: tuple[str, ...] = (
    "CREATE TABLE backlog (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, time_ns INTEGER NOT NULL,"
    " payload BLOB NOT NULL)",
)
"""SQL that makes the next version of a file of OLDEST_VERSION, then of the version after it, and so on.

A change of ``schema.sql`` belongs here as well.
"""


def current_version() -> int:
    """Return the version that this program writes."""
    return OLDEST_VERSION + len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file; 0 where it is new."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether a file is of the version that this program writes."""
    return version_of(connection) == current_version()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file, new or old, to the current version: all steps of it or none.

    Raises:
        NewerFileError: the file is of a later version than this program knows.
        DataDirectoryError: it is of a version that no release wrote.
        sqlite3.Error: it failed, and the file is as it was.
    """
    version, current = version_of(connection), current_version()
    if version > current:
        raise NewerFileError(
            f"the data is of version {version}, this program knows versions up to {current}:"
            " use a newer program or another data directory"
        )
    if 0 < version < OLDEST_VERSION:
        raise DataDirectoryError(
            f"the data is of version {version}, which no release wrote: use another data directory"
        )
    if version == current:
        return
    steps = MIGRATIONS[version - OLDEST_VERSION :] if version else (SCHEMA.read_text(encoding="utf-8"),)
    script = "\n;\n".join(steps)
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {current}; COMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
