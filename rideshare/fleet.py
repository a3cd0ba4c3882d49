"""A region's vehicles, and the search for the nearest free one.

This is where an order spends most of its CPU. Vehicles do not report where they are but send noisy satellite fixes;
the search turns each vehicle's latest fixes into one position and measures that position's distance to the rider. It
looks at every vehicle of the kind, those that are out included, because the share of them that is out around the
rider is the demand that sets the price.

Fleets are drawn from a seed, and an order does not change them: the same order gets the same vehicle, and costs the
same work, every time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from rideshare.geography import Position, great_circle_km, moved
from rideshare.regions import Region, VehicleKind

FLEET_SIZES: dict[VehicleKind, int] = {VehicleKind.BIKE: 1500, VehicleKind.SCOOTER: 3050, VehicleKind.CAR: 4700}
"""How many vehicles of a kind a region has. The CPU time of an order is proportional to this number."""

FIXES_PER_VEHICLE = 40
"""How many position fixes are kept of each vehicle."""

CAPACITY: dict[VehicleKind, int] = {VehicleKind.BIKE: 1, VehicleKind.SCOOTER: 1, VehicleKind.CAR: 4}
"""How many riders a vehicle takes."""

SPREAD_METRES = 3500.0
"""Vehicles stand within this many metres north, south, east and west of the centre."""

PLAUSIBLE_JUMP_KM = 0.15
"""A fix further than this from the position known so far is an echo off a building, and left out."""

SMOOTHING = 0.2
"""How far a fix pulls the position known so far towards itself (exponential smoothing, 0 to 1)."""

NEARBY_KM = 1.0
"""Demand is measured among the vehicles within this distance of the rider."""


@dataclass(frozen=True)
class Vehicle:
    """One vehicle.

    Attributes:
        identifier: Unique in its region, for instance ``bike-0042``.
        anchor: The last surveyed position; fixes are relative to it.
        track: The latest fixes, oldest first, as the vehicle sends them: for each fix one signed byte of metres north
            of the anchor and one of metres east of it.
        out: Whether it is out with a rider.
    """

    identifier: str
    anchor: Position
    track: memoryview
    out: bool


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        nearest: The nearest free vehicle, None where none is free.
        distance_km: How far away it is, 0.0 where there is none.
        examined: How many vehicles were examined.
        free: How many of them are free.
        nearby: How many are within ``NEARBY_KM`` of the rider.
        out_nearby: How many of those nearby are out.
    """

    nearest: Vehicle | None
    distance_km: float
    examined: int
    free: int
    nearby: int
    out_nearby: int

    @property
    def demand(self) -> float:
        """Share of the vehicles nearby that is out, 0.0 to 1.0."""
        return self.out_nearby / self.nearby if self.nearby else 0.0


def build_fleet(region: Region, seed: int) -> dict[VehicleKind, tuple[Vehicle, ...]]:
    """Draw all vehicles of a region; the same region and seed give the same fleet."""
    return {kind: build_vehicles(region, kind, seed, FLEET_SIZES[kind]) for kind in VehicleKind}


def build_vehicles(region: Region, kind: VehicleKind, seed: int, size: int) -> tuple[Vehicle, ...]:
    """Draw the vehicles of one kind, so many as ``size`` says."""
    random = Random(f"{seed}/{region.name}/{kind.value}")  # noqa: S311 - a repeatable fleet, not a secret
    bytes_per_track = 2 * FIXES_PER_VEHICLE
    tracks = memoryview(random.randbytes(size * bytes_per_track)).cast("b")
    share_out = region.share_out[kind]
    return tuple(
        Vehicle(
            identifier=f"{kind.value}-{number:04d}",
            anchor=moved(
                region.centre,
                random.uniform(-SPREAD_METRES, SPREAD_METRES),
                random.uniform(-SPREAD_METRES, SPREAD_METRES),
            ),
            track=tracks[number * bytes_per_track : (number + 1) * bytes_per_track],
            out=random.random() < share_out,
        )
        for number in range(size)
    )


def smoothed_position(vehicle: Vehicle) -> Position:
    """Estimate where a vehicle is: its fixes, exponentially smoothed, implausible jumps left out."""
    position = vehicle.anchor
    for north_metres, east_metres in zip(vehicle.track[::2], vehicle.track[1::2], strict=True):
        fix = moved(vehicle.anchor, north_metres, east_metres)
        if great_circle_km(position, fix) <= PLAUSIBLE_JUMP_KM:
            position = Position(
                position.latitude + SMOOTHING * (fix.latitude - position.latitude),
                position.longitude + SMOOTHING * (fix.longitude - position.longitude),
            )
    return position


def find_nearest_vehicle(vehicles: Iterable[Vehicle], rider: Position) -> SearchResult:
    """Find the free vehicle nearest to the rider; of two equally near ones the first."""
    nearest: Vehicle | None = None
    nearest_km = 0.0
    examined = free = nearby = out_nearby = 0
    for vehicle in vehicles:
        distance_km = great_circle_km(rider, smoothed_position(vehicle))
        examined += 1
        if distance_km <= NEARBY_KM:
            nearby += 1
            out_nearby += vehicle.out
        if vehicle.out:
            continue
        free += 1
        if nearest is None or distance_km < nearest_km:
            nearest, nearest_km = vehicle, distance_km
    return SearchResult(nearest, nearest_km, examined, free, nearby, out_nearby)
