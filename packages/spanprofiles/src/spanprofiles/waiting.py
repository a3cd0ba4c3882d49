"""Waits by asking again and again until there is an answer or a deadline passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Waiting:
    """How long to wait for something, and how often to ask for it.

    Attributes:
        timeout_s: give up after this many seconds.
        first_s: pause after the first attempt, s; it doubles with each attempt.
        longest_s: longest pause, s.
        clock: returns the time, s, on a clock that is never set back.
        sleep: pauses for this many seconds. ``Event().wait`` makes a pause that another thread can cut short.
    """

    timeout_s: float = 15.0
    first_s: float = 0.02
    longest_s: float = 0.2
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.timeout_s < float("inf"):  # false for what is not a number, too
            raise ValueError(f"a wait of {self.timeout_s} s has no end: give a number of seconds from 0")

    def attempts(self) -> Iterator[float]:
        """Yield the seconds waited so far, once for each attempt; the last attempt is made at the deadline."""
        start = self.clock()
        pause = self.first_s
        while True:
            waited = self.clock() - start
            yield waited
            left = self.timeout_s - (self.clock() - start)
            if waited >= self.timeout_s:
                return
            self.sleep(max(0.0, min(pause, left)))
            pause = min(pause * 2, self.longest_s)

    def until(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask until the answer is true or the deadline passes, and return the last answer."""
        for _ in self.attempts():
            answer = ask()
            if answer:
                break
        return answer
