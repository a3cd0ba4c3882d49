"""A region's roads, and the shortest way along them.

The map is a grid of streets with crooked corners, drawn from a seed. Some of the cross streets are missing, as if
there were a park or a railway in the way, so that the shortest way is not obvious.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from rideshare.geography import Position, great_circle_km, moved
from rideshare.regions import Region

STREETS = 64
"""Streets in each direction: the map has the square of this number of junctions."""

BLOCK_METRES = 112.0
"""Distance of two neighbouring streets."""

CROOKEDNESS_METRES = 30.0
"""How far a junction may be from its place in the grid."""

MISSING_CROSS_STREETS = 0.35
"""Share of the cross street sections that do not exist."""

LONGEST_DETOUR = 2.0
"""A road is between 1 and this many times as long as the straight line between its ends."""


@dataclass(frozen=True)
class RoadMap:
    """Junctions, and the roads from each: pairs of the junction a road leads to and its length in kilometres."""

    junctions: tuple[Position, ...]
    roads: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class Route:
    """A way from one position to another.

    Attributes:
        length_km: The whole length, the way to the first junction and from the last one included.
        junctions: Indexes of the junctions on the way, in order.
        expanded: How many junctions the search had to look at.
    """

    length_km: float
    junctions: tuple[int, ...]
    expanded: int


class NoRouteError(Exception):
    """Two positions are not connected by roads."""


def build_road_map(region: Region, seed: int) -> RoadMap:
    """Draw a region's map; the same region and seed give the same map, and every junction can be reached."""
    random = Random(f"{seed}/{region.name}/roads")  # noqa: S311 - a repeatable map, not a secret
    middle = (STREETS - 1) / 2.0
    junctions = tuple(
        moved(
            region.centre,
            (row - middle) * BLOCK_METRES + random.uniform(-CROOKEDNESS_METRES, CROOKEDNESS_METRES),
            (column - middle) * BLOCK_METRES + random.uniform(-CROOKEDNESS_METRES, CROOKEDNESS_METRES),
        )
        for row in range(STREETS)
        for column in range(STREETS)
    )
    roads: list[list[tuple[int, float]]] = [[] for _ in junctions]

    def connect(one: int, other: int) -> None:
        length_km = great_circle_km(junctions[one], junctions[other]) * random.uniform(1.0, LONGEST_DETOUR)
        roads[one].append((other, length_km))
        roads[other].append((one, length_km))

    for row in range(STREETS):
        for column in range(STREETS):
            junction = row * STREETS + column
            if column + 1 < STREETS:
                connect(junction, junction + 1)
            # The first cross street is complete, so every street can be reached from every other.
            if row + 1 < STREETS and (column == 0 or random.random() >= MISSING_CROSS_STREETS):
                connect(junction, junction + STREETS)
    return RoadMap(junctions, tuple(tuple(leading) for leading in roads))


def nearest_junction(road_map: RoadMap, position: Position) -> int:
    """Give the index of the junction nearest to a position."""
    junctions = road_map.junctions
    return min(range(len(junctions)), key=lambda junction: great_circle_km(position, junctions[junction]))


def plan_route(road_map: RoadMap, start: Position, end: Position) -> Route:
    """Find the shortest route between the junctions nearest to two positions, by A*.

    The great circle never overestimates what is left to go, as no road is shorter than it: the route found is a
    shortest one, and a junction need be expanded only once.

    Raises:
        NoRouteError: No roads lead there.
    """
    junctions, roads = road_map.junctions, road_map.roads
    first, last = nearest_junction(road_map, start), nearest_junction(road_map, end)
    goal = junctions[last]
    travelled_km = {first: 0.0}
    came_from: dict[int, int] = {}
    expanded: set[int] = set()
    frontier = [(great_circle_km(junctions[first], goal), first)]
    while frontier:
        _, junction = heappop(frontier)
        if junction in expanded:
            continue
        expanded.add(junction)
        if junction == last:
            access_km = great_circle_km(start, junctions[first]) + great_circle_km(goal, end)
            return Route(access_km + travelled_km[last], _path(came_from, last), len(expanded))
        for neighbour, length_km in roads[junction]:
            candidate_km = travelled_km[junction] + length_km
            if neighbour not in travelled_km or candidate_km < travelled_km[neighbour]:
                travelled_km[neighbour] = candidate_km
                came_from[neighbour] = junction
                heappush(frontier, (candidate_km + great_circle_km(junctions[neighbour], goal), neighbour))
    raise NoRouteError(f"no roads lead from junction {first} to junction {last}")


def _path(came_from: dict[int, int], last: int) -> tuple[int, ...]:
    path = [last]
    while path[-1] in came_from:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))
