"""How far a learner is, as a span: the shared servers carry it to the board of whoever gives the workshop.

Each report holds all of a learner's progress, so that the newest is enough and one that was lost does not matter.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from spanprofiles.clients.probe import WORKSHOP_SERVICE
from spanprofiles.clients.sent_span import SentSpan
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.model.printable import printable
from spanprofiles.workshop.exercise import all_exercises
from spanprofiles.workshop.progress import Progress, Record

LONGEST_NAME = 40
"""A learner's longer name is cut, characters."""

LONGEST_SENTENCE = 200
"""What is missing is cut after so many characters."""

MOST_EXERCISES = 100
"""A report with more exercises is no report."""

SEND_TIMEOUT_S = (1.0, 3.0)
"""To connect to the receiver, and to wait for its answer, s: a learner must not wait for the board."""

_NAME = "progress of a learner"
_DURATION_NS = 1_000_000
_SEAT = re.compile(r"[0-9a-f]{12}")
_STATE = re.compile(r"(\d{1,2}):([01]):(\d{1,6}):(\d{1,2}):(\d{1,7})")
_LONGEST_PROGRESS = 30 * MOST_EXERCISES

SEAT, LEARNER, PROGRESS, EXERCISE, MISSING = (
    f"workshop.{name}" for name in ("seat", "learner", "progress", "exercise", "missing")
)
"""The attributes of the span."""


@dataclass(frozen=True)
class ExerciseState:
    """How far a learner is with one exercise.

    Attributes:
        number: the exercise's number.
        passed: whether it is solved.
        checks: how often it was judged.
        hints: how many hints were given.
        open_s: how long it was worked on, s: from the first check or hint until it was solved, or until the report.
    """

    number: int
    passed: bool = False
    checks: int = 0
    hints: int = 0
    open_s: int = 0

    @property
    def is_begun(self) -> bool:
        """Whether the learner has done anything with it."""
        return bool(self.passed or self.checks or self.hints or self.open_s)

    @property
    def is_look(self) -> bool:
        """Whether the learner has looked at it, and tried and asked nothing yet."""
        return self.is_begun and not (self.passed or self.checks or self.hints)

    @property
    def stage(self) -> str:
        """How far the learner is, in a few characters: solved, looked at, or the checks so far."""
        if not self.is_begun:
            return "·"
        return "✓" if self.passed else "◦" if self.is_look else str(self.checks or "")

    @property
    def mark(self) -> str:
        """How far the learner is, and with how many hints."""
        return self.stage + (f"?{self.hints}" if self.hints else "")


@dataclass(frozen=True)
class Report:
    """What a learner reports.

    Attributes:
        seat: tells learners of one name apart, 12 hex digits.
        learner: the learner's name; whatever its sender chose.
        states: of each exercise that was begun, by its number.
        exercise: the number of the exercise that was worked on last; 0 for none.
        missing: what the last judgement said is missing; empty where it said nothing.
        time_ns: when, ns since the epoch, by the learner's clock.
    """

    seat: str
    learner: str
    states: Mapping[int, ExerciseState]
    exercise: int = 0
    missing: str = ""
    time_ns: int = 0

    @classmethod
    def of(cls, progress: Progress, learner: str, exercise: str = "") -> Report:
        """Return the report of a learner's progress.

        Args:
            progress: how far the learner is.
            learner: the learner's name.
            exercise: the name of the exercise that was just worked on.
        """
        now_s = time.time()
        found = {each.number: _state(each.number, progress.of(each.name), now_s) for each in all_exercises()}
        number = next((each.number for each in all_exercises() if each.name == exercise), 0)
        judgement = progress.of(exercise).judgement if exercise else None
        is_told = judgement is not None and judgement.missing and not judgement.is_look
        missing = judgement.missing[0] if judgement is not None and is_told else ""
        states = {state.number: state for state in found.values() if state.is_begun}
        return cls(seat_of(progress.seed), learner, states, number, missing, int(now_s * 1e9))

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of its span."""
        states = (
            f"{state.number}:{state.passed:d}:{state.checks}:{min(state.hints, 99)}:{state.open_s}"
            for state in self.states.values()
        )
        return {
            SEAT: self.seat,
            LEARNER: self.learner[:LONGEST_NAME],
            PROGRESS: ",".join(states),
            EXERCISE: str(self.exercise),
            MISSING: self.missing[:LONGEST_SENTENCE],
        }

    @classmethod
    def read(cls, attributes: Mapping[str, str], time_ns: int) -> Report | None:
        """Return the report that a span's attributes hold; None where they hold none. Anybody may have sent them."""
        seat, progress, exercise = (attributes.get(name, "") for name in (SEAT, PROGRESS, EXERCISE))
        if not _SEAT.fullmatch(seat) or len(progress) > _LONGEST_PROGRESS:
            return None
        matches = [_STATE.fullmatch(part) for part in progress.split(",") if part]
        if len(matches) > MOST_EXERCISES:
            return None
        states = {}
        for match in matches:
            if match is None:
                return None
            number, passed, checks, hints, open_s = map(int, match.groups())
            states[number] = ExerciseState(number, bool(passed), checks, hints, open_s)
        number = int(exercise) if re.fullmatch(r"[0-9]{1,2}", exercise) else 0
        learner = printable(attributes.get(LEARNER, "").strip(), LONGEST_NAME)
        return cls(seat, learner, states, number, printable(attributes.get(MISSING, ""), LONGEST_SENTENCE), time_ns)

    def send(self, endpoints: Endpoints) -> None:
        """Send it to the servers of the class.

        Raises:
            ClientError: they did not take it.
        """
        span = SentSpan(
            WORKSHOP_SERVICE, _NAME, new_trace_id(), new_span_id(), self.time_ns, _DURATION_NS, self.attributes
        )
        span.send(endpoints.otlp_http, endpoints.credentials_for("otlp_http"), SEND_TIMEOUT_S)


def seat_of(seed: int) -> str:
    """Return what tells a learner's folder from all others, 12 hex digits. Nobody can work out the seed by it."""
    return hashlib.sha256(f"{seed}/the seat".encode()).hexdigest()[:12]


def name_among_others(progress: Progress) -> str:
    """Return what goes behind the names of a learner's services; empty where the learner has no name.

    It is unique, though two learners may have one name: no judge takes the samples of one for those of the other.
    """
    return f"{progress.learner}-{seat_of(progress.seed)[:4]}" if progress.learner else ""


def _state(number: int, record: Record, now_s: float) -> ExerciseState:
    until_s = record.passed_s if record.passed_s is not None else now_s
    open_s = max(1, int(until_s - record.begun_s)) if record.begun_s else 0
    return ExerciseState(number, record.passed, record.checks, record.hints, min(open_s, 9_999_999))
