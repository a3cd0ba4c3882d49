"""The exchanges in which the pair is known to differ, read from the page that says so and why."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "embedded-differences.md"
MOST = 5
ROW = re.compile(r"^\| `(?P<title>[^`]+)` \| (?P<reason>[^|\n]+) \|$", re.MULTILINE)


def known_differences() -> dict[str, str]:
    """The reason for each known difference, by the title of the exchange."""
    return {row["title"]: row["reason"] for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
