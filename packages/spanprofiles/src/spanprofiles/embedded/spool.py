"""How much is held of the bodies of all requests that arrive or wait, in memory and in temporary files."""

from __future__ import annotations

import threading

from spanprofiles.embedded.limits import IN_MEMORY_BYTES, WAITING_BODIES_BYTES


class Spool:
    """Counts the bytes of bodies.

    Args:
        limit: how many are held at most. Small bodies, of which connections bound the number, are always taken.
    """

    def __init__(self, limit: int = WAITING_BODIES_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many bytes are held."""
        with self._lock:
            return self._held

    def take(self, count: int, size: int) -> bool:
        """Hold more bytes of a body.

        Args:
            count: how many.
            size: of the body so far, with them.

        Returns:
            Whether there was room; otherwise nothing is held of them.
        """
        with self._lock:
            if self._held + count > self._limit and size > IN_MEMORY_BYTES:
                return False
            self._held += count
            return True

    def give_back(self, count: int) -> None:
        """Release bytes."""
        with self._lock:
            self._held -= count
