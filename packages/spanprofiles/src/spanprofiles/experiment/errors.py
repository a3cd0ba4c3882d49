"""Why an experiment cannot run."""

from __future__ import annotations

from spanprofiles.model.printable import printable_lines


class ExperimentError(Exception):
    """An experiment cannot run. The message says what is wrong, where, and what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))
