"""A clock that is set by hand, and waiting by the real one."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Time that passes only while somebody sleeps, or where a test sets it, s."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def eventually(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until something holds, and fail where it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)  # between two looks
