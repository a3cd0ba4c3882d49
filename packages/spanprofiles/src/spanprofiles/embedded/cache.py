"""A cache with a limit in bytes, whatever the size of its values."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """Remembers values up to a sum of their sizes; the least used are forgotten. Several threads may use it.

    Args:
        limit_bytes: the sum. A value that takes more than a quarter of it alone is not remembered.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._known: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        """How many values are remembered."""
        return len(self._known)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key; None where it is not remembered."""
        with self._lock:
            found = self._known.get(key)
            if found is None:
                return None
            self._known.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, size_bytes: int) -> None:
        """Remember a value of about the given size."""
        if size_bytes > self._limit // 4:
            return
        with self._lock:
            _, before = self._known.pop(key, (None, 0))
            self._known[key] = (value, size_bytes)
            self.bytes += size_bytes - before
            while self.bytes > self._limit:
                _, (_, forgotten) = self._known.popitem(last=False)
                self.bytes -= forgotten

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()
            self.bytes = 0
