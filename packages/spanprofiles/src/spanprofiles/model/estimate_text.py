"""Writes figures with how well they are known, and without digits that are not: ``550 ms (55 samples, 420 to 720 ms)``.

A figure is rounded by the width of its 95 % interval: to two digits of half that width where it begins with 1, 2 or 3
(up to 3.5), else to one. That is the rule of the Particle Data Group, up to a factor of ten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from spanprofiles.model import sampling
from spanprofiles.model.amounts import percent
from spanprofiles.model.intervals import Interval, count_interval, share_interval
from spanprofiles.model.profile_types import ProfileType
from spanprofiles.model.selector import CPU

_TWO_DIGITS_BELOW = 3.55
_WHOLE_PERCENTS_FROM = 0.5  # of percent; nobody rounds percents to tens
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))


def step(half_width: float) -> float:
    """Return the place of the last digit worth writing, a power of ten, for a figure known to so much.

    Args:
        half_width: half the width of its interval; above 0.
    """
    magnitude = math.floor(math.log10(half_width))
    leading = half_width / 10.0**magnitude
    return float(10.0 ** (magnitude - 1 if leading < _TWO_DIGITS_BELOW else magnitude))


class Sampled(Protocol):
    """What is made of samples: a flame graph, or the layout of one."""

    @property
    def profile_type(self) -> str:
        """What its values are."""

    @property
    def sample_value(self) -> float | None:
        """The value of one sample; None if the samples cannot be counted."""

    @property
    def total(self) -> int:
        """The value of all samples."""


@dataclass(frozen=True)
class SampledCpu:
    """An amount of CPU whose flame graph is not at hand: the usual samples are assumed, where it is a number of them.

    Attributes:
        total: ns.
    """

    total: int
    profile_type: str = CPU

    @property
    def sample_value(self) -> float | None:
        """The value of one sample; None if the amount is not made of usual ones."""
        return float(sampling.SAMPLE_PERIOD_NS) if self.total % sampling.SAMPLE_PERIOD_NS == 0 else None


def cpu(cpu_ns: int) -> str:
    """Write an amount of CPU, ns, with its samples and its interval."""
    return amount(SampledCpu(cpu_ns))


def cpu_figure(cpu_ns: int) -> str:
    """Write an amount of CPU, ns, by itself, without digits that are not known."""
    return figure(SampledCpu(cpu_ns), cpu_ns)


def time(value_ns: float, interval: Interval | None) -> str:
    """Write a time, ns, with its interval: ``550 ms (420 to 720 ms)``."""
    return _time(value_ns, interval, "")


def amount(sampled: Sampled, value: int | None = None) -> str:
    """Write a value, or the total, with its samples and its interval: ``550 ms (55 samples, 420 to 720 ms)``.

    Where the samples cannot be counted, it is the value alone.
    """
    value = sampled.total if value is None else value
    known = ProfileType.of(sampled.profile_type)
    if not sampled.sample_value:
        return known.as_text(value)
    interval = _interval(value, sampled.sample_value)
    count = round(value / sampled.sample_value)
    if known.unit != "nanoseconds":
        _, low, high = _digits(value, interval, 1.0)
        return f"{samples(count)} ({low} to {high})"
    return _time(value, interval, f"{samples(count)}, ")


def figure(sampled: Sampled, value: int) -> str:
    """Write a value by itself, without digits that are not known: ``550 ms``."""
    known = ProfileType.of(sampled.profile_type)
    if not sampled.sample_value or known.unit != "nanoseconds" or not value:
        return known.as_text(value)
    return _time(value, _interval(value, sampled.sample_value), "").partition(" (")[0]


def reach(sampled: Sampled, value: int) -> str:
    """Write the 95 % interval of a value by itself: ``420 to 720 ms``; empty where there is none."""
    return amount(sampled, value).partition("(")[2].rpartition(", ")[2].rstrip(")")


def of_what(sampled: Sampled) -> str:
    """Write the total with what it is of: ``550 ms of CPU (55 samples, 420 to 720 ms)``."""
    known = ProfileType.of(sampled.profile_type)
    if not sampled.total or not sampled.sample_value or not known.is_time:
        return known.amount(sampled.total)
    written, bracket, rest = amount(sampled).partition(" (")
    return f"{written} of {known.kind.value}{bracket}{rest}"


def share_of(sampled: Sampled, value: int) -> str:
    """Write a value as a share of the whole, with its interval: ``69 % (56 to 80 %)``."""
    part = value / sampled.total if sampled.total else 0.0
    if not sampled.sample_value:
        return share(part, None)
    events = value / sampled.sample_value, sampled.total / sampled.sample_value
    return share(part, share_interval(*events, sampling.DISPERSION))


def share(value: float, interval: Interval | None) -> str:
    """Write a share with its interval: ``45 % (26 to 66 %)``."""
    if interval is None:
        return percent(value)
    figure, low, high = _digits(value * 100, interval.times(100), 1.0, is_percent=True)
    return f"{figure} % ({low} to {high} %)"


def samples(count: int) -> str:
    """Write a number of samples: ``1 sample``, ``1,200 samples``."""
    return f"{count:,} sample{'s' * (count != 1)}"


def change(value_ns: float, interval: Interval) -> str:
    """Write a change of a time, ns, with its interval: ``+120 ms (+40 to +200 ms)``."""
    size, name = next((unit for unit in _UNITS if max(abs(interval.low), abs(interval.high)) >= unit[0]), _UNITS[-1])
    figure, low, high = _digits(value_ns, interval, size, sign="+")
    return f"{figure} {name} ({low} to {high} {name})"


def _interval(value: int, sample_value: float) -> Interval:
    return count_interval(value / sample_value, sampling.DISPERSION).times(sample_value)


def _time(value_ns: float, interval: Interval | None, before: str) -> str:
    most = value_ns if interval is None else interval.high
    size, name = next((unit for unit in _UNITS if max(value_ns, most / 3) >= unit[0]), _UNITS[-1])
    if interval is None:
        return f"{value_ns / size:.3g} {name}"
    figure, low, high = _digits(value_ns, interval, size)
    return f"{figure} {name} ({before}{low} to {high} {name})"


def _digits(
    value: float, interval: Interval, unit: float, *, is_percent: bool = False, sign: str = ""
) -> tuple[str, str, str]:
    """Return figure and ends of the interval in a unit, all to the last digit that the interval allows."""
    half = (interval.high - interval.low) / 2 / unit
    place = 1.0 if half <= 0 or (is_percent and half >= _WHOLE_PERCENTS_FROM) else step(half)
    decimals = max(0, -math.floor(math.log10(place)))
    numbers = (round(each / unit / place) * place + 0.0 for each in (value, *interval))  # + 0.0: no -0
    figure, low, high = (f"{number:{sign},.{decimals}f}" for number in numbers)
    return figure, low, high
