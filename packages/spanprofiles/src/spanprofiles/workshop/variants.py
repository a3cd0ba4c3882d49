"""Runs a learner's tests against several variants of one program, to see what the tests notice.

A test is worth what it tells apart. So the judge of tests runs them against programs that are in order, on which they
must pass, and against *mutants*, programs with one thing wrong, on which one of them must fail. All variants are
programs that really run, side by side; the tests are the learner's files, in a copy of the folder, with
:mod:`.variants_plugin` in place of ``conftest.py``. :mod:`.variants_runner` runs them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from urllib.parse import quote

from spanprofiles.linking import Waiting
from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.kept import Kept, Runner
from spanprofiles.workshop.program import AttemptError, LearnersProgram
from spanprofiles.workshop.variant_verdict import ShareClaim, Variant, Verdict, confirmed, merged
from spanprofiles.workshop.variants_runner import Job, end_path, finished_path, job_path
from spanprofiles.workshop.workbench import Workbench

LONGEST_RUN_S = 300.0
"""How long the tests may take against all variants, s."""

QUIET_S = 2.0
"""How long a variant is left alone between two runs of tests, s: its last work is in another upload by then."""

_ENTRY = "spanprofiles.workshop.variants_plugin"
_HARNESS = "spanprofiles.pytest_plugin"
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # importing all that are installed can take seconds
_QUICK_TRACEBACKS = "--tb=native"  # nobody reads them, and the source lines of others take long to find
_NOT_COPIED = shutil.ignore_patterns("conftest.py", "__pycache__", ".*")
_RUNNER = "the runner of the tests"


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
    with contextlib.ExitStack() as stack:
        kept = bench.kept if bench.kept is not None else stack.enter_context(Kept())
        return _Tests(bench, kept, fixture, service, witness, function).run(variants)


@dataclass(frozen=True)
class _Run:
    """A run of the tests against a variant: its program, and the file where its results will be."""

    variant: Variant
    program: LearnersProgram
    results: Path


class _Jobs:
    """The jobs that a runner is given in one judgement.

    Args:
        runner: the runner of tests.
        scratch: a folder for the tests and their results.
    """

    def __init__(self, runner: Runner, scratch: Path) -> None:
        self.tests = scratch / "tests"
        self.last = -1
        self._runner = runner
        self._scratch = scratch
        self._numbers = count()
        self._given: dict[int, int] = {}

    def next_results(self) -> Path:
        """Return where the results of another run will be."""
        return self._scratch / f"results-{next(self._numbers)}.json"

    def give(self, settings: Sequence[str]) -> None:
        """Give the runner another job: a run for each of these settings."""
        plugins = ["-p", "no:cacheprovider", "-p", _HARNESS, "-p", _ENTRY, "-W", "ignore:Module already imported"]
        arguments = ("-q", _QUICK_TRACEBACKS, *plugins, "--rootdir", str(self.tests), str(self.tests))
        self.last = self._runner.next_job()
        self._given[self.last] = len(settings)
        Job(str(self.tests), arguments, tuple(settings)).write(job_path(self._runner.folder, self.last))

    def finished(self, job: int, run: int) -> Path:
        """Return the file that tells how a run has ended."""
        return finished_path(self._runner.folder, job, run)

    def end(self) -> None:
        """End what still runs."""
        for job in self._given:
            end_path(self._runner.folder, job).touch()
        for job, runs in self._given.items():
            self._runner.await_end(job, runs)


class _Tests:
    """A learner's tests, and what runs them.

    Args:
        bench: the learner's folder and the backend.
        kept: the programs that stay.
        fixture: see :func:`verdicts`.
        service: likewise.
        witness: likewise.
        function: likewise.
    """

    def __init__(
        self, bench: Workbench, kept: Kept, fixture: str, service: str, witness: str, function: str = ""
    ) -> None:
        self._bench = bench
        self._kept = kept
        self._fixture = fixture
        self._service = service
        self._witness = witness
        self._function = function

    def run(self, variants: Sequence[Variant]) -> list[Verdict]:
        """Run the tests against all variants at once, and return the verdicts up to a wrong one.

        Raises:
            AttemptError: they cannot be run.
            WorkshopError: there is no room for what that needs, or a file of the learner's cannot be read.
        """
        try:
            return self._run(variants)
        except OSError as error:
            raise WorkshopError(f"your tests cannot be run: {error.strerror or error}") from error

    def _run(self, variants: Sequence[Variant]) -> list[Verdict]:
        programs = [self._program(variant, number) for number, variant in enumerate(variants)]
        runner = self._kept.runner(self._start_runner)
        self._kept.await_quiet(QUIET_S)
        with tempfile.TemporaryDirectory(prefix="workshop-") as scratch:
            jobs = _Jobs(runner, Path(scratch))
            shutil.copytree(self._bench.folder, jobs.tests, ignore=_NOT_COPIED)
            runs: list[_Run] = []
            for variant, program in zip(variants, programs, strict=True):
                runs += [_Run(variant, program, jobs.next_results()) for _ in range(variant.runs)]
            jobs.give([self._settings(run) for run in runs])
            try:
                return list(self._verdicts(runs, jobs))
            finally:
                jobs.end()
                self._kept.note_use()

    def _verdicts(self, runs: Sequence[_Run], jobs: _Jobs) -> Iterator[Verdict]:
        """Yield the verdicts in order, as the runs end, up to one that is wrong."""
        deadline_s = time.monotonic() + LONGEST_RUN_S
        job = jobs.last
        for variant, of_variant in groupby(enumerate(runs), key=lambda entry: entry[1].variant):
            found = [self._awaited(run, jobs.finished(job, number), deadline_s) for number, run in of_variant]
            verdict = merged(found)
            if verdict.may_be_chance and variant.confirmations:
                self._bench.tell(f"{variant.name}: {_in_words(verdict)}; running them once more")
                program = next(run.program for run in runs if run.variant is variant)
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
            run = _Run(variant, program, jobs.next_results())
            jobs.give([self._settings(run, was_used=True)])
            yield self._awaited(run, jobs.finished(jobs.last, 0), deadline_s)

    def _awaited(self, run: _Run, finished: Path, deadline_s: float) -> Verdict:
        self._await_end(finished, deadline_s)
        return self._read(run)

    def _read(self, run: _Run) -> Verdict:
        """Return the verdict of a run that has ended.

        Raises:
            AttemptError: no test asked for the program.
        """
        missing = f"a test_*.py with a test that takes the fixture {self._fixture!r}"
        if not run.results.is_file():
            raise AttemptError(Judgement.fails("pytest found no test", missing, 1))
        result = json.loads(run.results.read_text(encoding="utf-8"))
        if result["unimportable"]:
            raise AttemptError(Judgement.fails(result["unimportable"], "test files that can be imported", 1))
        if not result["of_program"]:
            tests = result["tests"]
            seen = f"pytest found tests ({tests}), and none asks for the program" if tests else "pytest found no test"
            raise AttemptError(Judgement.fails(seen, missing, 1))
        return Verdict(
            run.variant,
            result["failed"],
            tuple(result["passed"]),
            result["requests"],
            result["traces"],
            result["share"],
            tuple(ShareClaim(*claim) for claim in result["claims"]),
            result["unknown"],
        )

    def _await_end(self, finished: Path, deadline_s: float) -> None:
        """Wait until a run has ended.

        Raises:
            AttemptError: it has not ended in time, or what runs the tests has.
        """
        Waiting(max(0.0, deadline_s - time.monotonic())).until(lambda: finished.is_file() or not self._kept.is_running)
        if finished.is_file():
            return
        if self._kept.is_running:
            seen = f"your tests were still running after {LONGEST_RUN_S:g} s"
            raise AttemptError(Judgement.fails(seen, "tests that end", 1))
        stopped = ["what runs your tests was stopped", *self._kept.last_lines]
        raise AttemptError(Judgement.fails(stopped, "tests that run to their end"))

    def _program(self, variant: Variant, number: int) -> LearnersProgram:
        """Start a variant, unless it runs already."""
        service = f"{self._service}-{number + 1}" if number else self._service

        def start() -> LearnersProgram:
            return self._bench.program(("{python}", str(variant.program)), service, variant.environment).start(None)

        return self._kept.program(f"{self._service}/{variant.name}", start)

    def _start_runner(self, folder: Path) -> LearnersProgram:
        command = ("{python}", "-m", "spanprofiles.workshop.variants_runner", str(folder))
        environment = {**settings_of_backend(self._bench), **_NO_OTHER_PLUGINS}
        return self._bench.program(command, self._service, environment, name=_RUNNER).start(None)

    def _settings(self, run: _Run, *, was_used: bool = False) -> str:
        program = run.program
        settings = {
            "name": run.variant.name,
            "fixture": self._fixture,
            "port": program.port,
            "started_ns": program.started_ns,
            "ready_ns": program.started_ns if was_used or self._kept.was_used else 0,
            "witness": self._witness,
            "function": self._function,
            "results": str(run.results),
        }
        return json.dumps(settings)


def _in_words(verdict: Verdict) -> str:
    if verdict.failed:
        return f"{', '.join(verdict.failed)} failed"
    return f"{', '.join(verdict.passed) or 'no test'} passed"


def settings_of_backend(bench: Workbench) -> dict[str, str]:
    """Return the variables by which a test run finds the backend."""
    endpoints, credentials = bench.endpoints, bench.endpoints.credentials_for("pyroscope")
    tls = credentials.verify_tls
    settings = {
        "BACKEND": "external",
        "TEMPO_URL": endpoints.tempo,
        "PYROSCOPE_URL": endpoints.pyroscope,
        "OTLP_URL": endpoints.otlp_http,
        "USERNAME": credentials.username,
        "PASSWORD": credentials.password,
        "TOKEN": credentials.bearer_token,
        "TENANT": credentials.tenant,
        "HEADERS": ",".join(f"{quote(name)}={quote(value)}" for name, value in credentials.headers.items()),
        "CA_FILE": tls if isinstance(tls, str) else "",
        "QUERYABLE_AFTER": f"{endpoints.queryable_after_s:g}",
        "SEARCHABLE_AFTER": f"{endpoints.searchable_after_s:g}",
    }
    return {f"SPAN_PROFILES_{name}": value for name, value in settings.items() if value}
