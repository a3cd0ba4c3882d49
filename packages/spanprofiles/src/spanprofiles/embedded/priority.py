"""What is taken in goes first: queries, which run in Python and so hold up whatever else does, make way for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PERIOD_SECONDS = 0.02
QUERY_SECONDS = 0.005
"""How much of each period is left to queries while something urgent is under way: they are slowed down, not stopped."""


class RightOfWay:
    """Who goes first.

    Args:
        clock: a time that is never set, s.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._claims = 0
        self._is_free = threading.Event()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """While this is entered, something urgent is under way."""
        with self._lock:
            self._claims += 1
            self._is_free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._claims -= 1
                if not self._claims:
                    self._is_free.set()

    def give_way(self) -> None:
        """Wait while something urgent is under way, but for the queries' share of the time.

        The share is the same moment for all queries: together they would leave no time.
        """
        if self._claims:
            moment = self._clock() % PERIOD_SECONDS
            if moment >= QUERY_SECONDS:
                self._is_free.wait(PERIOD_SECONDS - moment)
