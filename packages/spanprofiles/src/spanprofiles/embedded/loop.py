"""The loop that waits for the network: what it costs depends on the connections that do something, not on all of them.

Waitress's own asks every connection in every round whether it wants to read or write.
"""

from __future__ import annotations

import select
import time
from typing import Any

from waitress import wasyncore

ROUND_S = 0.5
"""How long one round waits at most, and how often every connection is asked."""
READ, WRITE = select.POLLIN | select.POLLPRI, select.POLLOUT
Member = Any
"""One of waitress's: a connection, a port, or the pipe that wakes the loop."""


class Members(dict[int, Member]):
    """Whatever the loop waits for, by file descriptor.

    A member is settled while nothing but the network can change what it wants. Connections tell by ``is_settled``, a
    port never is, and a pipe always.
    """

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()
        self._wanted: dict[int, int] = {}
        self._unsettled: set[int] = set()
        self._next_s = 0.0

    def __setitem__(self, descriptor: int, member: Member) -> None:
        """Take in a member."""
        super().__setitem__(descriptor, member)
        self._unsettled.add(descriptor)

    def __delitem__(self, descriptor: int) -> None:
        """Let a member go, before its descriptor is closed, and so may be another's."""
        super().__delitem__(descriptor)
        self._unsettled.discard(descriptor)
        self._want(descriptor, 0)

    def go_round(self, seconds: float = ROUND_S) -> None:
        """Wait until something happens or the timeout passes, and have it handled."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + ROUND_S
            self._unsettled.update(self)
        for descriptor in list(self._unsettled):
            self._ask(descriptor)
        for descriptor, happened in self._poll.poll(seconds * 1000):
            member = self.get(descriptor)
            if member is not None:
                self._unsettled.add(descriptor)
                wasyncore.readwrite(member, happened)

    def _ask(self, descriptor: int) -> None:
        member = self.get(descriptor)
        if member is None:  # another one's turn has closed it
            return
        if getattr(member, "is_settled", True):
            self._unsettled.discard(descriptor)
        wanted = READ if member.readable() else 0
        if member.writable() and not member.accepting:
            wanted |= WRITE
        if descriptor in self:
            self._want(descriptor, wanted)

    def _want(self, descriptor: int, wanted: int) -> None:
        if self._wanted.get(descriptor, 0) == wanted:
            return
        if wanted:
            self._wanted[descriptor] = wanted
            self._poll.register(descriptor, wanted)
        else:
            del self._wanted[descriptor]
            self._poll.unregister(descriptor)
