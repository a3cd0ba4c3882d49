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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from spanprofiles.linking import Waiting
from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.kept import Kept
from spanprofiles.workshop.program import AttemptError, LearnersProgram
from spanprofiles.workshop.variants_runner import Job, end_path, finished_path, job_path, output_path
from spanprofiles.workshop.workbench import Workbench

LONGEST_RUN_S = 300.0
"""How long the tests may take against all variants, s."""

QUIET_S = 2.0
"""How long a variant is left alone between two runs of tests, s: its last work is in another upload by then."""

_ENTRY = "spanprofiles.workshop.variants_plugin"
_HARNESS = "spanprofiles.pytest_plugin"
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # importing all that are installed can take seconds
_SHOWN_LINES = 12
_NOT_COPIED = shutil.ignore_patterns("conftest.py", "__pycache__", ".*")
_RUNNER = "the runner of the tests"


@dataclass(frozen=True)
class Variant:
    """One variant of the program under test.

    Attributes:
        name: what to call it; unique.
        program: its file.
        is_healthy: whether all tests must pass on it; on any other, one test must fail.
        environment: variables that are added to the program's.
        fewest_requests: how often the tests must ask for each of these paths.
        runs: how often the tests run against it, at once: they must be right each time, and not by chance.
    """

    name: str
    program: Path
    is_healthy: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    fewest_requests: Mapping[str, int] = field(default_factory=dict)
    runs: int = 1


@dataclass(frozen=True)
class Verdict:
    """What the tests said of one variant.

    Attributes:
        variant: which.
        failed: the tests that failed, by name, and the first line of why.
        passed: the tests that passed.
        requests: how often the tests asked for each path.
        traces: the last trace that each test asked about, by the test's name.
        is_by_chance: whether the tests were wrong about it in this run, and right in another.
    """

    variant: Variant
    failed: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    traces: Mapping[str, str] = field(default_factory=dict)
    is_by_chance: bool = False

    @property
    def is_right(self) -> bool:
        """Whether the tests tell what the variant is."""
        if not self.variant.is_healthy:
            return bool(self.failed)
        return bool(self.passed) and not self.failed and not self.too_few_requests

    @property
    def too_few_requests(self) -> dict[str, int]:
        """How often the tests asked for the paths for which they must ask more often."""
        asked = {path: self.requests.get(path, 0) for path in self.variant.fewest_requests}
        return {path: count for path, count in asked.items() if count < self.variant.fewest_requests[path]}

    @property
    def trace_id(self) -> str:
        """The trace to show of it: that of a test that failed, or of any; empty where no test asked about one."""
        of_failed = (self.traces[test] for test in self.failed if test in self.traces)
        return next(of_failed, next(iter(self.traces.values()), ""))


def verdicts(
    bench: Workbench, fixture: str, variants: Sequence[Variant], *, service: str, witness: str
) -> list[Verdict]:
    """Run the learner's tests against all variants, and return the verdicts, up to the first that is wrong.

    Args:
        bench: the learner's folder and the backend.
        fixture: the fixture by which tests get the program.
        variants: what to run; the learner is told about the first one that the tests are wrong about.
        service: ``OTEL_SERVICE_NAME`` of the first; the others get names of their own, since all run at once.
        witness: a path for which each of them computes a while, whatever is wrong with it; see
            :class:`.variants_plugin.WaitingForWitness`.

    Raises:
        AttemptError: the tests cannot be run, or never ask the program; the judgement says which.
        WorkshopError: there is no room for what that needs, or a file of the learner's cannot be read.
    """
    bench.tell(f"running your tests against {len(variants)} variants of the program")
    with contextlib.ExitStack() as stack:
        kept = bench.kept if bench.kept is not None else stack.enter_context(Kept())
        return _Tests(bench, kept, fixture, service, witness).run(variants)


def merged(runs: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a variant of all runs together: that of one that is wrong, where any is."""
    wrong = next((verdict for verdict in runs if not verdict.is_right), None)
    if wrong is None:
        return runs[0]
    return replace(wrong, is_by_chance=any(verdict.is_right for verdict in runs))


class _Tests:
    """A learner's tests, and what runs them.

    Args:
        bench: the learner's folder and the backend.
        kept: the programs that stay.
        fixture: see :func:`verdicts`.
        service: likewise.
        witness: likewise.
    """

    def __init__(self, bench: Workbench, kept: Kept, fixture: str, service: str, witness: str) -> None:
        self._bench = bench
        self._kept = kept
        self._fixture = fixture
        self._service = service
        self._witness = witness

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
            folder = Path(scratch) / "tests"
            shutil.copytree(self._bench.folder, folder, ignore=_NOT_COPIED)
            runs: list[tuple[Variant, Path]] = []
            settings: list[str] = []
            for variant, program in zip(variants, programs, strict=True):
                for _ in range(variant.runs):
                    results = Path(scratch) / f"results-{len(runs)}.json"
                    runs.append((variant, results))
                    settings.append(self._settings(variant, program, results))
            plugins = ["-p", "no:cacheprovider", "-p", _HARNESS, "-p", _ENTRY, "-W", "ignore:Module already imported"]
            arguments = ("-q", *plugins, "--rootdir", str(folder), str(folder))
            number = runner.next_job()
            Job(str(folder), arguments, tuple(settings)).write(job_path(runner.folder, number))
            try:
                return list(self._verdicts(runs, runner.folder, number))
            finally:
                end_path(runner.folder, number).touch()
                runner.await_end(number, len(settings))
                self._kept.note_use()

    def _verdicts(self, runs: Sequence[tuple[Variant, Path]], folder: Path, number: int) -> Iterator[Verdict]:
        """Yield the verdicts in order, as the runs end, up to one that is wrong."""
        deadline_s = time.monotonic() + LONGEST_RUN_S
        numbered = enumerate(runs)
        for variant, of_variant in groupby(numbered, key=lambda entry: entry[1][0]):
            found = []
            for run, (_, path) in of_variant:
                output = output_path(folder, number, run)
                self._await_end(finished_path(folder, number, run), deadline_s, output)
                found.append(self._read(variant, path, output))
            verdict = merged(found)
            self._bench.tell(f"{variant.name}: {_in_words(verdict)}")
            yield verdict
            if not verdict.is_right:
                return

    def _read(self, variant: Variant, path: Path, output: Path) -> Verdict:
        """Return the verdict of a run that has ended.

        Raises:
            AttemptError: no test asked for the program.
        """
        if not path.is_file():
            seen = ["pytest found no test that asks for the program", *_last_lines(output)]
            missing = f"a test_*.py with a test that takes the fixture {self._fixture!r}"
            raise AttemptError(Judgement.fails(seen, missing, 1))
        result = json.loads(path.read_text(encoding="utf-8"))
        return Verdict(variant, result["failed"], tuple(result["passed"]), result["requests"], result["traces"])

    def _await_end(self, finished: Path, deadline_s: float, output: Path) -> None:
        """Wait until a run has ended.

        Raises:
            AttemptError: it has not ended in time, or what runs the tests has.
        """
        Waiting(max(0.0, deadline_s - time.monotonic())).until(lambda: finished.is_file() or not self._kept.is_running)
        if finished.is_file():
            return
        if self._kept.is_running:
            seen = [f"your tests were still running after {LONGEST_RUN_S:g} s", *_last_lines(output)]
            raise AttemptError(Judgement.fails(seen, "tests that end", 1))
        seen = ["what runs your tests was stopped", *self._kept.last_lines]
        raise AttemptError(Judgement.fails(seen, "tests that run to their end"))

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

    def _settings(self, variant: Variant, program: LearnersProgram, results: Path) -> str:
        settings = {
            "name": variant.name,
            "fixture": self._fixture,
            "port": program.port,
            "started_ns": program.started_ns,
            "ready_ns": program.started_ns if self._kept.was_used else 0,
            "witness": self._witness,
            "results": str(results),
        }
        return json.dumps(settings)


def _in_words(verdict: Verdict) -> str:
    if verdict.failed:
        return f"{', '.join(verdict.failed)} failed"
    return f"{', '.join(verdict.passed) or 'no test'} passed"


def _last_lines(output: Path) -> list[str]:
    try:
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return [f"  | {line}" for line in lines[-_SHOWN_LINES:]]


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
