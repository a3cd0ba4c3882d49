"""The three regions of the demo: where they are and how busy their vehicles are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rideshare.geography import Position


class VehicleKind(Enum):
    """What a rider can order; the value is the word used in URLs and answers."""

    BIKE = "bike"
    SCOOTER = "scooter"
    CAR = "car"


@dataclass(frozen=True)
class Region:
    """One city and its fleet's habits.

    Attributes:
        name: The region's identifier, for instance ``eu-north``.
        city: The city's name.
        centre: Where vehicles and roads are laid out around.
        pick_up: Where a rider stands who gives no position.
        destination: Where rides go: the city's main station.
        destination_name: The station's name.
        currency: ISO 4217 code of the prices.
        share_out: By kind, the probability that a vehicle is out with a rider. 1.0: all are out.
    """

    name: str
    city: str
    centre: Position
    pick_up: Position
    destination: Position
    destination_name: str
    currency: str
    share_out: dict[VehicleKind, float]


REGIONS: dict[str, Region] = {
    region.name: region
    for region in (
        Region(
            name="eu-north",
            city="Stockholm",
            centre=Position(59.3293, 18.0686),
            pick_up=Position(59.3150, 18.0340),
            destination=Position(59.3301, 18.0582),
            destination_name="Stockholm Central Station",
            currency="SEK",
            share_out={VehicleKind.BIKE: 0.30, VehicleKind.SCOOTER: 0.35, VehicleKind.CAR: 0.60},
        ),
        Region(
            name="us-east",
            city="New York",
            centre=Position(40.7420, -73.9890),
            pick_up=Position(40.7295, -73.9965),
            destination=Position(40.7527, -73.9772),
            destination_name="Grand Central Terminal",
            currency="USD",
            share_out={VehicleKind.BIKE: 0.40, VehicleKind.SCOOTER: 0.30, VehicleKind.CAR: 0.70},
        ),
        Region(
            name="ap-south",
            city="Mumbai",
            centre=Position(18.9500, 72.8300),
            pick_up=Position(18.9650, 72.8180),
            destination=Position(18.9398, 72.8355),
            destination_name="Chhatrapati Shivaji Maharaj Terminus",
            currency="INR",
            share_out={VehicleKind.BIKE: 0.45, VehicleKind.SCOOTER: 0.50, VehicleKind.CAR: 1.0},
        ),
    )
}
"""Every region by its name. In ``ap-south`` each car is out, so its car orders go to a neighbour."""
