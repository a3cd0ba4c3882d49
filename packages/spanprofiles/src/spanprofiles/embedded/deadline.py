"""How long the answer to one query may take: one deadline, checked in every stage between request and answer.

Python cannot stop a function that runs, so every loop whose length is the data's or the sender's to choose looks at
the deadline itself, and what is one call of a library is given in pieces of a bounded size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
PIECE = 256
"""How many cheap steps are made between two looks at the clock."""
OPTION = "--query-timeout"


class QueryTooLongError(Exception):
    """A query took longer than it may; the message is the answer's."""


class Deadline:
    """The time by which one query has to be answered.

    Args:
        seconds: how long it may take, waiting for its turn included.
        accepted_s: when the request arrived, on the clock; None for the present.
        clock: a time that is never set, s.
        give_way: called at each look, to let what is more urgent go first.
    """

    def __init__(
        self,
        seconds: float,
        accepted_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        give_way: Callable[[], None] | None = None,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end_s = (clock() if accepted_s is None else accepted_s) + seconds
        self._give_way = give_way

    def cancel(self) -> None:
        """Give the query up at the next look, since nobody waits for its answer; any thread may call it."""
        self._end_s = -math.inf

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return self._clock() > self._end_s

    def check(self) -> None:
        """Give the query up if its time has passed.

        Raises:
            QueryTooLongError: it has.
        """
        if self._give_way is not None:
            self._give_way()
        if self._clock() > self._end_s:
            raise self.error()

    def error(self) -> QueryTooLongError:
        """Make the error that says that the time has passed, which limit that was, and what to do."""
        return QueryTooLongError(
            f"context deadline exceeded: the query took longer than {self.seconds:g} s ({OPTION});"
            " ask for less time, or for an attribute's exact value"
        )

    def watch(self, items: Iterable[Item], every: int = 1) -> Iterator[Item]:
        """Give the items, with a look at the clock before each, or before one in so many.

        Raises:
            QueryTooLongError: while they are gone through.
        """
        if every == 1:  # the same as `check`, without a call for each of many thousand items
            clock, give_way = self._clock, self._give_way
            for item in items:
                if give_way is not None:
                    give_way()
                if clock() > self._end_s:
                    raise self.error()
                yield item
            return
        left = 0
        for item in items:
            if not left:
                self.check()
                left = every
            left -= 1
            yield item


NO_DEADLINE = Deadline(math.inf)
