"""Runs pytest several times side by side, quickly: ``python -m spanprofiles.workshop.pytest_runner FOLDER``.

Importing pytest and the harness takes longer than a learner's tests do. So this process imports them once, and forks
for each run. It looks for jobs in its folder, ``job-0.json`` and so on, until it is stopped: :class:`Job` says what is
in one. When a run has ended, ``finished-JOB-RUN.json`` has its exit code, and ``output-JOB-RUN.txt`` what it printed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

_IMPORTED = (
    "encodings.utf_8_sig",
    "getpass",
    "pdb",
    "pytest",
    "spanprofiles.doctor",
    "spanprofiles.pytest_plugin.apps",
    "spanprofiles.pytest_plugin.claims",
    "spanprofiles.pytest_plugin.diagnosis",
    "spanprofiles.pytest_plugin.options",
    "spanprofiles.pytest_plugin.waiting_span",
    "spanprofiles.workshop.variant_verdict",
    "unittest",
    "xml.etree.ElementTree",
)
_LOOK_EVERY_S = 0.02

# A fork without a program of its own is not safe on macOS once its libraries for the network were used.
_CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"


@dataclass(frozen=True)
class Run:
    """A run of pytest.

    Attributes:
        arguments: what pytest gets.
        environment: the variables that it has beside those of the runner.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Runs of pytest, side by side.

    Attributes:
        folder: where they run.
        runs: one or more.
        by_fork: whether a run is a fork of the runner; otherwise it is a program of its own.
    """

    folder: str
    runs: tuple[Run, ...]
    by_fork: bool = _CAN_FORK

    def write(self, path: Path) -> None:
        """Write the job where a runner finds it."""
        _write(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read the job."""
        written = json.loads(path.read_text(encoding="utf-8"))
        runs = tuple(Run(tuple(run["arguments"]), run["environment"]) for run in written["runs"])
        return cls(written["folder"], runs, written["by_fork"])


def job_path(folder: Path, number: int) -> Path:
    """Return where a job stands."""
    return folder / f"job-{number}.json"


def end_path(folder: Path, number: int) -> Path:
    """Return the file that asks for the end of what is left of a job."""
    return folder / f"end-{number}"


def finished_path(folder: Path, number: int, run: int) -> Path:
    """Return the file that tells how a run has ended."""
    return folder / f"finished-{number}-{run}.json"


def output_path(folder: Path, number: int, run: int) -> Path:
    """Return the file with what a run has printed."""
    return folder / f"output-{number}-{run}.txt"


def main(folder: Path) -> None:
    """Do one job after the other, for ever."""
    for module in _IMPORTED:
        import_module(module)
    _import_plugins_of_pytest()
    gc.freeze()  # a fork need not look through all of this, and so copy it, to find its own garbage
    if sys.path[0] == str(Path.cwd()):  # Python looks for modules there first; a run does so in its own folder
        del sys.path[0]
    number = 0
    while True:
        if job_path(folder, number).is_file():
            _run(Job.read(job_path(folder, number)), folder, number)
            number += 1
        else:
            time.sleep(_LOOK_EVERY_S)


def _import_plugins_of_pytest() -> None:
    """Import what pytest always loads, but not before it runs; which modules those are differs between releases."""
    for name in getattr(import_module("_pytest.config"), "default_plugins", ()):
        with contextlib.suppress(ImportError):
            import_module(f"_pytest.{name}")


def _run(job: Job, folder: Path, number: int) -> None:
    """Do a job: all its runs at once."""
    begin = _fork if job.by_fork else _start
    running = {begin(job, run, output_path(folder, number, index)): index for index, run in enumerate(job.runs)}
    while running:
        if end_path(folder, number).exists():
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        for process, run in list(running.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                del running[process]
                _write(finished_path(folder, number, run), {"exit_code": os.waitstatus_to_exitcode(status)})
        time.sleep(_LOOK_EVERY_S)


def _fork(job: Job, run: Run, output: Path) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        _in_fork(job, run, output)
        import pytest

        code = int(pytest.main(list(run.arguments)))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _in_fork(job: Job, run: Run, output: Path) -> None:
    with output.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.environ |= run.environment
    os.chdir(job.folder)
    sys.path.insert(0, job.folder)


def _start(job: Job, run: Run, output: Path) -> int:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *run.arguments],
            cwd=job.folder,
            env={**os.environ, **run.environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    process.returncode = 0  # this module waits for it, and not its object
    return process.pid


def _write(path: Path, document: Mapping[str, object]) -> None:
    """Write a file that others see only when it is whole."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
