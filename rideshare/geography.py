"""Positions on the globe and the distance between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG R1)."""

METRES_PER_DEGREE = 111_195.0
"""Length of one degree of latitude, and of longitude at the equator."""


@dataclass(init=False, slots=True, unsafe_hash=True)
class Position:
    """A point on the globe, in degrees; north and east are positive. Nobody changes one: it is a value."""

    latitude: float
    longitude: float

    # Written out: a generated constructor has no name in a flame graph that says whose it is.
    def __init__(self, latitude: float, longitude: float) -> None:
        self.latitude = latitude
        self.longitude = longitude


def great_circle_km(start: Position, end: Position) -> float:
    """Give the shortest distance over the globe's surface, in kilometres (haversine formula)."""
    start_latitude = radians(start.latitude)
    end_latitude = radians(end.latitude)
    half_height = sin((end_latitude - start_latitude) / 2.0)
    half_width = sin(radians(end.longitude - start.longitude) / 2.0)
    haversine = half_height * half_height + cos(start_latitude) * cos(end_latitude) * half_width * half_width
    return 2.0 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(haversine)))


def moved(origin: Position, north_metres: float, east_metres: float) -> Position:
    """Give the position so many metres north and east of ``origin``, for distances within a city."""
    return Position(
        origin.latitude + north_metres / METRES_PER_DEGREE,
        origin.longitude + east_metres / (METRES_PER_DEGREE * cos(radians(origin.latitude))),
    )
