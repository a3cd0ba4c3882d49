"""What is known of the values of one series at one step: how many there are, their sum, extremes or average."""

from __future__ import annotations

import math
from typing import Protocol, TypeVar


class Accumulator(Protocol):
    """Takes values one by one; a span that has none gives NaN.

    Attributes:
        result: what the values give; NaN where there are none.
    """

    result: float

    def add(self, value: float) -> None:
        """Take one more value."""

    def join(self, other: Accumulator) -> None:
        """Take the values of another, which is of the same kind."""


AnyAccumulator = TypeVar("AnyAccumulator", bound=Accumulator)


class Count:
    """How many there are, with a value or without."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result = 0.0

    def add(self, _: float) -> None:
        """Count one more."""
        self.result += 1

    def join(self, other: Accumulator) -> None:
        """Add what another counted."""
        self.result += other.result


class Least:
    """The least of them."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result = math.nan

    def add(self, value: float) -> None:
        """Take one more value."""
        if math.isnan(self.result) or value < self.result:
            self.result = value

    def join(self, other: Accumulator) -> None:
        """Take the least value of another."""
        self.add(other.result)


class Greatest:
    """The greatest of them."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        self.result = math.nan

    def add(self, value: float) -> None:
        """Take one more value."""
        if math.isnan(self.result) or value > self.result:
            self.result = value

    def join(self, other: Accumulator) -> None:
        """Take the greatest value of another."""
        self.add(other.result)


class Sum:
    """Their sum, as the real server has it: what a span without a value does to it depends on the order of the spans.

    Such a span takes the sum away, once there is one; and from then on every second value does so, too.
    """

    __slots__ = ("_is_broken", "_rest", "result")

    def __init__(self) -> None:
        self.result = math.nan
        self._rest = 0.0
        self._is_broken = False

    def add(self, value: float) -> None:
        """Take one more value."""
        if math.isnan(self.result):
            self.result = value
        elif self._is_broken or math.isnan(value):
            self._is_broken = True
            self.result = math.nan
        else:
            self._add(value - self._rest)

    def _add(self, value: float) -> None:
        """Add, and remember what the sum is too large to hold (Kahan's sum, as Neumaier improved it)."""
        total = self.result + value
        large, small = (self.result, value) if abs(self.result) >= abs(value) else (value, self.result)
        self._rest = (large - total) + small if math.isfinite(total) else 0.0
        self.result = total

    def join(self, other: Accumulator) -> None:
        """Add the sum of another, if there is one."""
        if math.isnan(self.result):
            self.result = other.result
        elif not math.isnan(other.result):
            self.result += other.result


class Average:
    """Their average; a span without a value must not be added."""

    __slots__ = ("_weight", "result")

    def __init__(self) -> None:
        self.result = math.nan
        self._weight = 0.0

    def add(self, value: float) -> None:
        """Take one more value."""
        if math.isnan(self.result):
            self.result, self._weight = value, 1.0
            return
        self._weight += 1
        self.result += (value - self.result) / self._weight

    def join(self, other: Accumulator) -> None:
        """Take the values of another."""
        weight = other._weight if isinstance(other, Average) else 0.0
        if not weight or math.isnan(other.result):
            return
        if math.isnan(self.result):
            self.result, self._weight = other.result, weight
            return
        self._weight += weight
        self.result += (other.result - self.result) * weight / self._weight
