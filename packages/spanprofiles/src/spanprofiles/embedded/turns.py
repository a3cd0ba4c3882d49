"""Large requests are worked on one after the other, so that several at once do not need several times the memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spanprofiles.embedded.limits import LARGE_PATIENCE_S, LARGE_WAITING, LIGHT_BYTES

BUSY = "the server is busy with other large requests: send it again later"


class OverloadError(Exception):
    """There was no room for a request for a while; it may be sent again."""


class Ticket:
    """One request's turn, for which it waits when it turns out to be large."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._is_held = False

    def expect(self, size_bytes: int) -> None:
        """Tell how much memory the request is going to take, as soon as that is known; waits for other large ones.

        Raises:
            OverloadError: it waited for too long, or too many wait.
        """
        if size_bytes > self._turns.light_bytes and not self._is_held:
            self._turns.take()
            self._is_held = True

    def leave(self) -> None:
        """Make way for the next."""
        if self._is_held:
            self._is_held = False
            self._turns.give_back()


class Turns:
    """Where large requests stand in line.

    Args:
        light_bytes: how much memory a request may take without standing in line.
        patience_s: how long one waits, s.
        waiting: how many may wait.
    """

    def __init__(
        self,
        light_bytes: int = LIGHT_BYTES,
        patience_s: float = LARGE_PATIENCE_S,
        waiting: int = LARGE_WAITING,
    ) -> None:
        self.light_bytes = light_bytes
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._places = threading.Semaphore(waiting + 1)

    def take(self) -> None:
        """Wait for the turn.

        Raises:
            OverloadError: it took too long, or too many wait.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadError(BUSY)
        if not self._turn.acquire(timeout=self._patience_s):
            self._places.release()
            raise OverloadError(BUSY)

    def give_back(self) -> None:
        """Let the next have its turn."""
        self._turn.release()
        self._places.release()

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """Hand out a request's ticket; it is given back at the end."""
        ticket = Ticket(self)
        try:
            yield ticket
        finally:
            ticket.leave()


LARGE = Turns()
"""The large requests of this process, whose memory is one."""
