"""Work that is counted, in functions whose names say in samples for whom it was done."""

from __future__ import annotations

from collections.abc import Callable

ROUNDS_A_UNIT = 40_000
"""A unit is one to four milliseconds of pure Python, depending on the machine."""


def _count(units: int) -> int:
    total = 0
    for number in range(units * ROUNDS_A_UNIT):
        total += number & 7
    return total


def work_of_red(units: int) -> int:
    return _count(units)


def work_of_blue(units: int) -> int:
    return _count(units)


def work_of_green(units: int) -> int:
    return _count(units)


def work_of_nobody(units: int) -> int:
    return _count(units)


def work_of_gold(units: int) -> int:
    return _count(units)


def work_of_white(units: int) -> int:
    return _count(units)


WORK: dict[str, Callable[[int], int]] = {
    "red": work_of_red,
    "blue": work_of_blue,
    "green": work_of_green,
    "gold": work_of_gold,
    "white": work_of_white,
    "nobody": work_of_nobody,
}
