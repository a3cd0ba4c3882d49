"""What a ride costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from rideshare.regions import Region, VehicleKind


@dataclass(frozen=True)
class Tariff:
    """The fares of a kind of vehicle, in hundredths of euro: for getting in, for each kilometre, for each companion."""

    base: int
    per_km: int
    per_companion: int


TARIFFS: dict[VehicleKind, Tariff] = {
    VehicleKind.BIKE: Tariff(base=50, per_km=30, per_companion=0),
    VehicleKind.SCOOTER: Tariff(base=100, per_km=60, per_companion=0),
    VehicleKind.CAR: Tariff(base=300, per_km=150, per_companion=80),
}

EXCHANGE_RATES: dict[str, float] = {"SEK": 11.2, "USD": 1.1, "INR": 92.0}
"""What a euro is worth in the regions' currencies."""

CALM_DEMAND = 0.5
"""Up to this share of vehicles out nearby a ride costs no extra."""

HIGHEST_SURCHARGE = 0.8
"""Extra share of the fare when all vehicles nearby are out."""


@dataclass(frozen=True)
class Price:
    """An amount of money: hundredths of a unit of the currency (ISO 4217 code), and the surcharge that is in it."""

    hundredths: int
    currency: str
    surcharge: float

    @property
    def amount(self) -> float:
        """The amount in whole units, with two decimals."""
        return self.hundredths / 100.0


def surcharge(demand: float) -> float:
    """Give the extra share of the fare for a demand of 0.0 to 1.0; it grows evenly above ``CALM_DEMAND``."""
    return HIGHEST_SURCHARGE * max(0.0, demand - CALM_DEMAND) / (1.0 - CALM_DEMAND)


def calculate_price(region: Region, kind: VehicleKind, route_km: float, riders: int, demand: float) -> Price:
    """Calculate what a ride of that length costs, rounded up to the next hundredth."""
    tariff = TARIFFS[kind]
    fare = tariff.base + tariff.per_km * route_km + tariff.per_companion * (riders - 1)
    extra = surcharge(demand)
    return Price(ceil(fare * (1.0 + extra) * EXCHANGE_RATES[region.currency]), region.currency, extra)
