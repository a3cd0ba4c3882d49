"""Reads a growth that people write, such as the smallest one that is a regression: ``10%`` or ``0.1``."""

from __future__ import annotations

import re

#: The largest growth that anybody can ask for, as a part of what it was.
LARGEST_GROWTH = 10.0

GROWTH_EXPECTED = f"10% or 0.1, above 0 and up to {LARGEST_GROWTH * 100:.0f}%,"

_GROWTH = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,6})?) ?(?P<sign>%?)", re.ASCII)


def growth_of(text: str) -> float | None:
    """Return a growth as a part of what it was; None where the text is none.

    A number without a sign is a part, below 1: ``10``, by which most mean 10 %, is not taken for a thousand per cent.
    """
    match = _GROWTH.fullmatch(text.strip())
    if match is None:
        return None
    growth = float(match["number"]) / (100 if match["sign"] else 1)
    is_in_range = 0 < growth <= LARGEST_GROWTH and (bool(match["sign"]) or growth < 1)
    return growth if is_in_range else None
