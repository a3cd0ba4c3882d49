from __future__ import annotations

import math
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rideshare.drivers import (
    HARSH_SHARE_ALLOWED,
    READINGS_PER_TRIP,
    TRIPS_ON_RECORD,
    Driver,
    DriverCheck,
    build_drivers,
    check_driver,
    licence_is_genuine,
    luhn_check_digit,
    trip_was_harsh,
)
from rideshare.geography import EARTH_RADIUS_KM, Position, great_circle_km, moved
from rideshare.payments import await_payment
from rideshare.pricing import calculate_price, surcharge
from rideshare.regions import REGIONS, VehicleKind
from rideshare.rides import Ride, RideStore, make_ride_id

EU_NORTH = REGIONS["eu-north"]

positions = st.builds(
    Position,
    st.floats(-90, 90, allow_nan=False),
    st.floats(-180, 180, allow_nan=False),
)


def test_the_great_circle_between_two_cities_has_its_known_length() -> None:
    stockholm, new_york = REGIONS["eu-north"].centre, REGIONS["us-east"].centre
    assert great_circle_km(stockholm, new_york) == pytest.approx(6315, abs=15)


@given(positions, positions)
def test_a_distance_is_symmetric_and_at_most_half_way_round_the_globe(one: Position, other: Position) -> None:
    distance = great_circle_km(one, other)
    assert distance == pytest.approx(great_circle_km(other, one), abs=1e-6)
    assert 0.0 <= distance <= math.pi * EARTH_RADIUS_KM + 1e-6


@given(positions)
def test_a_position_is_no_distance_from_itself(position: Position) -> None:
    assert great_circle_km(position, position) == 0.0


@given(st.floats(-500, 500), st.floats(-500, 500))
def test_moving_so_many_metres_is_that_far_on_the_great_circle(north: float, east: float) -> None:
    origin = EU_NORTH.centre
    assert great_circle_km(origin, moved(origin, north, east)) == pytest.approx(math.hypot(north, east) / 1e3, abs=1e-3)


def test_the_luhn_digit_of_the_published_example_is_three() -> None:
    assert luhn_check_digit("7992739871") == 3


@given(st.integers(0, 10**11 - 1), st.integers(0, 10), st.integers(1, 9))
def test_a_licence_with_one_wrong_digit_is_not_genuine(number: int, place: int, error: int) -> None:
    digits = f"{number:011d}"
    licence = f"{digits}{luhn_check_digit(digits)}"
    assert licence_is_genuine(licence)
    wrong = f"{licence[:place]}{(int(licence[place]) + error) % 10}{licence[place + 1 :]}"
    assert not licence_is_genuine(wrong)


@pytest.mark.parametrize("licence", ["", "123", "12345678901x", "١٢٣٤٥٦٧٨٩٠١٢"])
def test_a_licence_of_another_form_is_not_genuine(licence: str) -> None:
    assert not licence_is_genuine(licence)


def test_a_trip_at_rest_is_gentle_and_one_of_full_swings_harsh() -> None:
    assert not trip_was_harsh(bytes([128] * READINGS_PER_TRIP))
    assert trip_was_harsh(bytes([0] * READINGS_PER_TRIP))


def test_every_driver_of_a_region_may_drive_and_every_trip_is_examined() -> None:
    drivers = build_drivers(EU_NORTH, 1)
    checked = check_driver(drivers[0])
    assert checked.trips == TRIPS_ON_RECORD
    assert 0 < checked.harsh_trips <= HARSH_SHARE_ALLOWED * checked.trips
    assert checked.may_drive
    assert all(licence_is_genuine(driver.licence) for driver in drivers)


def test_a_driver_who_is_harsh_on_every_trip_may_not_drive() -> None:
    genuine = build_drivers(EU_NORTH, 1)[0].licence
    checked = check_driver(Driver("harsh", genuine, bytes(10 * READINGS_PER_TRIP)))
    assert checked == DriverCheck(licence_is_genuine=True, trips=10, harsh_trips=10)
    assert not checked.may_drive


def test_a_driver_with_a_forged_licence_may_not_drive() -> None:
    assert not check_driver(Driver("forged", "000000000001", bytes([128] * READINGS_PER_TRIP))).may_drive


def test_the_same_seed_gives_the_same_drivers_and_another_seed_others() -> None:
    assert build_drivers(EU_NORTH, 7) == build_drivers(EU_NORTH, 7)
    assert build_drivers(EU_NORTH, 7) != build_drivers(EU_NORTH, 8)


def test_a_ride_in_calm_times_costs_the_tariff() -> None:
    price = calculate_price(REGIONS["us-east"], VehicleKind.BIKE, route_km=2.0, riders=1, demand=0.5)
    assert (price.hundredths, price.currency, price.surcharge) == (122, "USD", 0.0)  # (50 + 2 x 30) x 1.1, rounded up
    assert price.amount == 1.22


@given(
    st.sampled_from(VehicleKind),
    st.floats(0, 50),
    st.floats(0, 50),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_longer_ride_or_more_demand_never_costs_less(
    kind: VehicleKind, one_km: float, other_km: float, one_demand: float, other_demand: float
) -> None:
    low = calculate_price(EU_NORTH, kind, min(one_km, other_km), 1, min(one_demand, other_demand))
    high = calculate_price(EU_NORTH, kind, max(one_km, other_km), 1, max(one_demand, other_demand))
    assert 0 < low.hundredths <= high.hundredths


def test_four_in_a_car_pay_more_than_one() -> None:
    one, four = (calculate_price(EU_NORTH, VehicleKind.CAR, 3.0, riders, 0.0).hundredths for riders in (1, 4))
    assert four > one


def test_the_surcharge_is_nothing_when_calm_and_highest_when_all_are_out() -> None:
    assert surcharge(0.0) == surcharge(0.5) == 0.0
    assert surcharge(1.0) == pytest.approx(0.8)


def test_a_payment_is_for_the_ride_and_its_price() -> None:
    payment = await_payment("eu-north-1", 12.5, "SEK", gateway_seconds=0.0)
    assert (payment.reference, payment.amount, payment.currency) == ("payment-eu-north-1", 12.5, "SEK")


def test_ride_ids_name_their_region_and_differ() -> None:
    ids = {make_ride_id("us-east") for _ in range(100)}
    assert len(ids) == 100
    assert all(ride_id.startswith("us-east-") and len(ride_id) == len("us-east-") + 32 for ride_id in ids)


def test_the_oldest_ride_is_forgotten_first() -> None:
    store = RideStore(limit=2)
    for ride_id in ("first", "second", "third"):
        store.add(Ride(ride_id, {}))
    assert store.find("first") is None
    assert store.find("second") == Ride("second", {})
    assert len(store) == 2


def test_rides_added_by_many_threads_are_all_there() -> None:
    store = RideStore()

    def add_many(start: int) -> None:
        for number in range(200):
            store.add(Ride(f"{start}-{number}", {}))

    threads = [Thread(target=add_many, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 1600


@settings(max_examples=20)
@given(st.integers(1, 50), st.integers(0, 120))
def test_a_store_never_holds_more_than_its_limit(limit: int, rides: int) -> None:
    store = RideStore(limit)
    for number in range(rides):
        store.add(Ride(str(number), {}))
    assert len(store) == min(limit, rides)
