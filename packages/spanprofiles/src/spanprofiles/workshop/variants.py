"""Runs a learner's tests against several variants of one program, to see what the tests notice.

A test is worth what it tells apart. So the judge of tests runs them against programs that are in order, on which they
must pass, and against *mutants*, programs with one thing wrong, on which one of them must fail. All variants are
programs that really run, side by side; the tests are the learner's files, in a copy of the folder, with
:mod:`.variants_plugin` in place of ``conftest.py``. :mod:`.pytest_runner` runs them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby
from pathlib import Path

from spanprofiles.workshop.independence import share_nothing
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError, LearnersProgram
from spanprofiles.workshop.pytest_runner import Run
from spanprofiles.workshop.runner import IGNORED_WARNINGS, LONGEST_RUN_S, GivenJob, Runner, room_for_tests, start_runner
from spanprofiles.workshop.variant_verdict import (
    SETTINGS_VARIABLE,
    ShareClaim,
    Variant,
    Verdict,
    confirmed,
    joined,
    merged,
)
from spanprofiles.workshop.workbench import Workbench

QUIET_S = 2.0
"""How long a variant is left alone between two runs of tests, s: its last work is in another upload by then."""

_ENTRY = "spanprofiles.workshop.variants_plugin"
_HARNESS = "spanprofiles.pytest_plugin"
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # importing all that are installed can take seconds
_QUICK_TRACEBACKS = "--tb=native"  # nobody reads them, and the source lines of others take long to find
_NOT_COPIED = shutil.ignore_patterns("conftest.py", "__pycache__", ".*")


def verdicts(
    bench: Workbench, fixture: str, variants: Sequence[Variant], *, service: str, witness: str, function: str = ""
) -> list[Verdict]:
    """Run the learner's tests against all variants, and return the verdicts, up to the first that is wrong.

    Args:
        bench: the learner's folder and the backend.
        fixture: the fixture by which tests get the program.
        variants: what to run; the learner is told about the first one that the tests are wrong about.
        service: ``OTEL_SERVICE_NAME`` of the first; the others get names of their own, since all run at once.
        witness: a path for which each of them computes a while, whatever is wrong with it; see
            :class:`.variants_plugin.WaitingForWitness`.
        function: the function whose share is noted; see :attr:`Verdict.share`.

    Raises:
        AttemptError: the tests cannot be run, or never ask the program; the judgement says which.
        WorkshopError: there is no room for what that needs, or a file of the learner's cannot be read.
    """
    bench.tell(f"running your tests against {len(variants)} variants of the program")
    with room_for_tests():
        return _Tests(bench, fixture, service, witness, function).run(variants)


@dataclass(frozen=True)
class _Part:
    """A part of the tests in a run against a variant, or all of them.

    Attributes:
        variant: which.
        run: the run's number.
        program: the program, or a copy of it.
        results: the file where the results will be.
        number: the part's, from 0.
        parts: how many the run has.
    """

    variant: Variant
    run: int
    program: LearnersProgram
    results: Path
    number: int = 0
    parts: int = 1


class _Jobs:
    """The jobs that a runner is given in one judgement.

    Args:
        runner: the runner of tests.
        scratch: a folder for the tests and their results.
    """

    def __init__(self, runner: Runner, scratch: Path) -> None:
        self.tests = scratch / "tests"
        self._runner = runner
        self._scratch = scratch
        self._numbers = count()
        self._given: list[GivenJob] = []

    def next_results(self) -> Path:
        """Return where the results of another run will be."""
        return self._scratch / f"results-{next(self._numbers)}.json"

    def give(self, settings: Sequence[str]) -> GivenJob:
        """Give the runner another job: a run for each of these settings."""
        plugins = ["-p", "no:cacheprovider", "-p", _HARNESS, "-p", _ENTRY, *IGNORED_WARNINGS]
        arguments = ("-q", _QUICK_TRACEBACKS, *plugins, "--rootdir", str(self.tests), str(self.tests))
        runs = [Run(arguments, {SETTINGS_VARIABLE: text}) for text in settings]
        self._given.append(self._runner.give(self.tests, runs))
        return self._given[-1]

    def end(self) -> None:
        """End what still runs."""
        for job in self._given:
            job.end()


class _Tests:
    """A learner's tests, and what runs them.

    Args:
        bench: the learner's folder and the backend.
        fixture: see :func:`verdicts`.
        service: likewise.
        witness: likewise.
        function: likewise.
    """

    def __init__(self, bench: Workbench, fixture: str, service: str, witness: str, function: str = "") -> None:
        self._bench = bench
        self._kept = bench.keeper
        self._fixture = fixture
        self._service = service
        self._witness = witness
        self._function = function

    def run(self, variants: Sequence[Variant]) -> list[Verdict]:
        """Run the tests against all variants at once, and return the verdicts up to a wrong one.

        Raises:
            AttemptError: they cannot be run.
            OSError: there is no room for what that needs, or a file of the learner's cannot be read.
        """
        divided = share_nothing(self._bench.folder)
        programs = [self._programs(variant, number, divided=divided) for number, variant in enumerate(variants)]
        runner = self._kept.runner(self._start_runner)
        self._kept.await_quiet(QUIET_S)
        with tempfile.TemporaryDirectory(prefix="workshop-") as scratch:
            jobs = _Jobs(runner, Path(scratch))
            shutil.copytree(self._bench.folder, jobs.tests, ignore=_NOT_COPIED)
            parts = [
                _Part(variant, run, program, jobs.next_results(), number, len(copies))
                for variant, copies in zip(variants, programs, strict=True)
                for run in range(variant.runs)
                for number, program in enumerate(copies)
            ]
            job = jobs.give([self._settings(part) for part in parts])
            try:
                return list(self._verdicts(parts, job, jobs))
            finally:
                jobs.end()
                self._kept.note_use()

    def _verdicts(self, parts: Sequence[_Part], job: GivenJob, jobs: _Jobs) -> Iterator[Verdict]:
        """Yield the verdicts in order, as the runs of a job end, up to one that is wrong."""
        deadline_s = time.monotonic() + LONGEST_RUN_S
        for variant, of_variant in groupby(enumerate(parts), key=lambda entry: entry[1].variant):
            found = [
                joined(self._awaited(part, job, number, deadline_s) for number, part in of_run)
                for _, of_run in groupby(of_variant, key=lambda entry: entry[1].run)
            ]
            verdict = merged(found)
            if verdict.may_be_chance and variant.confirmations:
                self._bench.tell(f"{variant.name}: {_in_words(verdict)}; running them once more")
                program = next(part.program for part in parts if part.variant is variant)
                verdict = confirmed(found, self._once_more(variant, program, jobs, deadline_s))
            self._bench.tell(f"{variant.name}: {_in_words(verdict)}")
            yield verdict
            if not verdict.is_right:
                return

    def _once_more(
        self, variant: Variant, program: LearnersProgram, jobs: _Jobs, deadline_s: float
    ) -> Iterator[Verdict]:
        """Run the tests against a variant alone, again and again."""
        for _ in range(variant.confirmations):
            time.sleep(QUIET_S)
            part = _Part(variant, 0, program, jobs.next_results())
            job = jobs.give([self._settings(part, was_used=True)])
            yield self._awaited(part, job, 0, deadline_s)

    def _awaited(self, part: _Part, job: GivenJob, number: int, deadline_s: float) -> Verdict:
        """Return the verdict of a part, of this number in a job, as soon as it has ended.

        Raises:
            AttemptError: it has not ended in time, what runs the tests has, or no test asked for the program.
        """
        if job.await_exit_code(number, max(0.0, deadline_s - time.monotonic())) is None:
            raise job.unfinished()
        return self._read(part)

    def _read(self, part: _Part) -> Verdict:
        """Return the verdict of a part that has ended.

        Raises:
            AttemptError: no test asked for the program.
        """
        missing = f"a test_*.py with a test that takes the fixture {self._fixture!r}"
        if not part.results.is_file():
            raise AttemptError(Judgement.fails("pytest found no test", missing, 1))
        result = json.loads(part.results.read_text(encoding="utf-8"))
        if result["unimportable"]:
            raise AttemptError(Judgement.fails(result["unimportable"], "test files that can be imported", 1))
        if not result["of_program"]:
            tests = result["tests"]
            seen = f"pytest found tests ({tests}), and none asks for the program" if tests else "pytest found no test"
            raise AttemptError(Judgement.fails(seen, missing, 1))
        return Verdict(
            part.variant,
            result["failed"],
            tuple(result["passed"]),
            result["requests"],
            result["traces"],
            result["share"],
            tuple(ShareClaim(*claim) for claim in result["claims"]),
            result["unknown"],
        )

    def _programs(self, variant: Variant, number: int, *, divided: bool) -> list[LearnersProgram]:
        """Start a variant, and its copies where the tests are divided, unless they run already."""
        name = f"{self._service}-{number + 1}" if number else self._service

        def start(service: str) -> LearnersProgram:
            return self._bench.program(("{python}", str(variant.program)), service, variant.environment).start(None)

        services = [f"{name}-copy-{copy}" if copy else name for copy in range(variant.copies if divided else 1)]
        return [self._kept.program(f"{variant.name}/{service}", partial(start, service)) for service in services]

    def _start_runner(self, folder: Path) -> LearnersProgram:
        return start_runner(self._bench, folder, self._service, _NO_OTHER_PLUGINS)

    def _settings(self, part: _Part, *, was_used: bool = False) -> str:
        program = part.program
        settings = {
            "name": part.variant.name,
            "part": [part.number, part.parts],
            "fixture": self._fixture,
            "port": program.port,
            "started_ns": program.started_ns,
            "ready_ns": program.started_ns if was_used or self._kept.was_used else 0,
            "witness": self._witness,
            "function": self._function,
            "results": str(part.results),
        }
        return json.dumps(settings)


def _in_words(verdict: Verdict) -> str:
    if verdict.failed:
        return f"{', '.join(verdict.failed)} failed"
    return f"{', '.join(verdict.passed) or 'no test'} passed"
