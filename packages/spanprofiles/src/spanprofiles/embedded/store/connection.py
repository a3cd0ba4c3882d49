"""Connections that know what their user needs beside SQL: how long a question may take, and when a row is written."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from spanprofiles.embedded.deadline import NO_DEADLINE, Deadline

STEPS_BETWEEN_LOOKS = 20_000
INTERRUPTED = "interrupted"


@dataclass
class Inspected:
    """What a question has read so far.

    Attributes:
        traces: how many traces.
        size_bytes: the size of the traces as OTLP.
    """

    traces: int = 0
    size_bytes: int = 0


class StoreConnection(sqlite3.Connection):
    """A connection to the store's file.

    Attributes:
        deadline: when the question under way has to be answered.
        inspected: what that question has read.
        bucket: the row of ``arrivals`` that what is written at this time belongs to.
        generation: counts the sweeps that may have removed rows whose numbers are remembered.
        is_makeshift: whether it reads in the place of a file that could not be opened yet.
    """

    deadline: Deadline = NO_DEADLINE
    inspected: Inspected = Inspected()
    bucket: int = 0
    generation: int = 0
    is_makeshift: bool = False

    def watch_time(self) -> None:
        """Interrupt statements that are under way at the deadline."""
        self.set_progress_handler(lambda: int(self.deadline.is_over), STEPS_BETWEEN_LOOKS)


def was_interrupted(error: sqlite3.Error) -> bool:
    """Whether a statement failed because it was under way at the deadline."""
    return str(error) == INTERRUPTED
