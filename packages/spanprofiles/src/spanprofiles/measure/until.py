"""When a measurement is precise enough, and how many requests that may take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from spanprofiles.model import Measurement, Precision
from spanprofiles.model.similar_names import similar_names

# Estimates of how many requests are missing are often a little low, and another round costs an upload interval.
_SPARE = 1.15


@dataclass(frozen=True)
class Until:
    """A precision to reach: the half width of a 95 % interval. Make one by :meth:`cpu` and the like.

    Attributes:
        asked: what is asked, in words.
        target: the half width; a part of the value, or a difference of shares.
        half_width: gives the half width that a measurement has reached; None where it is unknown.
        requests: how many requests are asked for, where it is a number of requests.
        unit: of the half width in words.
        function: the function that the precision is of; None for the whole request.
    """

    asked: str
    target: float
    half_width: Callable[[Measurement], float | None]
    requests: int | None = None
    unit: str = "%"
    function: str | None = None

    @classmethod
    def cpu(cls, *, within: float) -> Until:
        """Ask for the request's mean CPU to within a part of it: ``within=0.1`` is 10 % either way."""
        _check(within)
        return cls(f"the request's CPU to within {within * 100:g} %", within, lambda m: m.cpu.relative_half_width)

    @classmethod
    def total(cls, function: str, *, within: float) -> Until:
        """Ask for the mean CPU of a function, and of what it called, to within a part of it."""
        _check(within)
        return cls(
            f"the CPU of {function} to within {within * 100:g} %",
            within,
            lambda measurement: measurement.total(function).relative_half_width,
            function=function,
        )

    @classmethod
    def share(cls, function: str, *, within: float) -> Until:
        """Ask for a function's share of the CPU to within a difference: ``within=0.05`` is 5 points either way."""
        _check(within)
        return cls(
            f"the share of {function} to within {within * 100:g} points",
            within,
            lambda measurement: measurement.share(function).half_width,
            unit="points",
            function=function,
        )

    @classmethod
    def sent(cls, requests: int) -> Until:
        """Ask for a number of requests, however precise that is."""
        if requests < 1:
            raise ValueError(f"{requests} requests measure nothing: ask for 1 or more")
        return cls(f"{requests} requests", 0.0, lambda _: None, requests)

    def precision(self, measurement: Measurement) -> Precision:
        """Tell whether a measurement is precise enough, and how many requests that takes."""
        count = len(measurement.requests)
        if self.requests is not None:
            return Precision(self.asked, self.target, None, count >= self.requests, self.requests)
        unseen = "" if self.function is None else _unseen(self.function, measurement)
        if unseen:
            return Precision(f"{self.asked}: {unseen}", self.target, None, is_reached=False, unit=self.unit)
        half = self.half_width(measurement)
        if half is None or not math.isfinite(half):
            return Precision(self.asked, self.target, None, is_reached=False, unit=self.unit)
        reached = half <= self.target
        needed = count if reached else max(count + 1, math.ceil(count * (half / self.target) ** 2 * _SPARE))
        return Precision(self.asked, self.target, half, reached, needed, self.unit)


def _unseen(function: str, measurement: Measurement) -> str:
    """Say that no sample has a function: its name may be misspelt, and a share of 0 would soon be known well."""
    if function in measurement.functions or not measurement.functions:
        return ""
    similar = similar_names(function, measurement.functions)
    return f"no sample has {function!r}" + (f" (nearest: {', '.join(similar)})" if similar else "")


def _check(within: float) -> None:
    if not 0 < within < 1:  # false for what is not a number, too
        raise ValueError(f"within={within} is not a precision: give a part between 0 and 1, such as 0.1 for 10 %")
