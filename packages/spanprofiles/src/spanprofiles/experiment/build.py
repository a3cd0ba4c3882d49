"""A build of the app: where it comes from, and its process while an experiment runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from spanprofiles.backends import ManagedProcess, ProcessFailedError
from spanprofiles.backends.ports import free_ports
from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.request_list import ListedRequest
from spanprofiles.experiment.work_tree import WorkTree, work_tree
from spanprofiles.linking import TracedSession
from spanprofiles.linking.session import await_answer

GIT = "git:"
_HOST = "127.0.0.1"
_SERVICE = "OTEL_SERVICE_NAME"
_LAST_MOMENT_S = 1.0
_SERVER_ERROR = 500
_PRINTED_AT_ONCE = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True)
class Build:
    """One build of the app.

    Attributes:
        side: ``base`` or ``head``.
        command: program and arguments; ``{port}``, ``{host}``, ``{address}`` and ``{url}`` stand for the app's own.
        directory: the folder that it runs in.
        version: what was built, such as a commit; empty where nobody said.
        tree: the work tree of its revision; None where it is none.
    """

    side: str
    command: tuple[str, ...]
    directory: Path
    version: str = ""
    tree: WorkTree | None = None

    def code_of_another(self, files: Iterable[str]) -> str:
        """Return a file of the repository's own folder that the work tree has as well; empty if there is none.

        An app that is installed as an editable package is the one of that folder, whatever folder it is started in.

        Args:
            files: the files of the functions that ran.
        """
        if self.tree is None:
            return ""
        for file in sorted(files):
            path = Path(file)
            if path.is_absolute() and path.is_relative_to(self.tree.repository):
                ours = self.tree.folder / path.relative_to(self.tree.repository)
                if ours.exists():
                    return file
        return ""


@contextmanager
def checked_out(side: str, source: str, command: str, directory: Path) -> Iterator[Build]:
    """Provide a build, and remove its work tree at the end if it has one.

    Args:
        side: ``base`` or ``head``.
        source: a command, or ``git:REVISION``.
        command: the command of a build that is a revision.
        directory: the folder of a command, and the one whose repository has the revision.

    Raises:
        ExperimentError: there is no such revision, or the command is none.
    """
    if not source.startswith(GIT):
        yield Build(side, _words(side, source), directory)
        return
    words = _words(side, command)
    with work_tree(source.removeprefix(GIT), directory) as tree:
        yield Build(side, _found_in(tree.directory, directory, words), tree.directory, tree.commit, tree)


def _words(side: str, command: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ExperimentError(f"the command of {side} cannot be read: {error}: {command}") from error
    if not words:
        raise ExperimentError(f"{side} has no command: give one such as 'python app.py {{port}}'")
    return words


def _found_in(tree: Path, directory: Path, words: tuple[str, ...]) -> tuple[str, ...]:
    """Take a program that is no part of the revision, such as ``.venv/bin/python``, from the folder of the caller."""
    program = words[0]
    is_elsewhere = os.sep in program and not (tree / program).exists() and (directory / program).exists()
    return (str(directory / program), *words[1:]) if is_elsewhere else words


class RunningBuild:
    """A build's process, and a session that talks to it.

    Args:
        build: what runs.
        environment: what sends its telemetry to the backend; goes over this process's own.
    """

    def __init__(self, build: Build, environment: Mapping[str, str]) -> None:
        self.build = build
        self._port = free_ports(1)[0]
        self._session = TracedSession(f"http://{_HOST}:{self._port}")
        variables = {**_PRINTED_AT_ONCE, **os.environ, "PATH": _search_path(), **environment}
        variables.setdefault(_SERVICE, build.side)
        self._process = ManagedProcess(
            build.side,
            [self._filled_in(word) for word in build.command],
            environment=variables,
            directory=build.directory,
        )

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def start(self, ready: str, timeout_s: float) -> None:
        """Start it, and return when it answers.

        Args:
            ready: a path that it answers with a status below 500 when it is ready. That request is not traced.
            timeout_s: how long it may take.

        Raises:
            ExperimentError: it does not start, or does not get ready.
        """
        try:
            self._process.start()
            if not await_answer(self._session, ready, timeout_s, lambda: self._process.is_running):
                late = "ended before it was ready"
                if self._process.is_running:
                    late = f"did not answer {ready} at its port {self._port} after {timeout_s:g} s"
                raise self._process.failure(late)
        except ProcessFailedError as error:
            raise ExperimentError(str(error)) from error

    def send(self, request: ListedRequest, *, sampled: bool = True) -> requests.Response:
        """Send a request, and return the answer.

        Raises:
            ExperimentError: it does not answer, or with a status of 500 or more.
        """
        try:
            answer = self._session.request(
                request.method,
                request.path,
                sampled=sampled,
                headers=dict(request.headers),
                data=request.body or None,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            self._process.wait(_LAST_MOMENT_S)
            raise ExperimentError(str(self._process.failure(f"does not answer {request.title}"))) from error
        if answer.status_code >= _SERVER_ERROR:
            raise ExperimentError(
                str(self._process.failure(f"answers {request.title} with {answer.status_code} {answer.reason}"))
            )
        return answer

    def stop(self) -> None:
        """Stop it, and whatever it has left running."""
        self._session.close()
        self._process.stop()

    def _filled_in(self, word: str) -> str:
        address = f"{_HOST}:{self._port}"
        values = {"port": str(self._port), "host": _HOST, "address": address, "url": f"http://{address}"}
        for name, value in values.items():
            word = word.replace(f"{{{name}}}", value)
        return word


def _search_path() -> str:
    """Return where programs are looked for: first where this Python's own are, as in an environment that is active."""
    here = [str(Path(sys.executable).parent)] if sys.prefix != sys.base_prefix else []
    return os.pathsep.join([*here, os.environ.get("PATH", os.defpath)])
