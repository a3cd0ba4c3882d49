"""Jobs: programs that do their work and end, such as a nightly script."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from spanprofiles.backends import ProcessFailedError
from spanprofiles.pytest_plugin.programs import Launcher, check_arguments

_DEADLINE_S = 60.0


@dataclass(frozen=True)
class FinishedJob:
    """A job that has ended.

    Attributes:
        exit_code: its exit code; negative for a signal.
        output: everything it printed, standard output and error together.
        log: the file with the same text.
        started_ns: when it was started, ns since the epoch.
        ended_ns: when it had ended, ns since the epoch.
    """

    exit_code: int
    output: str
    log: Path
    started_ns: int
    ended_ns: int


class JobRunner:
    """Runs jobs. The value of the fixture ``span_profiles_job``."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        timeout: float = _DEADLINE_S,
        check: bool = True,
        name: str = "the job under test",
    ) -> FinishedJob:
        """Run a job to its end, and end the processes that it leaves behind.

        Args:
            command: the program and its arguments.
            environment: variables that are added to those of the backend and of this process; None removes one.
            cwd: its working directory. A relative one starts at the folder of the file that holds the calling fixture
                or test, which is also the default.
            timeout: how long it may take, s. A job that takes longer is stopped, and the test fails.
            check: whether the test fails if the exit code is not 0.
            name: what to call it in messages.

        Raises:
            ValueError: an argument makes no sense.
        """
        __tracebackhide__ = True
        check_arguments(command, ["python", "report.py"], timeout=timeout)
        problem = ""  # told outside the handler: the way to it is of no interest
        try:
            program = self._launcher.launch(
                name, command, environment=environment, cwd=cwd, placeholders={}, is_job=True
            )
        except ProcessFailedError as error:
            problem = str(error)
        else:
            code = program.process.wait(timeout)
            ended_ns = time.time_ns()
            if code is None:
                problem = program.failure(f"has not ended after {timeout:g} s, and was stopped")
            elif code and check:
                problem = program.failure("failed")
            program.stop()
        if problem:
            pytest.fail(problem, pytrace=False)
        return FinishedJob(code or 0, "\n".join(program.printed()), program.log, program.started_ns, ended_ns)
