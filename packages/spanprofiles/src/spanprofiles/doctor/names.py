"""Names that are probably the same name: other dots and underscores, prefixes, spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_ALIKE = 0.75
_TELLING = 3


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names that most resemble a name, the nearest first; none where nothing resembles it."""
    rated = sorted(((_likeness(name, other), other) for other in known if other != name), key=lambda pair: -pair[0])
    return [other for likeness, other in rated if likeness >= _ALIKE][:count]


def same_but_for_punctuation(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that differ from a name only in case, dots, dashes and underscores."""
    return [other for other in known if other != name and _plain(other) == _plain(name)]


def _likeness(name: str, other: str) -> float:
    plain, others_plain = _plain(name), _plain(other)
    if plain == others_plain:
        return 1.0
    if min(len(plain), len(others_plain)) >= _TELLING and (plain in others_plain or others_plain in plain):
        return max(_ALIKE, SequenceMatcher(None, plain, others_plain).ratio())
    return SequenceMatcher(None, plain, others_plain).ratio()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
