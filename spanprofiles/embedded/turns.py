"""Large requests are worked on one after the other, so that several at once do not need several times the memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spanprofiles.embedded.limits import LARGE_PATIENCE_SECONDS, LIGHT_BYTES

BUSY = "the server is busy with other large requests: send it again later"


class OverloadError(Exception):
    """There was no room for a request for a while; it may be sent again."""


class Ticket:
    """One request's turn, for which it waits when it turns out to be large."""

    def __init__(self, turn: threading.Lock, light_bytes: int, patience_s: float) -> None:
        self._turn = turn
        self._light_bytes = light_bytes
        self._patience_s = patience_s
        self._is_held = False

    def expect(self, size_bytes: int) -> None:
        """Tell how much memory the request is going to take, as soon as that is known; waits for other large ones.

        Raises:
            OverloadError: it waited for too long.
        """
        if size_bytes <= self._light_bytes or self._is_held:
            return
        if not self._turn.acquire(timeout=self._patience_s):
            raise OverloadError(BUSY)
        self._is_held = True

    def leave(self) -> None:
        """Make way for the next."""
        if self._is_held:
            self._is_held = False
            self._turn.release()


class Turns:
    """Where large requests stand in line.

    Args:
        light_bytes: how much memory a request may take without standing in line.
        patience_s: how long one waits, s.
    """

    def __init__(self, light_bytes: int = LIGHT_BYTES, patience_s: float = LARGE_PATIENCE_SECONDS) -> None:
        self._lock = threading.Lock()
        self._light_bytes = light_bytes
        self._patience_s = patience_s

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """A request's ticket, which it gives back at the end."""
        ticket = Ticket(self._lock, self._light_bytes, self._patience_s)
        try:
            yield ticket
        finally:
            ticket.leave()


LARGE = Turns()
"""The large requests of this process, whose memory is one."""
