"""Waiting: poll until there is an answer or a deadline passes, never a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """How long to wait, and how often to look.

    Attributes:
        timeout_s: give up after this many seconds.
        first_s: pause after the first look, s; it doubles with each look.
        longest_s: longest pause, s.
    """

    timeout_s: float = 15.0
    first_s: float = 0.02
    longest_s: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.timeout_s < float("inf"):  # false for what is not a number, too
            raise ValueError(f"a wait of {self.timeout_s} s has no end: give a number of seconds from 0")

    def looks(self) -> Iterator[float]:
        """Yield the seconds waited so far, once for each look; the last look is made at the deadline."""
        start = time.monotonic()
        pause = self.first_s
        while True:
            waited = time.monotonic() - start
            yield waited
            left = self.timeout_s - (time.monotonic() - start)
            if waited >= self.timeout_s:
                return
            time.sleep(max(0.0, min(pause, left)))
            pause = min(pause * 2, self.longest_s)
