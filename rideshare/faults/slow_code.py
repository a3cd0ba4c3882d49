"""The code faults: honest mistakes, of the kind that pass a review."""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Lock

from rideshare.fleet import Vehicle

DISPATCHER_S = 0.25
"""How long the dispatcher takes to confirm an order. With several orders at once each waits for those before it."""

SLOW_GATEWAY_S = 3.0
"""How long the payment gateway takes when it is slow."""

_dispatcher = Lock()


def drop_repeated_vehicles(vehicles: Iterable[Vehicle]) -> list[Vehicle]:
    """Leave out vehicles that are listed more than once.

    The mistake: those seen are kept in a list and compared one by one, where a set would answer at once. The CPU time
    grows with the square of the fleet: 0.7 million comparisons for 1,150 bikes, 2.8 million for 2,350 scooters.
    """
    seen: list[Vehicle] = []
    for vehicle in vehicles:
        for earlier in seen:
            if earlier.identifier.lower() == vehicle.identifier.lower():
                break
        else:
            seen.append(vehicle)
    return seen


def confirm_with_dispatcher() -> None:
    """Wait for the dispatcher's word.

    The mistake: it waits while it holds a lock that every order needs. The time goes by without any CPU, so a span's
    profile is no larger than before, and its duration grows with the number of orders at once.
    """
    with _dispatcher:
        time.sleep(DISPATCHER_S)
