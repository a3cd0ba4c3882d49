"""Reads the values of a JSON answer, and checks their types and bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

#: The most spans that are read of one trace.
MOST_SPANS = 100_000

#: The most frames of all call paths of one flame graph together; a path has those of its callers too.
MOST_FRAMES = 4_000_000

_LARGEST, _LEAST = 2**64 - 1, -(2**63)
_NS_PER_MS = 1_000_000
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SHOWN = 60


def whole(value: Any, least: int = _LEAST, most: int = _LARGEST) -> int:
    """Return an integer, which protobuf's JSON writes as a number or as text.

    Raises:
        TypeError: it is not one.
        ValueError: it is out of bounds.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{_shown(value)} where an integer is expected")
    if not least <= value <= most:
        raise ValueError(f"{_shown(value)} is out of bounds")
    return value


def count(value: Any) -> int:
    """Return an integer from 0.

    Raises:
        TypeError: it is not one.
        ValueError: it is out of bounds.
    """
    return whole(value, 0)


def moment_ms(value: Any) -> int:
    """Return ms since the epoch, or a duration in ms; at most what fits in as many ns of 64 bits.

    Raises:
        TypeError: it is not one.
        ValueError: it is out of bounds.
    """
    return whole(value, 0, _LARGEST // _NS_PER_MS)


def number(value: Any) -> float:
    """Return a finite number, which protobuf's JSON may write as text.

    Raises:
        TypeError, ValueError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{_shown(value)} where a number is expected")
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{_shown(value)} is not a number")
    return found


def text(value: Any) -> str:
    """Return a text that can be written: halves of surrogate pairs are replaced.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(value, str):
        raise TypeError(f"{_shown(value)} where a text is expected")
    return value if value.isascii() else _SURROGATE.sub(_REPLACEMENT, value)


def items(value: Any) -> list[Any]:
    """Return a list; one that is left out or null is empty.

    Raises:
        TypeError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{_shown(value)} where a list is expected")
    return value


def fields(value: Any) -> Mapping[str, Any]:
    """Return an object; one that is left out or null is empty.

    Raises:
        TypeError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{_shown(value)} where an object is expected")
    return value


def labels(value: Any) -> dict[str, str]:
    """Return the labels of a list of ``name`` and ``value``.

    Raises:
        TypeError: it is not such a list.
    """
    return {text(fields(pair).get("name", "")): text(pair.get("value", "")) for pair in items(value)}


def at(texts: list[Any], index: Any) -> str:
    """Return the text at an index of a table.

    Raises:
        TypeError, ValueError: there is no such text.
    """
    place = count(index)
    if place >= len(texts):
        raise ValueError(f"there is no text {place}: there are {len(texts)}")
    return text(texts[place])


class FrameBudget:
    """Counts the frames of call paths."""

    def __init__(self) -> None:
        self._left = MOST_FRAMES

    def spend(self, frames: int) -> None:
        """Count more frames.

        Raises:
            ValueError: there are too many.
        """
        self._left -= frames
        if self._left < 0:
            raise ValueError(f"its call paths have more than {MOST_FRAMES} frames")


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
