from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rideshare.fleet import (
    FIXES_PER_VEHICLE,
    FLEET_SIZES,
    NEARBY_KM,
    Vehicle,
    build_fleet,
    build_vehicles,
    find_nearest_vehicle,
    smoothed_position,
)
from rideshare.geography import Position, great_circle_km, moved
from rideshare.regions import REGIONS, VehicleKind
from rideshare.road_map import NoRouteError, RoadMap, build_road_map, nearest_junction, plan_route

pytestmark = pytest.mark.slow

EU_NORTH = REGIONS["eu-north"]
BIKES = build_vehicles(EU_NORTH, VehicleKind.BIKE, seed=1, size=60)
ROAD_MAP = build_road_map(EU_NORTH, seed=1)
MOST_EXAMPLES = 30

riders = st.builds(moved, st.just(EU_NORTH.centre), st.floats(-5000, 5000), st.floats(-5000, 5000))


def still_vehicle(identifier: str, anchor: Position, *, out: bool = False) -> Vehicle:
    return Vehicle(identifier, anchor, memoryview(bytes(2 * FIXES_PER_VEHICLE)).cast("b"), out)


@settings(max_examples=MOST_EXAMPLES)
@given(riders)
def test_the_vehicle_found_is_the_nearest_free_one(rider: Position) -> None:
    found = find_nearest_vehicle(BIKES, rider)
    distances = {bike.identifier: great_circle_km(rider, smoothed_position(bike)) for bike in BIKES if not bike.out}
    assert found.nearest is not None
    assert found.distance_km == distances[found.nearest.identifier] == min(distances.values())
    assert not found.nearest.out


@settings(max_examples=MOST_EXAMPLES)
@given(riders)
def test_a_search_looks_at_every_vehicle_and_counts_the_free_and_the_nearby(rider: Position) -> None:
    found = find_nearest_vehicle(BIKES, rider)
    nearby = [bike for bike in BIKES if great_circle_km(rider, smoothed_position(bike)) <= NEARBY_KM]
    assert found.examined == len(BIKES)
    assert found.free == sum(not bike.out for bike in BIKES)
    assert (found.nearby, found.out_nearby) == (len(nearby), sum(bike.out for bike in nearby))
    assert 0.0 <= found.demand <= 1.0


def test_a_nearer_vehicle_that_is_out_is_passed_over() -> None:
    here = EU_NORTH.centre
    near, far = moved(here, 10, 0), moved(here, 500, 0)
    found = find_nearest_vehicle([still_vehicle("near", near, out=True), still_vehicle("far", far)], here)
    assert found.nearest is not None
    assert found.nearest.identifier == "far"
    assert found.demand == 0.5


def test_of_two_equally_near_vehicles_the_first_is_taken() -> None:
    here = EU_NORTH.centre
    found = find_nearest_vehicle([still_vehicle("first", here), still_vehicle("second", here)], here)
    assert found.nearest is not None
    assert found.nearest.identifier == "first"


def test_where_all_are_out_nothing_is_found_and_yet_all_were_looked_at() -> None:
    found = find_nearest_vehicle([replace(bike, out=True) for bike in BIKES], EU_NORTH.centre)
    assert found.nearest is None
    assert (found.examined, found.free) == (len(BIKES), 0)


def test_an_empty_fleet_has_no_demand() -> None:
    found = find_nearest_vehicle([], EU_NORTH.centre)
    assert (found.nearest, found.examined, found.demand) == (None, 0, 0.0)


def test_a_vehicle_without_noise_is_where_its_anchor_is() -> None:
    assert smoothed_position(still_vehicle("still", EU_NORTH.centre)) == EU_NORTH.centre


def test_one_implausible_fix_does_not_move_a_vehicle_and_a_plausible_one_does() -> None:
    def with_first_fix(north: int, east: int) -> Vehicle:
        track = memoryview(bytearray(2 * FIXES_PER_VEHICLE)).cast("b")
        track[0], track[1] = north, east
        return Vehicle("bike", EU_NORTH.centre, track, out=False)

    assert smoothed_position(with_first_fix(-128, 127)) == EU_NORTH.centre
    assert smoothed_position(with_first_fix(-100, 50)) != EU_NORTH.centre


def test_the_same_region_and_seed_give_the_same_fleet_and_another_seed_another() -> None:
    assert build_vehicles(EU_NORTH, VehicleKind.BIKE, 1, 60) == BIKES
    assert build_vehicles(EU_NORTH, VehicleKind.BIKE, 2, 60) != BIKES
    assert build_vehicles(REGIONS["us-east"], VehicleKind.BIKE, 1, 60) != BIKES


def test_a_fleet_has_as_many_vehicles_of_each_kind_as_the_constants_say() -> None:
    fleet = build_fleet(EU_NORTH, 1)
    assert {kind: len(vehicles) for kind, vehicles in fleet.items()} == FLEET_SIZES
    assert len({vehicle.identifier for vehicle in fleet[VehicleKind.CAR]}) == FLEET_SIZES[VehicleKind.CAR]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_only_the_cars_of_ap_south_are_all_out(seed: int) -> None:
    without_free = {
        (name, kind)
        for name, region in REGIONS.items()
        for kind, vehicles in build_fleet(region, seed).items()
        if all(vehicle.out for vehicle in vehicles)
    }
    assert without_free == {("ap-south", VehicleKind.CAR)}


def dijkstra_km(road_map: RoadMap, first: int, last: int) -> float:
    settled: set[int] = set()
    frontier = [(0.0, first)]
    while frontier:
        length_km, junction = heappop(frontier)
        if junction == last:
            return length_km
        if junction not in settled:
            settled.add(junction)
            for neighbour, road_km in road_map.roads[junction]:
                heappush(frontier, (length_km + road_km, neighbour))
    raise AssertionError("not connected")


@settings(max_examples=MOST_EXAMPLES)
@given(riders, riders)
def test_a_route_is_as_short_as_dijkstras_and_never_shorter_than_the_great_circle(
    start: Position, end: Position
) -> None:
    route = plan_route(ROAD_MAP, start, end)
    first, last = nearest_junction(ROAD_MAP, start), nearest_junction(ROAD_MAP, end)
    access_km = great_circle_km(start, ROAD_MAP.junctions[first]) + great_circle_km(ROAD_MAP.junctions[last], end)
    assert route.length_km == pytest.approx(access_km + dijkstra_km(ROAD_MAP, first, last))
    assert route.length_km >= great_circle_km(start, end) - 1e-9


@settings(max_examples=MOST_EXAMPLES)
@given(riders, riders)
def test_a_route_goes_along_existing_roads_from_end_to_end(start: Position, end: Position) -> None:
    route = plan_route(ROAD_MAP, start, end)
    assert route.junctions[0] == nearest_junction(ROAD_MAP, start)
    assert route.junctions[-1] == nearest_junction(ROAD_MAP, end)
    for junction, following in zip(route.junctions, route.junctions[1:], strict=False):
        assert following in {leads_to for leads_to, _ in ROAD_MAP.roads[junction]}
    assert len(route.junctions) <= route.expanded <= len(ROAD_MAP.junctions)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", REGIONS)
def test_every_junction_of_a_map_can_be_reached(name: str, seed: int) -> None:
    road_map = build_road_map(REGIONS[name], seed)
    reached, waiting = {0}, [0]
    while waiting:
        for neighbour, _ in road_map.roads[waiting.pop()]:
            if neighbour not in reached:
                reached.add(neighbour)
                waiting.append(neighbour)
    assert len(reached) == len(road_map.junctions)


def test_no_road_is_shorter_than_the_great_circle_which_a_star_relies_on() -> None:
    for junction, roads in enumerate(ROAD_MAP.roads):
        for neighbour, length_km in roads:
            assert length_km >= great_circle_km(ROAD_MAP.junctions[junction], ROAD_MAP.junctions[neighbour])


def test_two_islands_have_no_route_and_that_is_said() -> None:
    islands = RoadMap((EU_NORTH.centre, moved(EU_NORTH.centre, 2000, 0)), ((), ()))
    with pytest.raises(NoRouteError, match="no roads lead from junction 0 to junction 1"):
        plan_route(islands, *islands.junctions)


def test_the_same_region_and_seed_give_the_same_map_and_another_seed_another() -> None:
    assert build_road_map(EU_NORTH, 1) == ROAD_MAP
    assert build_road_map(EU_NORTH, 2) != ROAD_MAP
