"""Writes figures with how well they are known, and without digits that are not: ``550 ms (55 samples, 420 to 720 ms)``.

A figure is rounded by the width of its 95 % interval: to two digits of half that width where it begins with 1, 2 or 3
(up to 3.5), else to one. That is the rule of the Particle Data Group, up to a factor of ten.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spanprofiles.model.profile_types import ProfileType

if TYPE_CHECKING:
    from spanprofiles.model.flamegraph import FlameGraph
    from spanprofiles.model.intervals import Interval

_TWO_DIGITS_BELOW = 3.55
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))


def step(half_width: float) -> float:
    """Return the place of the last digit worth writing, a power of ten, for a figure known to so much.

    Args:
        half_width: half the width of its interval; above 0.
    """
    magnitude = math.floor(math.log10(half_width))
    leading = half_width / 10.0**magnitude
    return float(10.0 ** (magnitude - 1 if leading < _TWO_DIGITS_BELOW else magnitude))


def time(value_ns: float, interval: Interval | None) -> str:
    """Write a time, ns, with its interval: ``550 ms (420 to 720 ms)``."""
    return _time(value_ns, interval, "")


def amount(flamegraph: FlameGraph, value: int | None = None) -> str:
    """Write a value of a flame graph, or its total, with the samples: ``550 ms (55 samples, 420 to 720 ms)``.

    Where the samples cannot be counted, it is the value alone.
    """
    value = flamegraph.total if value is None else value
    interval = flamegraph.interval_of(value)
    if interval is None or not flamegraph.sample_value:
        return flamegraph.as_text(value)
    count = round(value / flamegraph.sample_value)
    if ProfileType.of(flamegraph.profile_type).unit != "nanoseconds":
        digits = _digits(value, interval, 1.0)
        return f"{samples(count)} ({' to '.join(digits[1:])})"
    return _time(value, interval, f"{samples(count)}, ")


def of_what(flamegraph: FlameGraph) -> str:
    """Write the total with what it is of: ``550 ms of CPU (55 samples, 420 to 720 ms)``."""
    known = ProfileType.of(flamegraph.profile_type)
    if flamegraph.is_empty or flamegraph.sample_value is None or not known.is_time:
        return flamegraph.amount
    figure, bracket, rest = amount(flamegraph).partition(" (")
    return f"{figure} of {known.kind.value}{bracket}{rest}"


def share(value: float, interval: Interval | None) -> str:
    """Write a share with its interval: ``45 % (26 to 66 %)``."""
    if interval is None:
        return f"{value * 100:.0f} %"
    figure, low, high = _digits(value * 100, interval.times(100), 1.0, coarsest=1.0)
    return f"{figure} % ({low} to {high} %)"


def samples(count: int) -> str:
    """Write a number of samples: ``1 sample``, ``1,200 samples``."""
    return f"{count:,} sample{'s' * (count != 1)}"


def change(value_ns: float, interval: Interval) -> str:
    """Write a change of a time, ns, with its interval: ``+120 ms (+40 to +200 ms)``."""
    size, name = next((unit for unit in _UNITS if max(abs(interval.low), abs(interval.high)) >= unit[0]), _UNITS[-1])
    figure, low, high = _digits(value_ns, interval, size, sign="+")
    return f"{figure} {name} ({low} to {high} {name})"


def _time(value_ns: float, interval: Interval | None, before: str) -> str:
    most = value_ns if interval is None else interval.high
    size, name = next((unit for unit in _UNITS if max(value_ns, most / 3) >= unit[0]), _UNITS[-1])
    if interval is None:
        return f"{value_ns / size:.3g} {name}"
    figure, low, high = _digits(value_ns, interval, size)
    return f"{figure} {name} ({before}{low} to {high} {name})"


def _digits(
    value: float, interval: Interval, unit: float, *, coarsest: float = math.inf, sign: str = ""
) -> tuple[str, str, str]:
    """Return figure and ends of the interval in a unit, all to the last digit that the interval allows."""
    half = (interval.high - interval.low) / 2 / unit
    place = min(step(half), coarsest) if half > 0 else min(1.0, coarsest)
    decimals = max(0, -math.floor(math.log10(place)))
    numbers = (round(each / unit / place) * place + 0.0 for each in (value, *interval))  # + 0.0: no -0
    figure, low, high = (f"{number:{sign},.{decimals}f}" for number in numbers)
    return figure, low, high
