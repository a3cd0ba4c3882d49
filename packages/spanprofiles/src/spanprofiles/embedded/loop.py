"""The loop that waits for the network: what it costs depends on the connections that do something, not on all of them.

Waitress's own asks every connection in every round whether it wants to read or write.

It also keeps others away while somebody goes first. Python runs one thread at a time, so a thread that answers waits
whenever the loop reads what came for another connection. While a connection that goes first has a request under way,
the loop looks at such connections alone.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore

from spanprofiles.embedded.limits import OTHERS_TURN_S, OTHERS_WAIT_S

ROUND_S = 0.5
"""How long one round waits at most, and how often every connection is asked."""
READ, WRITE = select.POLLIN | select.POLLPRI, select.POLLOUT
Member = Any
"""One of waitress's: a connection, a port, or the pipe that wakes the loop."""


def never_held() -> float:
    """Return for how long others are held up where nobody goes first: not at all."""
    return 0.0


class Members(dict[int, Member]):
    """Whatever the loop waits for, by file descriptor.

    A member is settled while nothing but the network can change what it wants. Connections tell by ``is_settled``, a
    port never is, and a pipe always. A connection or a port that has ``goes_first`` set to false is an other.

    Args:
        held_s: returns for how long others are held up yet, because somebody who goes first has a request under way, s.
            None of them waits for longer than ``OTHERS_WAIT_S``; then they have a turn of ``OTHERS_TURN_S``.
        clock: a time that is never set, s.
    """

    def __init__(self, held_s: Callable[[], float] = never_held, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._held_s = held_s
        self._clock = clock
        self._all, self._first = select.poll(), select.poll()
        self._wanted: dict[int, int] = {}
        self._wanted_first: dict[int, int] = {}
        self._unsettled: set[int] = set()
        self._next_s = 0.0
        self._waiting_since_s: float | None = None
        self._turn_until_s = 0.0
        self._last = -1

    def __setitem__(self, descriptor: int, member: Member) -> None:
        """Take in a member."""
        super().__setitem__(descriptor, member)
        self._unsettled.add(descriptor)

    def __delitem__(self, descriptor: int) -> None:
        """Let a member go, before its descriptor is closed, and so may be another's."""
        super().__delitem__(descriptor)
        self._unsettled.discard(descriptor)
        self._want(descriptor, 0, goes_first=False)

    def go_round(self, seconds: float = ROUND_S) -> None:
        """Wait until something happens or the timeout passes, and have it handled."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = now_s + ROUND_S
            self._unsettled.update(self)
        held_s = self._hold_s()
        for descriptor in list(self._unsettled):
            self._ask(descriptor, is_held=held_s > 0)
        if held_s > 0:
            self._note_waiting()
            for descriptor, happened in self._first.poll(min(seconds, held_s) * 1000):
                self._handle(descriptor, happened)
        else:
            self._handle_all(self._all.poll(seconds * 1000))

    def _hold_s(self) -> float:
        """Return for how long others have to wait yet, s; they have a turn when they have waited long enough."""
        held_s = self._held_s()
        if held_s <= 0:
            return 0.0
        now_s = self._clock()
        if now_s < self._turn_until_s:
            return 0.0
        if self._waiting_since_s is None:
            return held_s
        left_s = self._waiting_since_s + OTHERS_WAIT_S - now_s
        if left_s > 0:
            return min(held_s, left_s)
        self._waiting_since_s = None
        self._turn_until_s = now_s + OTHERS_TURN_S
        return 0.0

    def _note_waiting(self) -> None:
        if self._waiting_since_s is None:
            self._waiting_since_s = self._clock()

    def _handle_all(self, events: list[tuple[int, int]]) -> None:
        """Handle what happened, first what goes first; of the rest as much as there is time for, each in its turn."""
        others = []
        for descriptor, happened in events:
            if descriptor in self._wanted_first:
                self._handle(descriptor, happened)
            else:
                others.append((descriptor, happened))
        # Those that are left over in this round come before the others in the next.
        others.sort(key=lambda event: (event[0] <= self._last, event[0]))
        ends_s = self._clock() + OTHERS_TURN_S
        for place, (descriptor, happened) in enumerate(others):
            if self._hold_s() > 0:
                self._note_waiting()
                return
            if place and self._clock() >= ends_s:
                return
            self._handle(descriptor, happened)
            self._last = descriptor
        self._waiting_since_s = None

    def _handle(self, descriptor: int, happened: int) -> None:
        member = self.get(descriptor)
        if member is not None:
            self._unsettled.add(descriptor)
            wasyncore.readwrite(member, happened)

    def _ask(self, descriptor: int, *, is_held: bool) -> None:
        member = self.get(descriptor)
        if member is None:  # another one's turn has closed it
            return
        goes_first = getattr(member, "goes_first", True)
        if is_held and not goes_first:
            return
        if getattr(member, "is_settled", True):
            self._unsettled.discard(descriptor)
        wanted = READ if member.readable() else 0
        if member.writable() and not member.accepting:
            wanted |= WRITE
        if descriptor in self:
            self._want(descriptor, wanted, goes_first=goes_first)

    def _want(self, descriptor: int, wanted: int, *, goes_first: bool) -> None:
        _register(self._all, self._wanted, descriptor, wanted)
        _register(self._first, self._wanted_first, descriptor, wanted if goes_first else 0)


def _register(poll: select.poll, known: dict[int, int], descriptor: int, wanted: int) -> None:
    if known.get(descriptor, 0) == wanted:
        return
    if wanted:
        known[descriptor] = wanted
        poll.register(descriptor, wanted)
    else:
        del known[descriptor]
        poll.unregister(descriptor)
