"""Priorities: uploads go before queries, and connections that sent good requests before those that did not.

Everything runs in Python, and so holds up whatever else does. Queries make way for what goes before them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from spanprofiles.embedded.limits import OTHERS_WAIT_S

PERIOD_S = 0.02
QUERY_S = 0.005
"""How much of each period is left to queries while something urgent is under way: they are slowed down, not stopped."""


class Rank(IntEnum):
    """What goes first, the first first. A connection is known when its last answers were good ones."""

    KNOWN = 0
    KNOWN_QUERY = 1
    OTHER = 2
    OTHER_QUERY = 3

    @property
    def is_known(self) -> bool:
        """Whether it is of a connection that is known."""
        return self <= Rank.KNOWN_QUERY


class RightOfWay:
    """Who goes first.

    Args:
        clock: a time that is never set, s.

    Attributes:
        held_up: for each rank, whether something that goes before it is under way. Queries look at it all the time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.held_up = [False] * len(Rank)
        self._clock = clock
        self._lock = threading.Lock()
        self._claims = [0] * len(Rank)
        self._is_free = [threading.Event() for _ in Rank]

    @contextmanager
    def claimed(self, rank: Rank = Rank.OTHER) -> Iterator[None]:
        """While this is entered, something of a rank is under way."""
        self._count(rank, 1)
        try:
            yield
        finally:
            self._count(rank, -1)

    def _count(self, rank: Rank, change: int) -> None:
        with self._lock:
            self._claims[rank] += change
            claims = 0
            for each, is_free in enumerate(self._is_free):
                if each > rank:
                    self.held_up[each] = bool(claims)
                    if claims:
                        is_free.clear()
                    else:
                        is_free.set()
                claims += self._claims[each]

    def await_turn(self, rank: Rank = Rank.OTHER, timeout_s: float = OTHERS_WAIT_S) -> None:
        """Wait once, before a request of a rank is begun, while something that goes before it is under way.

        Args:
            rank: of the request.
            timeout_s: for how long at most, s.
        """
        if self.held_up[rank]:
            self._is_free[rank].wait(timeout_s)

    def give_way(self, rank: Rank = Rank.OTHER_QUERY) -> None:
        """Wait while something that goes before a rank is under way, but for the queries' share of the time.

        The share is the same moment for all queries: together they would leave no time.
        """
        if self.held_up[rank]:
            moment = self._clock() % PERIOD_S
            if moment >= QUERY_S:
                self._is_free[rank].wait(PERIOD_S - moment)
