"""How often the judges of the workshop are right, and how long they take.

Each exercise is judged as it is given, with each of its solutions, and after each of its typical wrong attempts, in
turn, and for a new learner each round. A judgement is right if it says what the exercise's folder says it must:
untouched files fail with the first hint, a solution passes, and a wrong attempt fails with the words above its patch.
The load average tells how busy the machine is; start this command several times to make it busy.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from bench.command import LARGEST_SAMPLE, BenchError, backend_named, option_parser, run, tell
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Judgement, NotHereError, Workbench, all_exercises
from spanprofiles.workshop.attempt import read_attempt
from spanprofiles.workshop.check import judged
from spanprofiles.workshop.exercise import exercise_of

_FIRST_SEED = 20_077


@dataclass(frozen=True)
class Case:
    """What is judged.

    Attributes:
        name: what to call it.
        patch: what is done to the files as they are given; None for nothing.
        passes: whether the judge must say that the exercise is solved.
        must_say: fragments of what the judge must say.
        hint: the hint that must fit; None for any.
    """

    name: str
    patch: Path | None
    passes: bool
    must_say: tuple[str, ...] = ()
    hint: int | None = None

    def problem_with(self, judgement: Judgement) -> str:
        """Say in one line what is wrong with a judgement; empty if nothing is."""
        if judgement.passed != self.passes:
            said = "solved" if judgement.passed else "not solved"
            return f"{said}: {_on_one_line(judgement)}"
        lacking = [fragment for fragment in self.must_say if fragment not in judgement.text]
        if lacking:
            return f"does not say {lacking[0]!r}: {_on_one_line(judgement)}"
        if self.hint not in {None, judgement.hint}:
            return f"hint {judgement.hint} instead of {self.hint}: {_on_one_line(judgement)}"
        return ""


@dataclass(frozen=True)
class Result:
    """How a judgement came out.

    Attributes:
        case: what was judged.
        problem: what is wrong with it; empty if it is right.
        seconds: how long it took, s.
    """

    case: Case
    problem: str
    seconds: float


def cases_of(exercise: Exercise) -> list[Case]:
    """Return all that an exercise's folder says of its judge."""
    attempts = ((patch, read_attempt(patch)) for patch in exercise.attempts)
    return [
        Case("untouched", None, passes=False, hint=1),
        *(Case(f"solution {patch.stem}", patch, passes=True) for patch in exercise.solutions),
        *(
            Case(f"attempt {patch.stem}", patch, passes=False, must_say=expected.must_say, hint=expected.hint)
            for patch, expected in attempts
        ),
    ]


def judge_case(exercise: Exercise, case: Case, endpoints: Endpoints, seed: int) -> Result:
    """Judge a learner's folder in which a case was written.

    Args:
        exercise: what is judged.
        case: what the learner has done.
        endpoints: the backend.
        seed: the learner's.

    Raises:
        NotHereError: the exercise cannot be done on this machine.
        ClientError: a server failed.
    """
    with tempfile.TemporaryDirectory(prefix="workshop-bench-") as scratch:
        folder = Path(scratch) / exercise.name
        bench = Workbench(exercise, folder, endpoints, seed)
        files = dict(exercise.given)
        if case.patch is not None:
            files |= exercise.attempted(case.patch, exercise.drawn(bench))
        folder.mkdir()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        begun_s = time.monotonic()
        judgement = judged(bench)
        return Result(case, case.problem_with(judgement), time.monotonic() - begun_s)


def in_turn(cases: Sequence[Case], judgements: int) -> Iterator[tuple[int, Case]]:
    """Yield so many cases, one after the other and again from the first; each with the number of its round."""
    endless = ((number, case) for number in count() for case in cases)
    return islice(endless, judgements)


def measure_exercise(exercise: Exercise, judgements: int, endpoints: Endpoints) -> list[Result]:
    """Judge one exercise so many times, and print what came of it."""
    results, loads = [], [os.getloadavg()[0]]
    for number, case in in_turn(cases_of(exercise), judgements):
        result = judge_case(exercise, case, endpoints, _FIRST_SEED + number)
        if result.problem:
            tell(f"  exercise {exercise.number}, {case.name}: WRONG: {result.problem}")
        results.append(result)
        loads.append(os.getloadavg()[0])
    right, seconds = sum(not result.problem for result in results), [result.seconds for result in results]
    tell(
        f"exercise {exercise.number}: {right} of {len(results)} right; a judgement takes"
        f" {statistics.median(seconds):.1f} s (median; worst {max(seconds):.1f} s);"
        f" load {min(loads):.0f} to {max(loads):.0f} on {os.cpu_count()} cores"
    )
    return results


def measure(exercises: Sequence[Exercise], judgements: int, backend: str) -> None:
    """Judge, count, print.

    Raises:
        BenchError: a judge was wrong, or an exercise is not here.
    """
    wrong = 0
    with ExitStack() as stack:
        endpoints = stack.enter_context(backend_named(backend))
        for exercise in exercises:
            try:
                wrong += sum(bool(result.problem) for result in measure_exercise(exercise, judgements, endpoints))
            except NotHereError as error:
                tell(str(error))
    if wrong:
        raise BenchError(f"{wrong} judgements were wrong")


def _on_one_line(judgement: Judgement) -> str:
    return " / ".join(judgement.text.splitlines())


def main() -> None:
    parser = option_parser(__doc__, requests_default=50)
    parser.add_argument("--exercises", metavar="N,N", default="", help="their numbers; default: all")
    given = parser.parse_args()
    if not 1 <= given.requests <= LARGEST_SAMPLE:
        parser.error(f"--requests must be from 1 to {LARGEST_SAMPLE}")
    numbers = [int(number) for number in given.exercises.split(",") if number]
    chosen = [exercise_of(number) for number in numbers] or list(all_exercises())
    run(lambda: measure(chosen, given.requests, given.backend))


if __name__ == "__main__":
    main()
