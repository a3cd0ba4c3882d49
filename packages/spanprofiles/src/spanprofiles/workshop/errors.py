"""The errors of the workshop."""

from __future__ import annotations

from spanprofiles.model.printable import printable_lines


class WorkshopError(Exception):
    """The workshop cannot do what it was asked; the message says why and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))


class NotHereError(WorkshopError):
    """An exercise cannot be done on this machine, whatever the learner writes.

    Attributes:
        reason: what is missing, in one line.
    """

    def __init__(self, number: int, reason: str) -> None:
        self.reason = reason
        super().__init__(f"exercise {number} is not here: {reason}")
