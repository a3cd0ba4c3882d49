"""Runs ``docker`` and Compose, and finds out which of them is missing and why."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from spanprofiles.stack.complaints import explain
from spanprofiles.stack.errors import StackError
from spanprofiles.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: The oldest docker-compose that waits for a service to have ended well.
_OLDEST = (1, 29)
_INTERRUPTED = {130, -signal.SIGINT}
_PAUSE_S = 2.0
_END_TIMEOUT_S = 10.0
_QUICK_S = 60
_LONG_S = 1800

_NO_DOCKER = (
    "there is no docker command: install Docker with Compose; or use `make demo`, which shows the same without Docker"
)
_NO_COMPOSE = (
    "Docker is here and Compose is not: install docker-compose-plugin (Docker's own packages), docker-compose-v2 "
    "(Ubuntu) or docker-compose (Debian)"
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code; 127 where there is no such command, 124 where it took too long.
        out: what it wrote to standard output.
        said: all it wrote that a person would read: standard output, then standard error.
    """

    code: int
    out: str
    said: str

    @property
    def succeeded(self) -> bool:
        """Whether its exit code is 0."""
        return self.code == 0


@dataclass(frozen=True)
class Commands:
    """The commands of one stack.

    Attributes:
        directory: where they run: the folder of the compose file.
        environment: what they get.
    """

    directory: Path
    environment: Mapping[str, str]

    def run(self, command: Sequence[str], timeout_s: float = _QUICK_S) -> Outcome:
        """Run a command to its end, or for a while. Nothing it does raises an error.

        Raises:
            KeyboardInterrupt: it was interrupted, as this process was, perhaps without being told.
        """
        program = shutil.which(command[0], path=self.environment.get("PATH"))
        if program is None:
            return Outcome(127, "", f"{command[0]}: command not found")
        try:
            done = subprocess.run(
                [program, *command[1:]],
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(124, "", f"{' '.join(command[:3])} has not ended after {timeout_s:.0f} s")
        except OSError as error:
            return Outcome(126, "", f"{program} cannot be run: {error.strerror}")
        if done.returncode in _INTERRUPTED:
            raise KeyboardInterrupt
        return Outcome(done.returncode, done.stdout, done.stdout + done.stderr)

    def run_unless(self, command: Sequence[str], timeout_s: float, is_lost: Callable[[], bool]) -> Outcome:
        """Run a command to its end, or until it cannot succeed any more.

        Args:
            command: the program and its arguments.
            timeout_s: longest time it may take, s.
            is_lost: called every two seconds; true if the command cannot succeed any more.

        Raises:
            KeyboardInterrupt: as :meth:`run`.
        """
        program = shutil.which(command[0], path=self.environment.get("PATH"))
        if program is None:
            return Outcome(127, "", f"{command[0]}: command not found")
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            process = subprocess.Popen(
                [program, *command[1:]],
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            waiting = Waiting(timeout_s, _PAUSE_S, _PAUSE_S, sleep=partial(_await_end, process))
            ended_by_itself = False
            try:
                waiting.until(lambda: process.poll() is not None or is_lost())
                ended_by_itself = process.poll() is not None
            finally:
                _end(process)
            # Compose 2 ends with the same exit code when it is told to end, as it was just now if it could not succeed.
            if ended_by_itself and process.returncode in _INTERRUPTED:
                raise KeyboardInterrupt
            said.seek(0)
            return Outcome(process.returncode, "", said.read())

    def docker(self, *arguments: str, timeout_s: float = _QUICK_S) -> Outcome:
        """Run ``docker`` with arguments."""
        return self.run(["docker", *arguments], timeout_s)

    def pull(self, image: str) -> Outcome:
        """Pull an image and show how far it is, as ``docker pull`` shows it."""
        done = subprocess.run(
            ["docker", "pull", image],
            cwd=self.directory,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode in _INTERRUPTED:
            raise KeyboardInterrupt
        return Outcome(done.returncode, "", done.stderr)


def _await_end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Compose:
    """One of the two generations of Compose.

    Attributes:
        commands: what runs it.
        words: how its command begins.
    """

    commands: Commands
    words: tuple[str, ...]

    def run(self, *arguments: str, timeout_s: float = _LONG_S) -> Outcome:
        """Run Compose with arguments."""
        return self.commands.run([*self.words, *arguments], timeout_s)

    def run_unless(self, is_lost: Callable[[], bool], *arguments: str) -> Outcome:
        """Run Compose with arguments to its end, or until it cannot succeed any more."""
        return self.commands.run_unless([*self.words, *arguments], _LONG_S, is_lost)

    def __str__(self) -> str:
        return " ".join(self.words)


def check_docker(commands: Commands) -> None:
    """Check that there is a docker command, and an engine that lets us in.

    Raises:
        StackError: it says which of these is missing.
    """
    seen = commands.docker("version", "--format", "{{.Server.Version}}")
    if seen.code == 127:
        raise StackError(_NO_DOCKER)
    if not seen.succeeded:
        raise StackError(explain(seen.said))


def find_compose(commands: Commands) -> Compose:
    """Find Compose: ``docker compose``, else ``docker-compose``.

    Raises:
        StackError: there is none, or it is too old.
    """
    too_old = ""
    for words in (("docker", "compose"), ("docker-compose",)):
        seen = commands.run([*words, "version", "--short"])
        version = re.match(r"v?(\d+)\.(\d+)", seen.out.strip())
        if seen.succeeded and version is not None:
            if (int(version[1]), int(version[2])) >= _OLDEST:
                return Compose(commands, words)
            too_old = f"{' '.join(words)} is {seen.out.strip()}, too old for this stack: install 1.29.2, or 2"
    raise StackError(too_old or _NO_COMPOSE)
