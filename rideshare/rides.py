"""The rides a region remembers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import uuid4

RIDES_REMEMBERED = 10_000
"""How many rides a region keeps; the oldest are forgotten first."""


@dataclass(frozen=True)
class Ride:
    """A ride that was ordered: its identifier and the answer the rider got."""

    ride_id: str
    answer: Mapping[str, Any]


def make_ride_id(region_name: str) -> str:
    """Make an identifier no other ride has, whatever its region, and nobody can guess."""
    return f"{region_name}-{uuid4().hex}"


class RideStore:
    """The latest rides, in memory. Safe to use from several threads."""

    def __init__(self, limit: int = RIDES_REMEMBERED) -> None:
        self._limit = limit
        self._lock = Lock()
        self._rides: OrderedDict[str, Ride] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return len(self._rides)

    def add(self, ride: Ride) -> None:
        """Remember a ride, and forget the oldest ones beyond the limit."""
        with self._lock:
            self._rides[ride.ride_id] = ride
            while len(self._rides) > self._limit:
                self._rides.popitem(last=False)

    def find(self, ride_id: str) -> Ride | None:
        """Give the ride with that identifier, or None."""
        with self._lock:
            return self._rides.get(ride_id)
