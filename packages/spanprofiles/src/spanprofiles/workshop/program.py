"""The learner's programs: whatever is wrong with one becomes a judgement that says what was seen."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from spanprofiles.backends import ManagedProcess, ProcessFailedError
from spanprofiles.linking import TracedSession, Waiting, await_answer
from spanprofiles.model.printable import printable, printable_lines
from spanprofiles.model.tracebacks import tracebacks
from spanprofiles.workshop.judgement import Judgement

START_S = 30.0
"""How long a learner's program may take until it answers, s."""

STOP_S = 5.0
"""How long it may take to end after SIGTERM, s; then it is killed."""

FINISH_S = 8.0
"""How long it may take to send what it has left after SIGINT, s."""

_LAST_MOMENT_S = 2.0
_ERROR = re.compile(r"\w*Error: ")  # of a file that is no Python there is no traceback
_SHOWN_LINES = 12


class AttemptError(Exception):
    """The attempt cannot be judged any further.

    Attributes:
        judgement: what is to be said of it.
    """

    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement
        super().__init__(judgement.text)


@dataclass(frozen=True)
class FinishedProgram:
    """A program that has ended.

    Attributes:
        exit_code: its exit code, negative for a signal; None where it was stopped because its time was over.
        output: what it printed last, standard output and error together.
    """

    exit_code: int | None
    output: str


class LearnersProgram(TracedSession):
    """A program that was started for a judge, and a ``requests`` session that talks to it.

    Each request carries its own ``traceparent``. Whatever keeps the program from answering raises an
    :class:`AttemptError` that says so.

    Attributes:
        name: what to call it.
        port: the port that it was given as ``PORT``.
        started_ns: when it was started, ns since the epoch; 0 before that.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, port: int, environment: Mapping[str, str]):
        super().__init__(f"http://127.0.0.1:{port}")
        self.port = port
        self.started_ns = 0
        self.name = name
        self._process = ManagedProcess(name, command, environment=environment, directory=folder)

    def start(self, ready: str | None) -> LearnersProgram:
        """Start it, and return when it answers.

        Args:
            ready: a path that answers with a status below 500; None does not wait.

        Raises:
            AttemptError: it cannot be started, has ended, or does not answer.
        """
        self.started_ns = time.time_ns()
        try:
            with _interruptible():
                self._process.start()
        except ProcessFailedError as error:
            raise AttemptError(Judgement.fails(str(error), f"{self.name} must start")) from error
        if ready is None or await_answer(self, ready, START_S, lambda: self._process.is_running):
            return self
        if self._process.is_running:
            seen = f"{self.name} runs, but did not answer GET {ready} on port {self.port} within {START_S:g} s"
            raise AttemptError(
                Judgement.fails([seen, *self._last_lines()], "it must listen on 127.0.0.1, on the port in PORT")
            )
        raise self._ended("before it answered")

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.is_running

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    @property
    def output(self) -> list[str]:
        """Its last lines."""
        return self._process.output

    def request(  # type: ignore[override]  # as the class above
        self, method: str, url: str, *, sampled: bool = True, **options: Any
    ) -> requests.Response:
        """Send a request with a ``traceparent``, and with a time-out.

        Raises:
            AttemptError: there is no answer, or its status is 500 or above.
            requests.RequestException: there is no answer to a request that is not sampled.
        """
        printed = self._process.output
        try:
            response = super().request(method, url, sampled=sampled, **options)
        except requests.RequestException as error:
            if not sampled:  # one that asks whether the program is ready: it asks again
                raise
            self._process.wait(_LAST_MOMENT_S if isinstance(error, requests.ConnectionError) else 0)
            if not self._process.is_running:
                raise self._ended(f"while it answered {method} {url}") from error
            why = "in time" if isinstance(error, requests.Timeout) else f"({type(error).__name__})"
            seen = f"{self.name} did not answer {method} {url} {why}"
            raise AttemptError(Judgement.fails([seen, *self._last_lines()], "it must answer")) from error
        if sampled and response.status_code >= 500:
            seen = f"{self.name} answered {method} {url} with {response.status_code}"
            for _ in Waiting(_LAST_MOMENT_S).attempts():
                if self._process.output != printed:  # it says why, and that takes a moment to get here
                    break
            raise AttemptError(Judgement.fails([seen, *self._last_lines()], "it must answer without an error"))
        return response

    def wait(self, timeout_s: float) -> FinishedProgram:
        """Wait until it has ended, and stop it when the time is over."""
        code = self._process.wait(timeout_s)
        if code is None:
            self.stop()
        return FinishedProgram(code, "\n".join(self._process.output))

    def finish(self) -> bool:
        """End it as Ctrl-C does, so that it sends what it has left, and tell whether it ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGINT)
        return self._process.wait(FINISH_S) is not None

    def stop(self) -> None:
        """Stop it and whatever it has started. A second call does nothing."""
        self._process.stop(STOP_S)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.close()

    def _ended(self, when: str) -> AttemptError:
        self._process.wait(_LAST_MOMENT_S)
        code = self._process.exit_code or 0
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        seen = [f"{self.name} {how} {when}", *self._last_lines()]
        error = self._last_error()
        missing = "it must run until it is stopped, and answer"
        if error:
            missing = f"{self.name} crashed. Mend this first: {error}"
        return AttemptError(Judgement.fails(seen, missing))

    def _last_error(self) -> str:
        """Return the last line of its last traceback; empty where it printed none."""
        lines = self._process.output
        found = tracebacks(lines)
        last = found[-1][-1] if found else lines[-1] if lines and _ERROR.match(lines[-1]) else ""
        return printable(last.strip())

    def _last_lines(self) -> list[str]:
        """Return its last traceback, or its last lines where it printed none."""
        lines = self._process.output
        found = tracebacks(lines)
        shown = list(found[-1]) if found else lines
        return [f"  | {printable_lines(line)}" for line in shown[-_SHOWN_LINES:]] or [
            f"  | ({printable(self.name)} printed nothing)"
        ]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let programs that start in the block heed Ctrl-C, though this one may have been told to ignore it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
