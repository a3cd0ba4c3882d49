"""What the doctor says of one hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What a hop is found to be."""

    OK = "ok"
    BROKEN = "broken"
    DOUBTFUL = "doubtful"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One row of the doctor's table.

    Attributes:
        hop: the hop's name.
        verdict: what it is found to be.
        evidence: what was seen, in short sentences.
        seen: the same for programs: counts, IDs, names and label values; all of it can be written as JSON.
        advice: what to do; empty where there is nothing to do.
    """

    hop: str
    verdict: Verdict
    evidence: tuple[str, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return {
            "hop": self.hop,
            "verdict": self.verdict.value,
            "evidence": list(self.evidence),
            "seen": dict(self.seen),
            "advice": self.advice or None,
        }
