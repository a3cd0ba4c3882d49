"""How often 95 % intervals hold the truth, over draws from recorded rides."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.ride_recording import BASE, RecordedRide, Recording
from spanprofiles.model import FlameGraph, Interval, estimates
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS

#: Functions whose shares and totals are estimated: all that have so large a share of a ride, up to so many.
_LEAST_SHARE, _MOST_FUNCTIONS = 0.02, 12

# Bounds of the part of a ride's time that it waited for a processor, and how many rides tell of it.
_WAITING = ((0.0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 1.0))
_FEWEST_RIDES = 20

#: Functions of which the dispersion is told: those with a share that is neither small nor nearly all.
_TELLING_SHARES = (0.1, 0.9)

_FLAME_GRAPHS_OF = (1, 10, 30)
_MEASUREMENTS_OF = (10, 30, 150)


@dataclass(frozen=True)
class Coverage:
    """How often intervals of one kind hold the truth.

    Attributes:
        what: which.
        hits: how many do.
        trials: how many there were.
    """

    what: str
    hits: int
    trials: int


def functions_of(rides: Sequence[RecordedRide]) -> list[str]:
    """Return the functions with the largest totals, one of those that always have the same."""
    whole = FlameGraph([stack for ride in rides for stack in ride.stacks.items()])
    alike: dict[int, str] = {}
    for row in sorted(whole.by_function.values(), key=lambda row: (-row.total, row.name)):
        if _LEAST_SHARE <= row.share < 1:
            alike.setdefault(row.total, row.name)
    return list(alike.values())[:_MOST_FUNCTIONS]


def telling_functions(rides: Sequence[RecordedRide]) -> list[str]:
    """Return those of them whose share is neither small nor nearly all, so that its dispersion tells something."""
    low, high = _TELLING_SHARES
    return [name for name in functions_of(rides) if low <= _share(rides, name) <= high]


def coverage_of(recording: Recording, draws: int) -> list[Coverage]:
    """Draw rides of the code as it is and return how often their intervals hold the truth."""
    rides = recording.rides[BASE]
    names = functions_of(rides)
    found = []
    for count in _FLAME_GRAPHS_OF:
        found += _flamegraphs(rides, names, count, draws)
    for count in _MEASUREMENTS_OF:
        found += _measurements(rides, names, count, draws)
    return found


def dispersion_by_waiting(rides: Sequence[RecordedRide], names: Sequence[str]) -> list[str]:
    """Say for rides that waited for a processor for more or less of their time how much their shares are dispersed.

    A thread that waits for a processor with the interpreter's lock in its hands is sampled in the function that it is
    in, again and again. So its samples are not independent of each other, and intervals that take them for it are too
    narrow. The dispersion is 1 where samples are independent.
    """
    found = []
    for least, most in _WAITING:
        some = [ride for ride in rides if ride.samples and least <= 1 - ride.cpu_ns / ride.wall_ns < most]
        if len(some) < _FEWEST_RIDES:
            continue
        held = sum(ride.samples for ride in some) / math.fsum(ride.wall_ns for ride in some)
        counts = [(ride.samples, held * ride.wall_ns) for ride in some]
        whole = math.fsum((count - expected) ** 2 / expected for count, expected in counts) / len(some)
        shares = [_dispersion_of_share(some, name) for name in names]
        found.append(
            f"{len(some)} rides that waited {least:.0%} to {most:.0%} of their time: dispersion of the whole"
            f" {whole:.2f}, of shares {min(shares):.2f} to {max(shares):.2f}"
        )
    return found


def _dispersion_of_share(rides: Sequence[RecordedRide], name: str) -> float:
    share = _share(rides, name)
    terms = []
    for ride in rides:
        cost = ride.measured.functions.get(name)
        part = cost.total_ns / SAMPLE_PERIOD_NS if cost else 0.0
        terms.append((part - share * ride.samples) ** 2 / (ride.samples * share * (1 - share)))
    return math.fsum(terms) / len(terms)


def _flamegraphs(rides: Sequence[RecordedRide], names: Sequence[str], count: int, draws: int) -> list[Coverage]:
    """Return the coverage of a flame graph's intervals: of what its own rides used, by their wall clocks.

    The agent samples whoever holds the interpreter's lock, which a ride does nearly all the time. The part that it does
    is the same for all rides.
    """
    chance = random.Random(f"flame graphs of {count}")  # a draw, no secret
    whole_ns = math.fsum(ride.flamegraph.total for ride in rides)
    held = whole_ns / math.fsum(ride.wall_ns for ride in rides)
    shares = {name: _share(rides, name) for name in names}
    wholes, totals, parts = [], [], []
    for _ in range(draws):
        drawn = chance.choices(rides, k=count)
        graph = FlameGraph([stack for ride in drawn for stack in ride.stacks.items()])
        truth_ns = held * math.fsum(ride.wall_ns for ride in drawn)
        wholes.append(_holds(graph.total_interval(), truth_ns))
        name = chance.choice(names)
        totals.append(_holds(graph.total_interval(name), truth_ns * shares[name]))
        parts.append(_holds(graph.share_interval(name), shares[name]))
    rides_in_words = f"{count} ride{'s' * (count > 1)}"
    return [
        Coverage(f"flame graph of {rides_in_words}, the whole", sum(wholes), draws),
        Coverage(f"flame graph of {rides_in_words}, total of a function", sum(totals), draws),
        Coverage(f"flame graph of {rides_in_words}, share of a function", sum(parts), draws),
    ]


def _measurements(rides: Sequence[RecordedRide], names: Sequence[str], count: int, draws: int) -> list[Coverage]:
    """Return the coverage of a measurement's intervals: of the mean, and of shares, of all rides."""
    chance = random.Random(f"measurements of {count}")  # a draw, no secret
    mean_ns = math.fsum(ride.flamegraph.total for ride in rides) / len(rides)
    shares = {name: _share(rides, name) for name in names}
    wholes, totals, parts = [], [], []
    for _ in range(draws):
        drawn = chance.choices(rides, k=count)
        cpu = [float(ride.flamegraph.total) for ride in drawn]
        wholes.append(_holds(estimates.mean(cpu, SAMPLE_PERIOD_NS).interval, mean_ns))
        name = chance.choice(names)
        own = [
            float(ride.measured.functions[name].total_ns if name in ride.measured.functions else 0) for ride in drawn
        ]
        mean = estimates.mean(own, SAMPLE_PERIOD_NS)
        totals.append(_holds(mean.interval, mean_ns * shares[name]))
        share = estimates.share(own, cpu, SAMPLE_PERIOD_NS)
        parts.append(_holds(share.interval, shares[name]))
    return [
        Coverage(f"measurement of {count} rides, CPU of a ride", sum(wholes), draws),
        Coverage(f"measurement of {count} rides, total of a function", sum(totals), draws),
        Coverage(f"measurement of {count} rides, share of a function", sum(parts), draws),
    ]


def _share(rides: Sequence[RecordedRide], name: str) -> float:
    """Return a function's share of all rides together."""
    total = math.fsum(ride.flamegraph.total for ride in rides)
    return (
        math.fsum(ride.measured.functions[name].total_ns for ride in rides if name in ride.measured.functions) / total
    )


def _holds(interval: Interval | None, truth: float) -> bool:
    return interval is not None and interval.covers(truth)
