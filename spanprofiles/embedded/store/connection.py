"""Connections that know what their user needs beside SQL: how long a question may take, and when a row is written."""

from __future__ import annotations

import sqlite3
import time

STEPS_BETWEEN_LOOKS = 20_000


class QueryTooLongError(Exception):
    """A question took longer than it may."""


class StoreConnection(sqlite3.Connection):
    """A connection to the store's file.

    Attributes:
        deadline: when the question under way has to be answered, on the clock `time.monotonic`; None for no limit.
        bucket: the row of `arrivals` that what is written at this time belongs to.
        generation: counts the sweeps that may have removed rows whose numbers are remembered.
    """

    deadline: float | None = None
    bucket: int = 0
    generation: int = 0

    def watch_time(self) -> None:
        """Interrupt statements that are under way at the deadline."""
        self.set_progress_handler(lambda: int(self.is_late), STEPS_BETWEEN_LOOKS)

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline


def check_time(connection: sqlite3.Connection) -> None:
    """Give up a question that took too long, between statements, where SQLite cannot see it.

    Raises:
        QueryTooLongError: the deadline has passed.
    """
    if isinstance(connection, StoreConnection) and connection.is_late:
        raise QueryTooLongError
