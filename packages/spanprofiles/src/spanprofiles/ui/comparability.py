"""What each side of a comparison has, in words, and whether the two can be compared at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_ROUTES = 4


@dataclass(frozen=True)
class SideCounts:
    """How many requests one side has, and of what kind.

    Attributes:
        routes: how many requests carry a profile ID and are old enough to be judged, by route.
        awaited: requests whose samples may still be on their way.
        bare: requests without any profile ID; counted only where there is none with one.
        more: whether there are more requests than were counted.
        unpassed_s: how much of the side's time is still to come, s.
        sampled: whether any of the compared requests leads to samples.
    """

    routes: Mapping[str, int] = field(default_factory=dict)
    awaited: int = 0
    bare: int = 0
    more: bool = False
    unpassed_s: float = 0.0
    sampled: bool = False

    @property
    def total(self) -> int:
        """Requests that carry a profile ID and can be judged."""
        return sum(self.routes.values())

    def summary(self, noun: str) -> str:
        """Say how many requests there are, and of which routes."""
        said = []
        if self.total:
            count = f"{'more than ' if self.more else ''}{_counted(self.total, noun)}"
            said.append(f"{count} with a profile ID: {_listed(self.routes)}.")
        elif self.awaited:
            said.append(f"{_counted(self.awaited, noun)}, so young that samples may still be on their way.")
        elif self.bare:
            said.append(f"{_counted(self.bare, noun)}, none with a profile ID.")
        else:
            said.append(f"No {noun}.")
        if self.total and self.awaited:
            said.append(f"{_counted(self.awaited, 'younger one')} left out: samples may still be on their way.")
        if self.unpassed_s >= 1:
            said.append(f"{math.ceil(self.unpassed_s)} s of this time have yet to pass.")
        return " ".join(said)


def obstacle(first: SideCounts, second: SideCounts, names: tuple[str, str], noun: str) -> str:
    """Say why two sides cannot be compared; empty where they can.

    Args:
        first: the first side.
        second: the other side.
        names: what to call them, such as ``before 12:00:00``.
        noun: what a request is called.
    """
    missing = [_missing(side, name, noun) for side, name in zip((first, second), names, strict=True) if not side.total]
    if missing:
        return f"They cannot be compared: {' and '.join(missing)}."
    if not first.routes.keys() & second.routes.keys():
        first_names, second_names = (_names(list(counts.routes)) for counts in (first, second))
        return f"They cannot be compared: {first_names} is only {names[0]}, {second_names} only {names[1]}."
    dead = [name for side, name in zip((first, second), names, strict=True) if not side.sampled]
    if len(dead) == 2:
        return f"They cannot be compared: no {noun} of either side leads to samples."
    if dead:
        return f"They cannot be compared: no {noun} {dead[0]} leads to samples, so nothing is known of its CPU."
    return ""


def _missing(counts: SideCounts, name: str, noun: str) -> str:
    if counts.awaited:
        return f"the samples {name} may still be on their way"
    return f"no {noun} {name} carries a profile ID" if counts.bare else f"there is no {noun} {name}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _listed(routes: Mapping[str, int]) -> str:
    most = sorted(routes, key=lambda route: (-routes[route], route))
    shown = [f"{routes[route]} of {route}" for route in most[:_ROUTES]]
    rest = sum(routes[route] for route in most[_ROUTES:])
    return ", ".join([*shown, f"{rest} of others"] if rest else shown)


def _names(routes: Sequence[str]) -> str:
    names = sorted(routes)
    return ", ".join(names[:_ROUTES]) + (" and others" if len(names) > _ROUTES else "")
