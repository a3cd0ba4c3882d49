"""What the writer tells a thread that waits for it."""

from __future__ import annotations

import threading


class Outcome:
    """What became of a batch or of a question: one thread waits for it, and the writer settles it once.

    It is a lock that the writer opens. The condition of a ``Future`` takes several, and each is an occasion for
    threads to get in each other's way.

    Attributes:
        is_settled: whether it is known.
    """

    def __init__(self) -> None:
        self.is_settled = False
        self._error: BaseException | None = None
        self._closed = threading.Lock()
        self._closed.acquire()

    def settle(self, error: BaseException | None = None) -> None:
        """Tell who waits that the batch is committed, or why it is not."""
        self._error = error
        self.is_settled = True
        self._closed.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the outcome; tell whether it is known."""
        return self._closed.acquire(timeout=timeout_s)

    def check(self) -> None:
        """Return if the batch is committed, or raise what kept it from being."""
        if self._error is not None:
            raise self._error
