"""The errors of the workshop."""

from __future__ import annotations

from spanprofiles.model.printable import printable_lines


class WorkshopError(Exception):
    """The workshop cannot do what it was asked; the message says why and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))
