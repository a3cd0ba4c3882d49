"""What a judge must say to a typical wrong attempt, as it is written above its patch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MUST_SAY = re.compile(r"^must say: (.+)$", re.MULTILINE)
_HINT = re.compile(r"^hint: ([0-3])$", re.MULTILINE)


@dataclass(frozen=True)
class Expected:
    """What a judgement must be.

    Attributes:
        must_say: fragments of what it says.
        hint: the hint that must fit; None for any.
    """

    must_say: tuple[str, ...]
    hint: int | None = None


def read_attempt(patch: Path) -> Expected:
    """Read what stands above a patch."""
    above = patch.read_text(encoding="utf-8").partition("\n--- ")[0]
    hint = _HINT.search(above)
    return Expected(tuple(_MUST_SAY.findall(above)), int(hint[1]) if hint else None)
