"""The drivers of a region's cars, and the check each must pass before a ride.

A driver must hold a genuine licence and drive gently. How gently is worked out from the car's accelerometer over all
trips on record, one reading at a time. It is plain Python and holds the interpreter's lock: a good part of a car
order's CPU is spent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rideshare.regions import Region

DRIVERS_PER_REGION = 12
"""How many drivers take turns in a region's cars."""

TRIPS_ON_RECORD = 3000
"""How many trips of a driver are examined. The CPU time of a driver check is proportional to this number."""

READINGS_PER_TRIP = 128
"""How many readings of the accelerometer there are for a trip."""

HARSH_READING = 100
"""Smoothed acceleration from which a reading counts as harsh (readings are 0 to 255)."""

HARSH_SHARE_ALLOWED = 0.3
"""A driver with a greater share of harsh trips than this is not sent out."""

LICENCE_DIGITS = 12
"""Length of a licence number, its check digit included."""


@dataclass(frozen=True)
class Driver:
    """A driver: name, licence number with its check digit, and accelerometer readings trip after trip."""

    name: str
    licence: str
    readings: bytes


@dataclass(frozen=True)
class DriverCheck:
    """What a check found: whether the licence is genuine, trips examined, and how many of them were harsh."""

    licence_is_genuine: bool
    trips: int
    harsh_trips: int

    @property
    def may_drive(self) -> bool:
        """Whether the driver may take a ride."""
        return self.licence_is_genuine and self.harsh_trips <= HARSH_SHARE_ALLOWED * self.trips


def luhn_check_digit(digits: str) -> int:
    """Compute the check digit of a number by the Luhn algorithm (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def licence_is_genuine(licence: str) -> bool:
    """Tell whether a licence number has the right form and check digit."""
    if len(licence) != LICENCE_DIGITS or not (licence.isascii() and licence.isdigit()):
        return False
    return luhn_check_digit(licence[:-1]) == int(licence[-1])


def build_drivers(region: Region, seed: int) -> tuple[Driver, ...]:
    """Draw a region's drivers; the same region and seed give the same drivers."""
    random = Random(f"{seed}/{region.name}/drivers")  # noqa: S311 - repeatable people, not a secret
    drivers = []
    for number in range(DRIVERS_PER_REGION):
        digits = f"{random.randrange(10 ** (LICENCE_DIGITS - 1)):0{LICENCE_DIGITS - 1}d}"
        drivers.append(
            Driver(
                name=f"driver-{number:02d}",
                licence=f"{digits}{luhn_check_digit(digits)}",
                readings=random.randbytes(TRIPS_ON_RECORD * READINGS_PER_TRIP),
            )
        )
    return tuple(drivers)


def trip_was_harsh(readings: bytes) -> bool:
    """Tell whether a trip was harsh: a smoothed reading swung further from rest than ``HARSH_READING``."""
    smoothed = 0.0
    hardest = 0.0
    for reading in readings:
        swing = abs(reading - 128)
        smoothed += 0.25 * (swing - smoothed)
        hardest = max(hardest, smoothed)
    return hardest >= HARSH_READING


def check_driver(driver: Driver) -> DriverCheck:
    """Check a driver's licence and every trip on record."""
    trips = range(0, len(driver.readings), READINGS_PER_TRIP)
    harsh_trips = sum(trip_was_harsh(driver.readings[start : start + READINGS_PER_TRIP]) for start in trips)
    return DriverCheck(licence_is_genuine(driver.licence), len(trips), harsh_trips)
