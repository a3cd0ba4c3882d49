"""Child processes with a handle: their output is kept, and they are stopped with their children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from spanprofiles.backends.interruptions import deferred
from spanprofiles.backends.lifeline import lifeline
from spanprofiles.model.printable import printable_lines

_KEPT_LINES = 1000
_SHOWN_LINES = 12
_LAST_MOMENT_S = 1.0


#: A log is this user's alone, and is written where it is said to be, not where a link leads.
_NEW_LOG = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class ProcessFailedError(Exception):
    """A process ended, or did not get ready, when it should be running. The message ends with its last lines."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable_lines(message))


class ManagedProcess:
    """A child process in its own process group, so that Ctrl-C reaches it only through :meth:`stop`.

    It does not outlive this program, even if this program is killed.

    Args:
        name: what to call it in messages.
        command: program and arguments.
        environment: the whole environment of the process.
        directory: its working directory; None for this process's own.
        log: the file for all its output; None keeps only the last lines, in memory.
        heed: called in another thread with each line that it prints.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        log: Path | None = None,
        heed: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self._heed = heed
        self.command = list(command)
        self._environment = dict(os.environ if environment is None else environment)
        self._directory = directory
        self._log = log
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._news = threading.Condition()
        self._ended = False
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> ManagedProcess:
        """Start it. It can be started only once, so that no handle of a running process is lost.

        Raises:
            ProcessFailedError: the program cannot be started.
            RuntimeError: it was started before.
        """
        if self._process is not None:
            raise RuntimeError(f"{self.name} was started before: make another ManagedProcess")
        try:
            with deferred(), lifeline.ready():  # in between, there would be a process that nobody knows of
                self._process = subprocess.Popen(
                    self.command,
                    env=self._environment,
                    cwd=self._directory,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
                lifeline.tie(self._process.pid)
        except OSError as error:
            missing = error.filename or self.command[0]  # the program, or the directory
            raise ProcessFailedError(f"{self.name} cannot be started: {missing}: {error.strerror}") from error
        except BaseException:  # an interruption, while nobody has hold of it yet
            self.stop()
            raise
        self._reader = threading.Thread(target=self._read, name=f"output of {self.name}", daemon=True)
        self._reader.start()
        return self

    @property
    def pid(self) -> int:
        """The process ID; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._process.poll() if self._process else None

    def wait(self, timeout_s: float) -> int | None:
        """Wait until it has ended and its output is read, and return the exit code; None if the time is over."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
            if self._reader is not None:
                self._reader.join(_LAST_MOMENT_S)  # its last words are read a moment after it has ended
        return self._process.poll()

    @property
    def output(self) -> list[str]:
        """Its last lines, standard output and error together."""
        with self._news:
            return list(self._lines)

    def wait_for_line(self, matches: Callable[[str], bool], timeout_s: float) -> list[str]:
        """Wait until it prints a line that matches, and return all its lines up to that one.

        Raises:
            ProcessFailedError: it ended first, or the time is over.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                lines = list(self._lines)
                found = next((index for index, line in enumerate(lines) if matches(line)), None)
                if found is not None:
                    return lines[: found + 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._news.wait(left)
        if self._ended and self._process is not None:  # its output ends a moment before it does
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_MOMENT_S)
        raise self.failure("ended" if self._ended else f"was not ready after {timeout_s:g} s")

    def failure(self, what: str) -> ProcessFailedError:
        """Return the error that says what happened, with the last lines it printed."""
        code = self._process.poll() if self._process else None
        if code is not None and self._reader is not None:
            self._reader.join(_LAST_MOMENT_S)  # its last words are read a moment after it has ended
        exit_note = f"{'' if what == 'ended' else ': it ended'} with exit code {code}" if code is not None else ""
        tail = "\n".join(f"  | {line}" for line in self.output[-_SHOWN_LINES:]) or "  | (it printed nothing)"
        return ProcessFailedError(f"{self.name} {what}{exit_note}; its last lines:\n{tail}")

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask it to end (SIGTERM), and kill what is left of its group after ``timeout_s``, or when it has ended.

        A second call does nothing.
        """
        if self._process is None or self._stopped:
            return
        if self.is_running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its group: children it left behind
        self._stopped = True  # by the next call, the group's number may be another's
        self._process.wait()
        lifeline.let_go(self._process.pid)
        if self._reader is not None:
            self._reader.join(timeout=1)
        if self._process.stdout is not None and not (self._reader and self._reader.is_alive()):
            self._process.stdout.close()

    def __enter__(self) -> ManagedProcess:
        return self if self._process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101  # the thread starts after the process
        assert self._process.stdout is not None  # noqa: S101  # a pipe was asked for
        with contextlib.ExitStack() as open_files:
            log = None
            if self._log is not None:
                with contextlib.suppress(OSError):  # without a log, its output must be read all the same
                    file = os.open(self._log, _NEW_LOG, 0o600)
                    log = open_files.enter_context(
                        os.fdopen(file, "w", encoding="utf-8", errors="replace", buffering=1)
                    )
            for line in self._process.stdout:
                if log is not None:
                    with contextlib.suppress(OSError):
                        log.write(line)
                with self._news:
                    self._lines.append(line.rstrip("\n"))
                    self._news.notify_all()
                if self._heed is not None:
                    self._heed(line.rstrip("\n"))
        with self._news:
            self._ended = True
            self._news.notify_all()
