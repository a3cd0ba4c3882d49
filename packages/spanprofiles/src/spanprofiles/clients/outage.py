"""Remembers for a few seconds that a server hangs: who asks next hears of it at once, and does not wait as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

#: So long after a server let a request time out, the next one is sent, s.
ASK_AGAIN_AFTER_S = 5.0


class HangingError(Exception):
    """The server hangs, so nothing was sent; the message says since when, and when it is asked again."""


class Outage:
    """Whether one server hangs. Several threads may use it.

    A server hangs where a request has timed out, and nothing was answered from the moment it was sent. Then nothing is
    sent for a few seconds. After that one request at a time tries again, until one is answered.

    Args:
        ask_again_after_s: how long nothing is sent, s.
        clock: tells the time, s; it is never set back.
    """

    def __init__(
        self, ask_again_after_s: float = ASK_AGAIN_AFTER_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask_again_after_s = ask_again_after_s
        self._clock = clock
        self._lock = Lock()
        self._answered_s = float("-inf")
        self._since: datetime | None = None
        self._again_s = 0.0
        self._is_tried = False

    @contextmanager
    def watch(self, hangs: Callable[[BaseException], bool | None]) -> Iterator[None]:
        """Watch a request, unless the server hangs.

        Args:
            hangs: tells what an error of the request says of the server: True that it hangs, False that it does not,
                None neither.

        Raises:
            HangingError: the server hangs.
        """
        began_s, is_trial = self._begin()
        sent = datetime.now().astimezone()
        try:
            yield
        except BaseException as error:
            self._end(began_s, sent, is_trial=is_trial, hangs=hangs(error))
            raise
        self._end(began_s, sent, is_trial=is_trial, hangs=False)

    def _begin(self) -> tuple[float, bool]:
        with self._lock:
            now_s = self._clock()
            if self._since is None:
                return now_s, False
            if self._is_tried or now_s < self._again_s:
                when = "it is being asked again" if self._is_tried else f"asked again in {self._again_s - now_s:.0f} s"
                raise HangingError(f"no answer since {self._since:%H:%M:%S}, {when}")
            self._is_tried = True
            return now_s, True

    def _end(self, began_s: float, sent: datetime, *, is_trial: bool, hangs: bool | None) -> None:
        with self._lock:
            if is_trial:
                self._is_tried = False
            if hangs is False:
                self._answered_s, self._since = self._clock(), None
            elif hangs and self._answered_s < began_s:
                self._since = self._since or sent
                self._again_s = self._clock() + self._ask_again_after_s
