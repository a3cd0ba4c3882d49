"""How a browser reads JSON values: which count as true, and what they are as text."""

from __future__ import annotations

import math
from collections.abc import Mapping


def is_true(value: object) -> bool:
    """Tell whether a value counts as true. Empty lists and mappings do, and so does the text ``false``."""
    if value is None or value is False:
        return False
    if isinstance(value, (int, float)):
        return value != 0 and not math.isnan(value)
    return value != ""


def text(value: object) -> str:
    """Return what a value becomes where a text is wanted."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, list):
        return ",".join("" if item is None else text(item) for item in value)
    return "[object Object]" if isinstance(value, Mapping) else str(value)
