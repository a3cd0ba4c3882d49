"""The question of an examination: which service, when, and which of its profiles."""

from __future__ import annotations

from dataclasses import dataclass

from spanprofiles.model import CPU
from spanprofiles.model.selector import service_selector

#: Pyroscope takes profiles up to 10 min ahead of its clock; spans may be as far ahead, s.
AHEAD_S = 600

_MOST_STEPS = 2000

# on either side of the one trace, s: Pyroscope answers no window of more than 24 h
_MOST_BESIDE_S = 10 * 3600


@dataclass(frozen=True)
class Question:
    """What an examination asks; :class:`~spanprofiles.doctor.collectors.case.Case` has the servers that answer.

    Attributes:
        service: the service; empty where none is known yet.
        now_ns: when, ns since the epoch.
        since_s: how far back to look, s.
        trace_id: the only trace to look at, or an empty text.
        profile_type: which profiles.
        upload_interval_s: the agent's upload interval where the user gave it, s.
        around_ns: start and end of that one trace, ns since the epoch.
    """

    service: str
    now_ns: int
    since_s: float = 900.0
    trace_id: str = ""
    profile_type: str = CPU
    upload_interval_s: float | None = None
    around_ns: tuple[int, int] | None = None

    @property
    def window_s(self) -> tuple[float, float]:
        """The time to look at, s since the epoch: up to now, or from before the one trace until after it."""
        if self.around_ns is not None:
            first, last = self.around_ns
            margin_s = min(self.since_s, _MOST_BESIDE_S)
            return first / 1e9 - margin_s, min(last / 1e9 + margin_s, self.now_ns / 1e9 + AHEAD_S)
        return self.now_ns / 1e9 - self.since_s, self.now_ns / 1e9 + AHEAD_S

    @property
    def step_s(self) -> float:
        """The length of a step when that time is divided into steps, s."""
        first, last = self.window_s
        return max(1.0, (last - first) / _MOST_STEPS)

    @property
    def selector(self) -> str:
        """The selector of the service's profiles."""
        return service_selector(self.service)
