"""What the doctor says about one hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """The state of a hop."""

    OK = "ok"
    BROKEN = "broken"
    DOUBTFUL = "doubtful"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One row of the doctor's table.

    Attributes:
        hop: the hop's name.
        verdict: its state.
        evidence: what the doctor saw, in short sentences.
        seen: the same for programs: counts, IDs, names and label values, all of which JSON can hold.
        advice: what to do, or empty.
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
