"""Work for so many milliseconds of CPU, in functions whose names say in samples for whom it was done."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 5_000
"""Between two looks at the clock: a fraction of a millisecond."""


def _count(milliseconds: int) -> int:
    # By the thread's own clock: the number of samples must not depend on how fast the machine is.
    total, end = 0, time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        for number in range(ROUNDS):
            total += number & 7
    return total


def work_of_red(milliseconds: int) -> int:
    return _count(milliseconds)


def work_of_blue(milliseconds: int) -> int:
    return _count(milliseconds)


def work_of_green(milliseconds: int) -> int:
    return _count(milliseconds)


def work_of_nobody(milliseconds: int) -> int:
    return _count(milliseconds)


def work_of_gold(milliseconds: int) -> int:
    return _count(milliseconds)


def work_of_white(milliseconds: int) -> int:
    return _count(milliseconds)


WORK: dict[str, Callable[[int], int]] = {
    "red": work_of_red,
    "blue": work_of_blue,
    "green": work_of_green,
    "gold": work_of_gold,
    "white": work_of_white,
    "nobody": work_of_nobody,
}
