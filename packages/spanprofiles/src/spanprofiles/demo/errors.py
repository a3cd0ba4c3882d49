"""The errors of the demo."""

from __future__ import annotations

from spanprofiles.model.printable import printable_lines


class DemoError(Exception):
    """The demo cannot run; the message says why and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))
