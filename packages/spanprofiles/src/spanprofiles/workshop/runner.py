"""The program that runs a learner's tests, as a judge sees it: it is given jobs, and says how each run has ended.

:mod:`.pytest_runner` is that program.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from spanprofiles.linking import Waiting
from spanprofiles.workshop.errors import WorkshopError
from spanprofiles.workshop.judgement import Judgement
from spanprofiles.workshop.program import AttemptError, LearnersProgram
from spanprofiles.workshop.pytest_runner import Job, Run, end_path, finished_path, job_path, output_path

if TYPE_CHECKING:
    from spanprofiles.workshop.workbench import Workbench

LONGEST_RUN_S = 300.0
"""How long the tests may take against all variants, s."""

IGNORED_WARNINGS = ("-W", "ignore:Module already imported")
"""For pytest: the runner has imported the harness before."""

_END_S = 5.0
_SHOWN_LINES = 12


@dataclass(frozen=True)
class GivenJob:
    """A job that a runner of tests was given; see :mod:`.pytest_runner`.

    Attributes:
        runner: which.
        number: the job's.
        runs: how many it has.
    """

    runner: Runner
    number: int
    runs: int

    def await_exit_code(self, run: int, timeout_s: float) -> int | None:
        """Wait until a run has ended, and return its exit code; None if it has not in time, or its runner has ended."""
        finished = finished_path(self.runner.folder, self.number, run)
        Waiting(timeout_s).until(lambda: finished.is_file() or not self.runner.is_running)
        if not finished.is_file():
            return None
        code: int = json.loads(finished.read_text(encoding="utf-8"))["exit_code"]
        return code

    def output(self, run: int) -> list[str]:
        """Return the lines that a run has printed."""
        path = output_path(self.runner.folder, self.number, run)
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []

    def unfinished(self) -> AttemptError:
        """Return the end of a judgement for a run that has not ended in time, or whose runner was stopped."""
        if self.runner.is_running:
            seen = f"your tests were still running after {LONGEST_RUN_S:g} s"
            return AttemptError(Judgement.fails(seen, "tests that end", 1))
        last_lines = [f"  | {line}" for line in self.runner.program.output[-_SHOWN_LINES:]]
        return AttemptError(
            Judgement.fails(["what runs your tests was stopped", *last_lines], "tests that run to their end")
        )

    def end(self) -> None:
        """End what still runs, and wait until it has ended."""
        if not self.runner.is_running:
            return
        end_path(self.runner.folder, self.number).touch()
        deadline_s = time.monotonic() + _END_S
        for run in range(self.runs):
            self.await_exit_code(run, max(0.0, deadline_s - time.monotonic()))


@dataclass
class Runner:
    """The program that runs tests.

    Attributes:
        program: its process.
        folder: where it finds its jobs.
        jobs: how many it was given.
    """

    program: LearnersProgram
    folder: Path
    jobs: int = 0

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.program.is_running

    def give(self, folder: Path, runs: Sequence[Run]) -> GivenJob:
        """Give it another job; it begins when those before it have ended.

        Args:
            folder: where pytest runs.
            runs: the runs, side by side.

        Raises:
            OSError: the job cannot be written.
        """
        job = GivenJob(self, self.jobs, len(runs))
        self.jobs += 1
        Job(str(folder), tuple(runs)).write(job_path(self.folder, job.number))
        return job


@contextmanager
def room_for_tests() -> Iterator[None]:
    """Say what is wrong where there is no room for what tests need, or a file of the learner's cannot be read.

    Raises:
        WorkshopError: that is so.
    """
    try:
        yield
    except OSError as error:
        raise WorkshopError(f"your tests cannot be run: {error.strerror or error}") from error


def start_runner(
    bench: Workbench, folder: Path, service: str, environment: Mapping[str, str] | None = None
) -> LearnersProgram:
    """Start a runner of tests, which the caller has to stop; see :mod:`.pytest_runner`.

    Args:
        bench: the learner's folder and the backend.
        folder: where it finds its jobs.
        service: ``OTEL_SERVICE_NAME``.
        environment: variables that are added.
    """
    command = ("{python}", "-m", "spanprofiles.workshop.pytest_runner", str(folder))
    environment = {**settings_of_backend(bench), **(environment or {})}
    return bench.program(command, service, environment, name="the runner of the tests").start(None)


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
