"""Programs under test: each has its own log, and a test or fixture that asked for it."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from spanprofiles.backends import ManagedProcess, ProcessFailedError
from spanprofiles.model.printable import printable, printable_lines
from spanprofiles.model.tracebacks import tracebacks
from spanprofiles.pytest_plugin import ASKING, PROGRAMS, RUNNING, option

_LAST_LINES = 20
_MOST_TRACEBACKS = 10
_MOST_LINES = 100  # of one traceback
_READ_BYTES = 4_000_000

# Of a Python program: what it prints is there at once, and a crash in C has a traceback.
_PRINTED_AT_ONCE = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True)
class Asker:
    """The fixture or the test that asked for a program.

    Attributes:
        name: the fixture's or the test's name.
        folder: the folder of the file it is in.
        fixture: the fixture; None for a test.
        node_id: the test's ID; empty for a fixture.
    """

    name: str
    folder: Path
    fixture: pytest.FixtureDef[Any] | None = None
    node_id: str = ""

    @classmethod
    def of(cls, config: pytest.Config) -> Asker:
        """Return the fixture that is being set up, or else the test that runs."""
        fixtures = config.stash.get(ASKING, [])
        item = config.stash.get(RUNNING, None)
        if fixtures:
            file = None
            with suppress(TypeError):  # no function of Python: a partial one, for one
                file = inspect.getsourcefile(inspect.unwrap(fixtures[-1].func))
            folder = Path(file).absolute().parent if file else config.rootpath
            return cls(fixtures[-1].argname, folder, fixtures[-1])
        if item is None:
            return cls("app", config.rootpath)
        return cls(item.name, item.path.parent, node_id=item.nodeid)


@dataclass
class Program:
    """One program that was started for tests.

    Attributes:
        process: its process.
        log: the file with all it has printed.
        asker: who asked for it.
        started_ns: when it was started, ns since the epoch.
        url: where it answers; empty where it does not.
        ask: sends it a request that is not traced and costs little; None where it takes none.
        ready_ns: when it was ready, ns since the epoch; 0 where nobody waited for that.
        is_job: whether it is meant to end by itself.
        used_by: IDs of the tests that sent it requests.
        is_wanted: whether nobody has stopped it.
        is_anothers: whether somebody else has started it, and will stop it.
        size_before: how many bytes its log had when the running test began.
    """

    process: ManagedProcess
    log: Path
    asker: Asker
    started_ns: int
    url: str = ""
    ask: Callable[[], object] | None = None
    ready_ns: int = 0
    is_job: bool = False
    used_by: set[str] = field(default_factory=set)
    is_wanted: bool = True
    is_anothers: bool = False
    size_before: int = 0

    @property
    def end(self) -> str:
        """How it ended by itself, such as ``has ended with exit code 1``; empty where it runs, or was stopped."""
        code = self.process.exit_code
        if code is None or not self.is_wanted:
            return ""
        return f"has ended by signal {-code}" if code < 0 else f"has ended with exit code {code}"

    @property
    def last_words(self) -> str:
        """Its last traceback, or its last lines where it printed none."""
        lines = self.printed()
        found = tracebacks(lines)
        what, shown = ("traceback", found[-1]) if found else ("lines", lines[-_LAST_LINES:])
        return f"its last {what}:\n" + "\n".join(_quoted(shown) or _quoted(["(it printed nothing)"]))

    def printed(self, since: int = 0) -> list[str]:
        """Return the lines of its log, the last four megabytes at most.

        Args:
            since: leave out so many bytes at the beginning.
        """
        self.process.wait(0)
        try:
            with self.log.open("rb") as file:
                file.seek(max(since, self.log.stat().st_size - _READ_BYTES))
                return file.read().decode(errors="replace").splitlines()
        except OSError:  # somebody has removed it: what is remembered will do
            return self.process.output

    def is_of(self, item: pytest.Item) -> bool:
        """Tell whether a test uses it: by a fixture, by requests, or because it started it."""
        known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        by_fixture = any(definition is self.asker.fixture for definition in known.get(self.asker.name, ()))
        return by_fixture or item.nodeid in {self.asker.node_id, *self.used_by}

    def note_beginning(self) -> None:
        """Note that a test begins: what was printed before it is another's."""
        with suppress(OSError):
            self.size_before = self.log.stat().st_size

    def account(self) -> list[str]:
        """Return the end of its log, every traceback, those of before the running test last, and where the log is."""
        lines = [f"log of {self.process.name} ({self.asker.name}), the whole of it in {self.log}"]
        if self.end:
            lines.append(f"  it {self.end}")
        printed = self.printed()
        before = len(printed) - len(self.printed(self.size_before))
        shown = printed[-_LAST_LINES:]
        found = [(traceback, "") for traceback in tracebacks(printed[before:])]
        found += [(traceback, " before this test") for traceback in reversed(tracebacks(printed[:before]))]
        different = {traceback: when for traceback, when in reversed(found) if not _holds(shown, traceback)}
        for traceback, when in list(reversed(different.items()))[:_MOST_TRACEBACKS]:
            times = sum(other == traceback for other, _ in found)
            lines.append(f"  a traceback{when}{f' ({times} times)' if times > 1 else ''}:")
            lines += _quoted(traceback[:_MOST_LINES])
        if len(different) > _MOST_TRACEBACKS:
            lines.append(f"  and {len(different) - _MOST_TRACEBACKS} other tracebacks")
        lines.append("  its last lines:")
        lines += _quoted(shown) or _quoted(["(it printed nothing)"])
        return lines

    def failure(self, what: str) -> str:
        """Return a message that says what happened, with the end of the log and every traceback."""
        code = self.process.exit_code
        ended = "" if code is None else f": it {self.end}" if self.end else ": it was stopped"
        return "\n".join([f"{printable(self.process.name)} {what}{ended}", *self.account()])

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop it, and whatever it has left running."""
        self.is_wanted = self.is_wanted and not self.process.is_running
        self.process.stop(timeout_s)


class Launcher:
    """Starts programs for the tests of a session.

    Args:
        config: pytest's.
        folder: for logs.
        environment: what sends their telemetry to the backend; goes over this process's own.

    Attributes:
        started: the programs, in the order of their start.
    """

    def __init__(self, config: pytest.Config, folder: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._folder = folder
        self._environment = environment
        self.started: list[Program] = []

    def launch(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str | None] | None,
        cwd: str | os.PathLike[str] | None,
        placeholders: Mapping[str, str],
        is_job: bool = False,
    ) -> Program:
        """Start a program.

        Args:
            name: what to call it in messages.
            command: the program and its arguments.
            environment: variables that are added to all others; None removes one.
            cwd: its working directory; a relative one starts at the folder of the test or fixture that asks for it.
            placeholders: what stands for ``{port}`` and the like in the command and in ``environment``.
            is_job: whether it is meant to end by itself.

        Raises:
            ProcessFailedError: it cannot be started.
        """
        asker = Asker.of(self._config)
        variables = {**_PRINTED_AT_ONCE, **os.environ, "PATH": _search_path(), **self._environment}
        for variable, value in (environment or {}).items():
            if value is None:
                variables.pop(variable, None)
            else:
                variables[variable] = _filled_in(str(value), placeholders)
        self._check_that_traces_go_somewhere(variables)
        log = self._log_of(asker)
        process = ManagedProcess(
            name,
            [_filled_in(str(part), placeholders) for part in command],
            environment=variables,
            directory=asker.folder / (cwd or ""),
            log=log,
        )
        program = Program(process, log, asker, time.time_ns(), placeholders.get("url", ""), is_job=is_job)
        self.started.append(program)
        self._config.stash.setdefault(PROGRAMS, []).append(program)
        process.start()
        return program

    def adopt(self, process: ManagedProcess, log: Path, url: str, started_ns: int) -> Program:
        """Take note of a program that somebody else has started and will stop.

        Args:
            process: stands for it.
            log: the file with what it has printed; it may be absent.
            url: where it answers.
            started_ns: when it was started, ns since the epoch.
        """
        program = Program(process, log, Asker.of(self._config), started_ns, url, is_anothers=True)
        self._config.stash.setdefault(PROGRAMS, []).append(program)
        return program

    def note_use(self, program: Program) -> None:
        """Note that the running test speaks with a program."""
        item = self._config.stash.get(RUNNING, None)
        if item is not None:
            program.used_by.add(item.nodeid)

    def note_request(self, request: requests.PreparedRequest) -> None:
        """Add a request to the file for requests, if there is one."""
        file = option(self._config, "requests")
        if file:
            from spanprofiles.pytest_plugin.sent_requests import add_request

            add_request(self._config.invocation_params.dir / file, request)

    def stop(self) -> None:
        """Stop all of them at once: each may take its time over it."""
        if self.started:
            with ThreadPoolExecutor(len(self.started), thread_name_prefix="stop") as pool:
                for stopping in [pool.submit(program.stop) for program in self.started]:
                    stopping.result()

    def _check_that_traces_go_somewhere(self, variables: Mapping[str, str]) -> None:
        from spanprofiles.pytest_plugin.options import NO_OTLP_URL, OTLP_VARIABLES

        if not any(variables.get(name) for name in OTLP_VARIABLES):
            raise ProcessFailedError(NO_OTLP_URL)

    def _log_of(self, asker: Asker) -> Path:
        """Return the path of a new, empty log; no other process of a distributed run has one of that name."""
        worker = getattr(self._config, "workerinput", {}).get("workerid", "")
        title = "-".join(filter(None, (worker, re.sub(r"[^A-Za-z0-9_.-]+", "-", asker.name)[:80])))
        number = 1
        while True:
            path = self._folder / (f"{title}.log" if number == 1 else f"{title}-{number}.log")
            if all(path != program.log for program in self._config.stash.get(PROGRAMS, [])):
                break
            number += 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        except OSError as error:
            raise ProcessFailedError(f"the log {path} cannot be written: {error.strerror}") from error
        return path


@contextmanager
def launcher_for(
    config: pytest.Config, factory: pytest.TempPathFactory, environment: Mapping[str, str]
) -> Iterator[Launcher]:
    """Provide a launcher, and stop its programs at the end. Logs go to the folder for logs, or to a temporary one."""
    named = option(config, "logs")
    folder = config.invocation_params.dir / named if named else factory.mktemp("span-profiles-logs")
    launcher = Launcher(config, folder, environment)
    try:
        yield launcher
    finally:
        launcher.stop()


def check_arguments(command: Sequence[str], example: Sequence[str], **timeouts: float) -> None:
    """Check what every way to start a program takes.

    Args:
        command: the program and its arguments.
        example: what such a command looks like, for the message.
        timeouts: by the argument's name, s.

    Raises:
        ValueError: the command is not a list, or a time-out makes no sense.
    """
    for name, seconds in timeouts.items():
        if not 0 < seconds < math.inf:
            raise ValueError(f"{name}={seconds}: give a number of seconds above 0")
    if isinstance(command, str) or not command:
        shown = json.dumps(list(example))
        raise ValueError(f"the command is a list: the program, then each argument, such as {shown}")


def programs_of(item: pytest.Item) -> list[Program]:
    """Return the programs that a test uses."""
    return [program for program in item.config.stash.get(PROGRAMS, []) if program.is_of(item)]


def _search_path() -> str:
    """Return where programs are looked for: first where this Python's own are, as in an environment that is active."""
    here = [str(Path(sys.executable).parent)] if sys.prefix != sys.base_prefix else []
    return os.pathsep.join([*here, os.environ.get("PATH", os.defpath)])


def _filled_in(text: str, placeholders: Mapping[str, str]) -> str:
    for name, value in placeholders.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _quoted(lines: Sequence[str]) -> list[str]:
    return [f"  | {printable_lines(line)}" for line in lines]


def _holds(lines: Sequence[str], part: Sequence[str]) -> bool:
    """Tell whether lines that follow one another are among others."""
    return any(tuple(lines[n : n + len(part)]) == tuple(part) for n in range(len(lines) - len(part) + 1))
