"""The board of a class: how far each learner is, and where somebody is stuck, read from the shared Tempo."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanprofiles.clients import FoundTrace, TempoClient
from spanprofiles.clients.probe import WORKSHOP_SERVICE
from spanprofiles.workshop.exercise import all_exercises
from spanprofiles.workshop.progress_report import (
    EXERCISE,
    LEARNER,
    MISSING,
    PROGRESS,
    SEAT,
    ExerciseState,
    Report,
)

MOST_LEARNERS = 300
"""How many learners a board shows; more are counted."""

STUCK_CHECKS, STUCK_HINTS, STUCK_S = 5, 3, 15 * 60
"""Somebody is stuck with an exercise that is not solved after so many checks, so many hints, or so many seconds."""

GONE_S = 3600
"""Who has not been heard of for so long is not stuck but gone, s."""

_QUERY = (
    f'{{ resource.service.name = "{WORKSHOP_SERVICE}" }} | select('
    + ", ".join(f"span.{name}" for name in (SEAT, LEARNER, PROGRESS, EXERCISE, MISSING))
    + ")"
)
_MOST_TRACES = 500  # of one search; a window with more is halved
_AHEAD_S = 600  # a learner's clock may be ahead
_AGAIN_S = 1800  # or behind: so much of what was read before is read again
_FRESH_S = 2.0


@dataclass(frozen=True)
class Row:
    """One learner on the board.

    Attributes:
        name: what to call the learner; unique on the board.
        states: of each exercise, in their order.
        current: the state of the exercise that was worked on last; None for none.
        missing: what the last judgement said is missing.
        age_s: how long ago the last sign of the learner was, s.
    """

    name: str
    states: tuple[ExerciseState, ...]
    current: ExerciseState | None
    missing: str
    age_s: float

    @property
    def solved(self) -> int:
        """How many exercises are solved."""
        return sum(state.passed for state in self.states)

    def is_stuck(self, state: ExerciseState) -> bool:
        """Tell whether the learner is stuck with an exercise: the one that was worked on last, and is not solved."""
        if state.passed or not state.is_begun or state != self.current or self.age_s > GONE_S:
            return False
        is_long = state.open_s + self.age_s >= STUCK_S
        return state.checks >= STUCK_CHECKS or state.hints >= STUCK_HINTS or is_long

    @property
    def now(self) -> str:
        """What the learner does, in words."""
        if self.current is None:
            return "has begun"
        if self.current.passed:
            return f"solved {self.current.number}"
        if self.stuck:
            return f"stuck at {self.current.number}"
        return f"looks at {self.current.number}" if self.current.is_look else f"at {self.current.number}"

    @property
    def stuck(self) -> ExerciseState | None:
        """The exercise with which the learner is stuck; None for none."""
        return self.current if self.current is not None and self.is_stuck(self.current) else None


class Board:
    """Reads the reports of learners, and remembers the newest of each. All threads of a page may use it.

    Args:
        tempos: where the reports are: one Tempo, or one client for each tenant.
        since_s: older reports are left out, s since the epoch.

    Attributes:
        left_out: how many learners there are beyond those that are shown.
    """

    def __init__(self, tempos: Sequence[TempoClient], since_s: float) -> None:
        self._tempos = tuple(tempos)
        self._since_s = since_s
        self._read_until_s = since_s
        self._latest: dict[tuple[int, str], Report] = {}
        self._unseen: set[tuple[int, str]] = set()
        self._rows: tuple[float, list[Row]] = (0.0, [])
        self._lock = threading.Lock()

    @property
    def left_out(self) -> int:
        """How many learners there are beyond those that are shown, as far as they were counted."""
        return len(self._unseen)

    def rows(self) -> list[Row]:
        """Return the learners: those who are stuck first, then by name.

        Raises:
            ClientError: Tempo did not answer, or refused the question.
        """
        with self._lock:
            read_s, rows = self._rows
            if not read_s or time.monotonic() - read_s > _FRESH_S:
                self._read()
                rows = _rows(list(self._latest.values()), time.time())
                self._rows = time.monotonic(), rows
            return rows

    def _read(self) -> None:
        now_s = time.time()
        start_s = max(self._since_s, self._read_until_s - _AGAIN_S)
        for place, tempo in enumerate(self._tempos):
            for trace in _search(tempo, int(start_s), int(now_s) + _AHEAD_S):
                for span in trace.spans:
                    report = Report.read(span.attributes, span.start_ns)
                    if report is not None:
                        self._note((place, report.seat), report)
        self._read_until_s = now_s

    def _note(self, seat: tuple[int, str], report: Report) -> None:
        known = self._latest.get(seat)
        if known is None and len(self._latest) >= MOST_LEARNERS:
            if len(self._unseen) < MOST_LEARNERS:
                self._unseen.add(seat)
        elif known is None or known.time_ns <= report.time_ns:
            self._latest[seat] = report


def _search(tempo: TempoClient, start_s: int, end_s: int) -> Iterator[FoundTrace]:
    """Yield all traces with reports of a window, however many there are."""
    found = tempo.search(_QUERY, start_s=start_s, end_s=end_s, limit=_MOST_TRACES, spans=1)
    if len(found) < _MOST_TRACES or end_s - start_s <= 1:
        yield from found
        return
    middle_s = (start_s + end_s) // 2
    yield from _search(tempo, start_s, middle_s)
    yield from _search(tempo, middle_s, end_s)


def _rows(reports: Sequence[Report], now_s: float) -> list[Row]:
    names = Counter(report.learner for report in reports)
    rows = [_row(report, names[report.learner] > 1, now_s) for report in reports]
    return sorted(rows, key=lambda row: (row.stuck is None, row.name.casefold()))


def _row(report: Report, is_shared: bool, now_s: float) -> Row:
    name = report.learner or "without a name"
    if is_shared or not report.learner:
        name = f"{name} ({report.seat[:4]})"
    states = tuple(report.states.get(each.number, ExerciseState(each.number)) for each in all_exercises())
    current = next((state for state in states if state.number == report.exercise), None)
    return Row(name, states, current, report.missing, max(0.0, now_s - report.time_ns / 1e9))
