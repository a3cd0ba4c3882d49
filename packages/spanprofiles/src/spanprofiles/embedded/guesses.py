"""Wrong tokens, counted by the address they come from: an address that sends many is slowed down."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from spanprofiles.embedded.limits import FREE_GUESSES, GUESSERS, GUESSES_S

IPV6_NETWORK_BITS = 64


@dataclass
class _Tally:
    since_s: float
    count: int = 0


class Guesses:
    """Counts wrong tokens. The right one is never held up, so nobody can lock its holder out.

    Args:
        steady: the time that is never set, s.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._tallies: dict[str, _Tally] = {}
        self._lock = threading.Lock()

    def note(self, address: str) -> bool:
        """Count a wrong token; return whether its address has sent so many that it is to be slowed down."""
        source, now_s = _source(address), self._steady()
        with self._lock:
            tally = self._tallies.get(source)
            if tally is None or now_s - tally.since_s >= GUESSES_S:
                self._tallies.pop(source, None)
                if len(self._tallies) >= GUESSERS:
                    del self._tallies[next(iter(self._tallies))]  # the one whose count began first
                tally = self._tallies[source] = _Tally(now_s)
            tally.count += 1
            return tally.count > FREE_GUESSES


def _source(address: str) -> str:
    """Whom an address stands for: in IPv6 a network, of which one machine has as many addresses as it likes."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, IPV6_NETWORK_BITS), strict=False))
