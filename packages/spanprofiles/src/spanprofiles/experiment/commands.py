"""Commands of the caller's, run in the foreground: what they print is seen at once, and none outlives this program."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from spanprofiles.backends.interruptions import INTERRUPTIONS, deferred, ignored
from spanprofiles.backends.lifeline import lifeline
from spanprofiles.experiment.errors import ExperimentError

_STANDARD_ERROR = 2
_LAST_MOMENT_S = 15.0  # pytest stops what its tests have started


def end_by_interruption() -> None:
    """Let each signal that ends a program raise ``KeyboardInterrupt``, so that whatever was made is removed.

    A shell script starts its background jobs with SIGINT ignored: they are to end all the same. Under nohup, a program
    is to survive.
    """
    for number in INTERRUPTIONS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def run(command: Sequence[str], directory: Path, *, output_to_stderr: bool = False) -> int:
    """Run a command to its end, and return its exit code, negative for a signal.

    It has this program's output, and no input. An interruption of this program interrupts it once, and waits for it.

    Args:
        command: program and arguments.
        directory: its working directory.
        output_to_stderr: whether what it prints goes to standard error, since standard output is for a result.

    Raises:
        ExperimentError: it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with deferred(), lifeline.ready():  # in between, there would be a process that nobody knows of
            process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=_STANDARD_ERROR if output_to_stderr else None,
                start_new_session=True,  # the terminal's Ctrl-C reaches it through this program alone
            )
            lifeline.tie(process.pid)
        return process.wait()
    except OSError as error:
        raise ExperimentError(f"{command[0]} cannot be started in {directory}: {error.strerror}") from error
    finally:
        if process is not None:
            with ignored():
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: a shell goes on while its own child does
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_MOMENT_S)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # its group: children it left behind
    process.wait()
    lifeline.let_go(process.pid)
