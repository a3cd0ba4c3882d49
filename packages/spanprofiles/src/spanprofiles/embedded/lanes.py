"""Which thread answers which request: queries have a few threads of their own, and nothing else waits for queries.

A query that finds no thread waits in a line. The line has a length, and the wait a limit: what is beyond either is
answered with 503 by the other threads, which do not wait for queries.

In both lanes, connections go first whose last answers were good ones. New connections, and those that sent nonsense,
wait for them; an upload waits for a moment at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from waitress.task import WSGITask

from spanprofiles.embedded.limits import (
    OTHERS_WAIT_S,
    QUERIES_AT_ONCE,
    QUERIES_RESERVED,
    QUERIES_WAITING,
    QUERY_WAIT_S,
    UNSENT_BYTES,
)
from spanprofiles.embedded.priority import Rank

ACCEPTED, TURNED_AWAY, RANK = "spanprofiles.accepted_s", "spanprofiles.turned_away", "spanprofiles.rank"
"""In a WSGI environment: when the request was there, s of ``time.monotonic``; why a query gets no thread, or an empty
text; who goes first."""
ROOM_S = 0.1
"""How often to look whether answers were read."""
Channel = Any
"""A connection of waitress with a request to answer."""
logger = logging.getLogger("spanprofiles.embedded")


class LaneTask(WSGITask):  # type: ignore[misc]  # waitress has no types
    """Answers a request; tells the application when it came in, and whether there is a thread for it."""

    def service(self) -> None:
        """Answer it, and remember how."""
        super().service()
        self.channel.note_answer(int(self.status[:3]))

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environ: dict[str, Any] = super().get_environment()
        environ[ACCEPTED] = getattr(self.request, "accepted_s", None)
        environ[TURNED_AWAY] = getattr(self.request, "turned_away", "")
        environ[RANK] = self.request.rank
        return environ


class Lanes:
    """Waitress's threads, in two lanes.

    Args:
        threads: how many answer what is no query.
        is_query: whether a connection's request is one.
        claimed: entered while a request of a rank is answered.
        wait_s: for how long a query may wait, s.
        clock: a time that is never set, s.
    """

    def __init__(
        self,
        threads: int,
        is_query: Callable[[Channel], bool],
        claimed: Callable[[Rank], AbstractContextManager[None]],
        wait_s: float = QUERY_WAIT_S,
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
        self._known: deque[Channel] = deque()
        self._others: deque[tuple[float, Channel]] = deque()
        self._queries: deque[tuple[float, Channel]] = deque()
        self._unsent: list[Channel] = []
        self._threads = threads
        self._under_way: Counter[Rank] = Counter()
        self._known_requests = 0
        self._known_until_s = 0.0
        self._idle = 0
        self._is_watched = False
        self._is_stopping = False
        self._running = 0
        for number in range(threads):
            self._start(f"request {number}", self._serve_urgent)
        for number in range(QUERIES_AT_ONCE + QUERIES_RESERVED):
            self._start(f"query {number}", self._serve_queries)

    def _start(self, name: str, run: Callable[[], None]) -> None:
        self._running += 1
        threading.Thread(target=run, name=name, daemon=True).start()

    def add_task(self, channel: Channel) -> None:
        """Have a connection's first request answered. One thread is woken: that takes as long as many an answer."""
        request = channel.requests[0]
        request.accepted_s = now_s = self._clock()
        is_query = request.error is None and self._is_query(channel)
        request.rank = Rank((Rank.KNOWN if channel.is_known else Rank.OTHER) + is_query)
        with self._urgent_changed:
            if request.rank.is_known:
                self._known_requests += 1
                self._known_until_s = now_s + OTHERS_WAIT_S
            if is_query and len(self._queries) < QUERIES_WAITING:
                self._queries.append((now_s, channel))
                self._queries_changed.notify()
                if len(self._queries) > self._idle:
                    self._have_watched()
                return
            if is_query:
                request.turned_away = f"{QUERIES_WAITING} queries wait already"
            if request.rank.is_known:
                self._known.append(channel)
                self._urgent_changed.notify()
            else:
                self._others.append((now_s, channel))
                if self._may_begin_other():
                    self._urgent_changed.notify()
                else:
                    self._have_watched()

    def held_s(self) -> float:
        """Return for how long others are held up yet, s: a known connection has had a request under way for less."""
        return self._known_until_s - self._clock() if self._known_requests else 0.0

    def _have_watched(self) -> None:
        """See to it that one of the threads that answer no queries looks after those who wait."""
        if not self._is_watched:
            self._urgent_changed.notify()

    def _serve_urgent(self) -> None:
        while (channel := self._next_urgent()) is not None:
            self._serve(channel)
        self._end()

    def _next_urgent(self) -> Channel | None:
        with self._urgent_changed:
            while not self._is_stopping:
                channel = self._known.popleft() if self._known else self._overdue() or self._other()
                if channel is not None:
                    self._under_way[channel.requests[0].rank] += 1
                    if self._known or self._may_begin_other():
                        self._urgent_changed.notify()
                    elif self._others or len(self._queries) > self._idle:
                        self._have_watched()
                    return channel
                watches = not self._is_watched and bool(self._queries or self._others)
                self._is_watched = self._is_watched or watches
                self._urgent_changed.wait(self._time_left() if watches else None)
                self._is_watched = self._is_watched and not watches
            return None

    def _time_left(self) -> float:
        """For how long those who wait may go on waiting, s."""
        now_s = self._clock()
        left_s = [self._queries[0][0] + self._wait_s - now_s] if self._queries else []
        if self._others and self._under_way[Rank.OTHER] < self._threads - 1:
            left_s.append(self._others[0][0] + OTHERS_WAIT_S - now_s)
        return max(0.0, min(left_s, default=self._wait_s))

    def _overdue(self) -> Channel | None:
        """Return the first query if it has waited for too long, marked as turned away."""
        if not self._queries or self._queries[0][0] + self._wait_s > self._clock():
            return None
        channel = self._queries.popleft()[1]
        channel.requests[0].turned_away = f"it waited for {self._wait_s:g} s behind others"
        return channel

    def _may_begin_other(self) -> bool:
        """Whether a request of a connection that is not known may be begun; one thread is always left to the others."""
        if not self._others or self._under_way[Rank.OTHER] >= max(1, self._threads - 1):
            return False
        return self._other_waits_s(self._others[0][0]) <= 0

    def _other_waits_s(self, accepted_s: float) -> float:
        """Return for how long a request of a connection that is not known waits yet for those that are, s."""
        return accepted_s + OTHERS_WAIT_S - self._clock() if self._known_requests else 0.0

    def _other(self) -> Channel | None:
        return self._others.popleft()[1] if self._may_begin_other() else None

    def _serve_queries(self) -> None:
        while (channel := self._next_query()) is not None:
            self._serve(channel)
            with self._queries_changed:
                self._unsent.append(channel)
        self._end()

    def _next_query(self) -> Channel | None:
        with self._queries_changed:
            while not self._is_stopping:
                place = self._next_place()
                if place is None:
                    if self._queries:
                        self._have_watched()
                    self._idle += 1
                    self._queries_changed.wait(self._other_query_waits_s())
                    self._idle -= 1
                elif self._has_room():
                    channel = self._queries[place][1]
                    del self._queries[place]
                    self._under_way[channel.requests[0].rank] += 1
                    return channel
                else:
                    self._have_watched()
                    self._queries_changed.wait(ROOM_S)
            return None

    def _next_place(self) -> int | None:
        """Return the place in the line of the next query; None where none may begin."""
        for place, (_, channel) in enumerate(self._queries):
            if channel.requests[0].rank.is_known:
                return place
        waits_s = self._other_query_waits_s()
        return 0 if waits_s is not None and waits_s <= 0 else None

    def _other_query_waits_s(self) -> float | None:
        """Return for how long the first query waits yet for known connections, s; None where it waits for a place."""
        if not self._queries or self._under_way[Rank.OTHER_QUERY] >= QUERIES_AT_ONCE:
            return None
        return self._other_waits_s(self._queries[0][0])

    def _has_room(self) -> bool:
        """Whether few enough answers are still unread."""
        self._unsent = [channel for channel in self._unsent if channel.connected and channel.total_outbufs_len]
        unsent: int = sum(channel.total_outbufs_len for channel in self._unsent)
        return unsent <= UNSENT_BYTES

    def _serve(self, channel: Channel) -> None:
        rank = channel.requests[0].rank
        try:
            with self._claimed(rank):
                channel.service()
        except Exception:
            logger.exception("a request could not be answered")
        with self._urgent_changed:
            self._under_way[rank] -= 1
            self._known_requests -= rank.is_known
            if self._may_begin_other():
                self._urgent_changed.notify()
            if self._queries and not self._known_requests:
                self._queries_changed.notify()

    def _end(self) -> None:
        with self._ended:
            self._running -= 1
            self._ended.notify_all()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads; tells whether all of them ended in time.

        Args:
            cancel_pending: whether to hang up on connections that wait.
            timeout: how long to wait for what is under way, s.
        """
        with self._ended:
            self._is_stopping = True
            self._urgent_changed.notify_all()
            self._queries_changed.notify_all()
            ended = bool(self._ended.wait_for(lambda: not self._running, timeout))
            waiting = (
                [*self._known, *(channel for _, channel in (*self._others, *self._queries))] if cancel_pending else []
            )
        for channel in waiting:
            channel.cancel()
        return ended
