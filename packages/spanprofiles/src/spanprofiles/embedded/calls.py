"""Calls of gRPC in the lanes of the requests over HTTP: so both share the threads, the line, and who goes first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from spanprofiles.embedded.priority import Rank

if TYPE_CHECKING:
    from spanprofiles.embedded.deadline import Deadline
    from spanprofiles.embedded.web import Failure


class Call:
    """One call, which stands where a connection of waitress stands that has one request.

    A thread of the lanes puts messages in; the call's own thread takes them out as its client reads them.

    Args:
        connection: what it came by.
        path: where the same is asked over HTTP.
        work: answers it, in a thread of the lanes, and tells why it has no answer, or None where it has.
        dropped: why it has none where it is not begun, since the server ends.

    Attributes:
        server: the port it came to.
        requests: the call itself.
        error: always None: it was judged before.
        accepted_s: when it came, on the clock ``time.monotonic``.
        turned_away: why it gets no thread; empty where it does.
        rank: who goes first.
        deadline: when it has to be answered; None before it is begun.
        failure: why it has no answer; None where it has, and before it has ended.
    """

    error = None

    def __init__(
        self,
        connection: Any,  # a Channel
        path: str,
        work: Callable[[Call], Failure | None],
        dropped: Failure,
    ) -> None:
        self.server = connection.server
        self.path = path
        self.requests = [self]
        self.accepted_s = 0.0
        self.turned_away = ""
        self.rank = Rank.OTHER_QUERY
        self.deadline: Deadline | None = None
        self.failure: Failure | None = None
        self._connection = connection
        self._work = work
        self._dropped = dropped
        self._changed = threading.Condition()
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._is_cancelled = self._is_over = False

    @property
    def is_known(self) -> bool:
        """Whether its connection's last answers were good ones."""
        return bool(self._connection.is_known)

    @property
    def connected(self) -> bool:
        """Whether somebody waits for the answer."""
        return not self._is_cancelled

    @property
    def total_outbufs_len(self) -> int:
        """How many bytes of its messages wait to be read."""
        return 0 if self._is_cancelled else self._size

    def service(self) -> None:
        """Answer it."""
        failure: Failure | None = self._dropped
        try:
            if not self._is_cancelled:
                failure = self._work(self)
        finally:
            self._end(failure)

    def begin(self, deadline: Deadline) -> None:
        """Note by when it has to be answered; it is given up at once if nobody waits any more."""
        with self._changed:
            self.deadline = deadline
            if self._is_cancelled:
                deadline.cancel()

    def send(self, message: bytes) -> None:
        """Put in a message."""
        with self._changed:
            if not self._is_cancelled:
                self._messages.append(message)
                self._size += len(message)
                self._changed.notify_all()

    def messages(self) -> Iterator[bytes]:
        """Take the messages out, until it has ended."""
        while (message := self._next()) is not None:
            yield message
            with self._changed:
                self._size -= len(message)

    def _next(self) -> bytes | None:
        with self._changed:
            while not (self._messages or self._is_over):
                self._changed.wait()
            return self._messages.popleft() if self._messages else None

    def abandon(self) -> None:
        """Stop answering it, since its client has gone; any thread may call it."""
        with self._changed:
            self._is_cancelled = self._is_over = True
            self._messages.clear()
            if self.deadline is not None:
                self.deadline.cancel()
            self._changed.notify_all()

    def cancel(self) -> None:
        """End it before it was begun: the server ends."""
        self._end(self._dropped)

    def _end(self, failure: Failure | None) -> None:
        with self._changed:
            if not self._is_over:
                self.failure = failure
            self._is_over = True
            self._changed.notify_all()
