"""Apps under test: started as processes, and stopped after the last test."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from spanprofiles.backends import ManagedProcess, ProcessFailedError
from spanprofiles.backends.ports import free_ports
from spanprofiles.linking import TracedSession, Waiting
from spanprofiles.pytest_plugin.programs import Launcher, Program, check_arguments
from spanprofiles.pytest_plugin.readiness import Ready, readiness

NAME = "the app under test"

_LAST_MOMENT_S = 1.0  # a program that breaks its connections as it dies is gone a moment later
_START_S = 30.0
_ASK_TIMEOUT_S = (1.0, 5.0)


class AppEndedError(requests.ConnectionError):
    """The app did not answer because it has ended. The message has its exit code and its last traceback."""


class RunningApp(TracedSession):
    """An app that was started for tests, and a ``requests`` session that talks to it.

    Each request carries its own ``traceparent``. Addresses such as ``/search`` are the app's.

    Attributes:
        base_url: its address, such as ``http://127.0.0.1:20123``.
        host: where it listens.
        port: its port.
    """

    def __init__(self, launcher: Launcher, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(f"http://{self.address}")
        self._launcher = launcher
        self._program: Program | None = None

    @property
    def address(self) -> str:
        """Host and port as gRPC clients take them, such as ``127.0.0.1:20123`` or ``[::1]:20123``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def program(self) -> Program:
        """Its process and its log.

        Raises:
            RuntimeError: it was not started.
        """
        if self._program is None:
            raise RuntimeError("the app was not started")
        return self._program

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self.program.process.is_running

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self.program.process.pid

    @property
    def exit_code(self) -> int | None:
        """How its process ended, negative for a signal; None while it runs."""
        return self.program.process.exit_code

    @property
    def started_ns(self) -> int:
        """When it was started, ns since the epoch."""
        return self.program.started_ns

    @property
    def log(self) -> Path:
        """The file with everything it has printed, standard output and error together."""
        return self.program.log

    def has_printed(self, pattern: str | re.Pattern[str]) -> bool:
        """Tell whether a line of its log matches the pattern."""
        return any(re.search(pattern, line) for line in self.program.printed())

    def wait_until_printed(self, pattern: str | re.Pattern[str], timeout: float = 15.0) -> None:
        """Wait until a line of its log matches the pattern.

        Args:
            pattern: a regular expression.
            timeout: longest wait, s.

        Raises:
            AssertionError: it has not, or has ended; the message has the end of the log.
        """
        __tracebackhide__ = True
        for _ in Waiting(timeout).attempts():
            was_running = self.is_running
            if self.has_printed(pattern):
                return
            if not was_running:
                break
        raise AssertionError(self.program.failure(f"has printed no line with {getattr(pattern, 'pattern', pattern)!r}"))

    def ask(self, path: str) -> None:
        """Send a request that asks not to be recorded, and ignore the answer."""
        with suppress(requests.RequestException), self.get(path, sampled=False, timeout=_ASK_TIMEOUT_S, stream=True):
            pass

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str | None] | None,
        cwd: str | os.PathLike[str] | None,
        name: str,
    ) -> None:
        """Start the process.

        Raises:
            ProcessFailedError: it cannot be started.
        """
        placeholders = {"port": str(self.port), "host": self.host, "address": self.address, "url": self.base_url}
        self._program = self._launcher.launch(
            name, command, environment=environment, cwd=cwd, placeholders=placeholders
        )

    def adopt(self, program: Program) -> None:
        """Take a program that runs already for this app's."""
        self._program = program

    def stop(self, timeout: float = 5.0) -> None:
        """Stop it before the session ends: SIGTERM, and SIGKILL after this many seconds. A second call does nothing."""
        self.program.stop(timeout)

    def request(  # type: ignore[override]  # as the class above
        self, method: str, url: str, *, sampled: bool = True, **options: Any
    ) -> requests.Response:
        """Send a request with a ``traceparent``, and with a time-out.

        Raises:
            AppEndedError: the app has ended.
        """
        __tracebackhide__ = True
        self._launcher.note_use(self.program)
        try:
            answer = super().request(method, url, sampled=sampled, **options)
        except requests.ConnectionError:
            if sampled:  # one that asks whether the app is ready is not, and asks again
                self.program.process.wait(_LAST_MOMENT_S)
            if not self.program.end:
                raise
        else:
            if sampled:
                self._launcher.note_request((answer.history or [answer])[0].request)
            return answer
        # told outside the handler: the way to it is of no interest
        raise AppEndedError(f"{self.program.process.name} {self.program.end}; {self.program.last_words}")


class _OthersProcess(ManagedProcess):
    """A process that somebody else has started, and will stop."""

    @property
    def is_running(self) -> bool:
        return True

    @property
    def exit_code(self) -> int | None:
        return None

    def wait(self, timeout_s: float) -> int | None:  # noqa: ARG002  # it does not end
        return None

    def stop(self, timeout_s: float = 5.0) -> None:
        """Leave it running."""


class AppStarter:
    """Starts apps. The value of the fixture ``span_profiles_app``."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def __call__(
        self,
        command: Sequence[str],
        ready: Ready = "/",
        environment: Mapping[str, str | None] | None = None,
        port: int | None = None,
        *,
        host: str = "127.0.0.1",
        cwd: str | os.PathLike[str] | None = None,
        start_timeout: float = _START_S,
        name: str = NAME,
    ) -> RunningApp:
        """Start an app as a process of its own, and return when it is ready.

        Args:
            command: the program and its arguments. ``{port}``, ``{host}``, ``{address}`` (``host:port``) and ``{url}``
                are filled in, here and in ``environment``.
            ready: what shows that it is ready; see :data:`spanprofiles.pytest_plugin.readiness.Ready`.
            environment: variables that are added to those of the backend and of this process; None removes one.
            port: the port at which it listens; by default a free one.
            host: the address at which it listens: ``127.0.0.1``, ``::1`` or ``localhost``.
            cwd: its working directory. A relative one starts at the folder of the file that holds the calling fixture
                or test, which is also the default.
            start_timeout: how long it may take until it is ready, s.
            name: what to call it in messages.

        Raises:
            ValueError: an argument makes no sense.
        """
        __tracebackhide__ = True
        check_arguments(command, ["gunicorn", "app:app"], start_timeout=start_timeout)
        problem = ""  # told outside the handler: the way to it is of no interest
        try:
            app = RunningApp(self._launcher, host, port or free_ports(1, host)[0])
            awaited = readiness(ready, app)
            app.start(command, environment=environment, cwd=cwd, name=name)
            if ready is not None:
                app.program.ask = partial(app.ask, ready if isinstance(ready, str) and ready.startswith("/") else "/")
            if awaited is not None and not awaited.is_reached(app, start_timeout):
                late = "" if not app.is_running else f" after {start_timeout:g} s"
                problem = app.program.failure(f"{awaited.problem}{late}")
                app.stop()
            app.program.ready_ns = time.time_ns()
        except ProcessFailedError as error:
            problem = str(error)
        except OSError as error:
            problem = f"{name} cannot listen at {host}: {error.strerror or error}"
        if problem:
            pytest.fail(problem, pytrace=False)
        return app

    def attach(self, name: str, port: int, *, ready: str, started_ns: int, log: Path) -> RunningApp:
        """Return a client of an app that somebody else has started and will stop.

        Args:
            name: what to call it in messages.
            port: where it listens on 127.0.0.1.
            ready: a path that answers and costs little.
            started_ns: when it was started, ns since the epoch.
            log: the file with what it has printed; it may be absent.
        """
        app = RunningApp(self._launcher, "127.0.0.1", port)
        program = self._launcher.adopt(_OthersProcess(name, [name]), log, app.base_url, started_ns)
        program.ask = partial(app.ask, ready)
        app.adopt(program)
        return app
