"""Stacks split at one function: who called it, and what it called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

AnyFrame = TypeVar("AnyFrame")


def callees(
    stacks: Iterable[tuple[Sequence[AnyFrame], int]], is_function: Callable[[AnyFrame], bool]
) -> Iterator[tuple[tuple[AnyFrame, ...], int]]:
    """Yield of each stack with the function what is below it, outermost first; nothing where it ran itself.

    Args:
        stacks: call path, outermost function first, and value.
        is_function: tells the function; where it calls itself its outermost occurrence counts.
    """
    for path, value, place in _through(stacks, is_function):
        yield tuple(path[place + 1 :]), value


def callers(
    stacks: Iterable[tuple[Sequence[AnyFrame], int]], is_function: Callable[[AnyFrame], bool]
) -> Iterator[tuple[tuple[AnyFrame, ...], int]]:
    """Yield of each stack with the function what is above it, its direct caller first; arguments as above."""
    for path, value, place in _through(stacks, is_function):
        yield tuple(reversed(path[:place])), value


def _through(
    stacks: Iterable[tuple[Sequence[AnyFrame], int]], is_function: Callable[[AnyFrame], bool]
) -> Iterator[tuple[Sequence[AnyFrame], int, int]]:
    for path, value in stacks:
        place = next((index for index, frame in enumerate(path) if is_function(frame)), None)
        if place is not None:
            yield path, value, place
