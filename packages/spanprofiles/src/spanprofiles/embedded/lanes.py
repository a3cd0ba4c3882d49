"""Which thread answers which request: queries have few threads of their own, and everything else never waits for one.

A query that finds no thread waits in a line. The line has a length, and the wait a limit: what is beyond either is
answered with 503 by the other threads, which do not wait for queries.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from waitress.task import WSGITask

from spanprofiles.embedded.limits import QUERIES_AT_ONCE, QUERIES_WAITING, QUERY_WAIT_SECONDS, UNSENT_BYTES

ACCEPTED, TURNED_AWAY = "spanprofiles.accepted_s", "spanprofiles.turned_away"
"""In a WSGI environment: when the request was there, s of `time.monotonic`; why a query gets no thread, or an empty
text."""
ROOM_SECONDS = 0.1
"""How often to look whether answers were read."""
Channel = Any
"""A connection of waitress with a request to answer."""
logger = logging.getLogger("spanprofiles.embedded")


class LaneTask(WSGITask):  # type: ignore[misc]  # waitress has no types
    """Answers a request; tells the application when it came in, and whether there is a thread for it."""

    def get_environment(self) -> dict[str, Any]:
        """The WSGI environment."""
        environ: dict[str, Any] = super().get_environment()
        environ[ACCEPTED] = getattr(self.request, "accepted_s", None)
        environ[TURNED_AWAY] = getattr(self.request, "turned_away", "")
        return environ


class Lanes:
    """Waitress's threads, in two lanes.

    Args:
        threads: how many answer what is no query.
        is_query: whether a connection's request is one.
        claimed: entered while anything else than a query is answered.
        wait_s: for how long a query may wait, s.
        clock: a time that is never set, s.
    """

    def __init__(
        self,
        threads: int,
        is_query: Callable[[Channel], bool],
        claimed: Callable[[], AbstractContextManager[None]],
        wait_s: float = QUERY_WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_query = is_query
        self._claimed = claimed
        self._wait_s = wait_s
        self._clock = clock
        lock = threading.Lock()
        self._urgent_changed = threading.Condition(lock)
        self._queries_changed = threading.Condition(lock)
        self._ended = threading.Condition(lock)
        self._urgent: deque[Channel] = deque()
        self._queries: deque[tuple[float, Channel]] = deque()
        self._unsent: list[Channel] = []
        self._is_stopping = False
        self._running = 0
        for number in range(threads):
            self._start(f"request {number}", self._serve_urgent)
        for number in range(QUERIES_AT_ONCE):
            self._start(f"query {number}", self._serve_queries)

    def _start(self, name: str, run: Callable[[], None]) -> None:
        self._running += 1
        threading.Thread(target=run, name=name, daemon=True).start()

    def add_task(self, channel: Channel) -> None:
        """Have a connection's first request answered."""
        request = channel.requests[0]
        request.accepted_s = now_s = self._clock()
        is_query = request.error is None and self._is_query(channel)
        with self._urgent_changed:
            if is_query and len(self._queries) < QUERIES_WAITING:
                self._queries.append((now_s, channel))
                self._queries_changed.notify()
            else:
                if is_query:
                    request.turned_away = f"{QUERIES_WAITING} queries wait already"
                self._urgent.append(channel)
            # Where it is a query, somebody has to see to it that it does not wait for too long.
            self._urgent_changed.notify()

    def _serve_urgent(self) -> None:
        while (channel := self._next_urgent()) is not None:
            with self._claimed():
                self._serve(channel)
        self._end()

    def _next_urgent(self) -> Channel | None:
        with self._urgent_changed:
            while not self._is_stopping:
                channel = self._urgent.popleft() if self._urgent else self._overdue()
                if channel is not None:
                    self._urgent_changed.notify()  # somebody else watches those who wait
                    return channel
                self._urgent_changed.wait(self._time_left())
            return None

    def _time_left(self) -> float | None:
        """For how long the first query may go on waiting, s; None where none waits."""
        if not self._queries:
            return None
        return max(0.0, self._queries[0][0] + self._wait_s - self._clock())

    def _overdue(self) -> Channel | None:
        """The first query where it has waited for too long, marked as turned away."""
        if self._time_left() != 0.0:
            return None
        channel = self._queries.popleft()[1]
        channel.requests[0].turned_away = f"it waited for {self._wait_s:g} s behind others"
        return channel

    def _serve_queries(self) -> None:
        while (channel := self._next_query()) is not None:
            self._serve(channel)
            with self._queries_changed:
                self._unsent.append(channel)
        self._end()

    def _next_query(self) -> Channel | None:
        with self._queries_changed:
            while not self._is_stopping:
                if not self._queries:
                    self._queries_changed.wait()
                elif self._has_room():
                    return self._queries.popleft()[1]
                else:
                    self._queries_changed.wait(ROOM_SECONDS)
            return None

    def _has_room(self) -> bool:
        """Whether there are not too many answers that nobody has read."""
        self._unsent = [channel for channel in self._unsent if channel.connected and channel.total_outbufs_len]
        unsent: int = sum(channel.total_outbufs_len for channel in self._unsent)
        return unsent <= UNSENT_BYTES

    @staticmethod
    def _serve(channel: Channel) -> None:
        try:
            channel.service()
        except Exception:
            logger.exception("a request could not be answered")

    def _end(self) -> None:
        with self._ended:
            self._running -= 1
            self._ended.notify_all()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads; tells whether all of them ended in time.

        Args:
            cancel_pending: whether to hang up on whoever waits.
            timeout: how long to wait for what is under way, s.
        """
        with self._ended:
            self._is_stopping = True
            self._urgent_changed.notify_all()
            self._queries_changed.notify_all()
            ended = bool(self._ended.wait_for(lambda: not self._running, timeout))
            waiting = [*self._urgent, *(channel for _, channel in self._queries)] if cancel_pending else []
        for channel in waiting:
            channel.cancel()
        return ended
