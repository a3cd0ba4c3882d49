"""Which code faults are on in this process."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from rideshare.faults import CODE_FAULTS


class Switches:
    """One switch for each code fault. Safe to use from several threads; other processes have their own."""

    def __init__(self, on: Iterable[str] = ()) -> None:
        """Turn on those of ``on`` that are code faults, and no other."""
        self._lock = Lock()
        self._on = frozenset(on).intersection(CODE_FAULTS)

    def is_on(self, name: str) -> bool:
        """Tell whether a fault is on."""
        return name in self._on

    def switch(self, name: str, *, on: bool) -> None:
        """Turn a fault on or off.

        Raises:
            KeyError: There is no code fault of that name.
        """
        if name not in CODE_FAULTS:
            raise KeyError(name)
        with self._lock:
            self._on = self._on | {name} if on else self._on - {name}

    def states(self) -> dict[str, bool]:
        """Give each code fault's name and whether it is on."""
        on = self._on
        return {name: name in on for name in CODE_FAULTS}
