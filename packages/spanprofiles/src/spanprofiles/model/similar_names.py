"""Finds the names that a misspelt one may stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 3
_LONGEST = 200  # characters: nobody writes a longer name, and comparing takes the square of the length
_SEPARATORS = re.compile(r"[^\w$<>]+")


def similar_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the few known names that are most like a name: other case, other qualification, or a misspelling.

    >>> similar_names("find_nearest_vehicel", ["main", "find_nearest_vehicle"])
    ['find_nearest_vehicle']
    >>> similar_names("dispatch_request", ["Flask.dispatch_request", "View.dispatch_request", "main"])
    ['Flask.dispatch_request', 'View.dispatch_request']
    """
    candidates = sorted(candidate for candidate in set(known) if candidate != name and len(candidate) <= _LONGEST)
    if len(name) > _LONGEST:
        return []
    exact = [candidate for candidate in candidates if candidate.casefold() == name.casefold()]
    qualified = [candidate for candidate in candidates if _last_part(candidate) == _last_part(name) != ""]
    close = get_close_matches(name, candidates, _MOST)
    return list(dict.fromkeys([*exact, *qualified, *close]))[:_MOST]


def _last_part(name: str) -> str:
    return next((part for part in reversed(_SEPARATORS.split(name.casefold())) if part), "")
