"""Keeps strangers from filling the log: of lines of one kind a few are written, and then how many there were."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spanprofiles.embedded.limits import LOG_LINES, LOG_S

COUNTED = {"is_counted": True}
"""The ``extra`` of lines that are written seldom by themselves."""


@dataclass
class _Tally:
    since_s: float
    written: int = 0
    left_out: int = 0


class FewLines(logging.Filter):
    """Lets some lines of each kind through, LOG_LINES within LOG_S; a kind is a place in the program.

    Args:
        steady: the time that is never set, s.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._steady = steady
        self._tallies: dict[tuple[str, int], _Tally] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; the first after others were left out says so."""
        if getattr(record, "is_counted", False):
            return True
        kind, now_s = (record.pathname, record.lineno), self._steady()
        with self._lock:
            tally = self._tallies.setdefault(kind, _Tally(now_s))
            left_out = 0
            if now_s - tally.since_s >= LOG_S:
                left_out = tally.left_out
                tally = self._tallies[kind] = _Tally(now_s)
            if tally.written >= LOG_LINES:
                tally.left_out += 1
                return False
            tally.written += 1
        if left_out:
            record.msg = f"{record.getMessage()} (and {left_out} more like it that were not logged)"
            record.args = ()
        return True


@contextmanager
def quieted(*names: str) -> Iterator[None]:
    """While it is entered, loggers write few lines of each kind."""
    few = FewLines()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(few)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(few)
