"""What the workshop's commands have in common: the learner's folder, the exercise, the backend, and how they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.markdown import Markdown

from spanprofiles.backends import BACKEND_NAMES, Backend, BackendError, BackendSettings
from spanprofiles.backends.interruptions import INTERRUPTIONS
from spanprofiles.cli.exits import COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import credential_options
from spanprofiles.cli.output import Styled, say, show
from spanprofiles.cli.render import console
from spanprofiles.clients import ClientError
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, WorkshopError, all_exercises
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.folder import LearnersFolder, absence_of
from spanprofiles.workshop.progress import Progress
from spanprofiles.workshop.progress_report import Report
from spanprofiles.workshop.session import Session, running

_Command = TypeVar("_Command", bound=Callable[..., Any])

Options = Mapping[str, str | None]
"""The values of the options that name a backend."""

_NAMING = ("backend", "tempo_url", "pyroscope_url")

_BACKEND_OPTIONS = [
    click.option(
        "--backend", type=click.Choice(BACKEND_NAMES), help="Which servers to use. [default: the embedded pair]"
    ),
    click.option("--tempo", "tempo_url", metavar="URL", help="Tempo's address, if it runs already."),
    click.option("--pyroscope", "pyroscope_url", metavar="URL", help="Pyroscope's address, if it runs already."),
    click.option("--otlp", "otlp_url", metavar="URL", help="Where they accept traces. [SPAN_PROFILES_OTLP_URL]"),
]
_folder_option = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=".", help="The workshop's folder. [default: this one]"
)


class ExerciseNumber(click.IntRange):
    """The number of an exercise."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        try:
            int(value)
        except ValueError:
            numbers = [exercise.number for exercise in all_exercises()]
            self.fail(f"{value!r} is no exercise: give a number from {numbers[0]} to {numbers[-1]}", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


number_argument = click.argument("number", metavar="[N]", type=ExerciseNumber(1), required=False)


def folder_option(command: _Command) -> _Command:
    """Add ``--dir``; the command gets ``folder``."""
    return _folder_option(command)


def workshop_backend_options(command: _Command) -> _Command:
    """Add the options that name a backend; the command hands them to :func:`endpoints`."""
    command = credential_options(command)
    for option in reversed(_BACKEND_OPTIONS):
        command = option(command)
    return command


@contextmanager
def told() -> Iterator[None]:
    """Turn the failures a learner can meet into messages, and the end of the terminal into an interruption."""
    before = {number: signal.getsignal(number) for number in INTERRUPTIONS}
    for number, handler in before.items():  # a script's background jobs have SIGINT ignored
        if number is not signal.SIGHUP or handler is not signal.SIG_IGN:  # under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        with reported():
            yield
    except WorkshopError as error:
        leave(COULD_NOT_LOOK, *str(error).split("\n"))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def chosen(folder: LearnersFolder, number: int | None) -> Exercise:
    """Return the exercise of a number, or the next one.

    Raises:
        WorkshopError: there is none.
    """
    if number is not None:
        return exercise_of(number)
    progress = folder.progress()
    exercise = folder.next_exercise(progress)
    if exercise is None:
        raise WorkshopError(f"{all_solved(progress)}: name one by its number")
    return exercise


def all_solved(progress: Progress) -> str:
    """Say that all exercises are solved, which can be done on this machine."""
    absent = any(absence_of(exercise, progress.of(exercise.name)) for exercise in all_exercises())
    return "all exercises that can be done here are solved" if absent else "all exercises are solved"


def settings_of(options: Options) -> BackendSettings:
    """Return which backend the options and the environment name.

    Raises:
        click.UsageError: they make no sense.
    """
    try:
        return BackendSettings.read(os.environ, options)
    except BackendError as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def endpoints(folder: LearnersFolder, options: Options) -> Iterator[tuple[Endpoints, Session | None]]:
    """Give the backend to judge on, and the workshop that runs, if one does.

    It is the one that is named; or else that of the workshop that runs in this folder; or else an embedded pair that
    runs as long as the command.

    Raises:
        BackendError: it cannot be started.
        WorkshopError: traces have nowhere to go.
    """
    settings, session = settings_of(options), running(folder.state)
    is_named = any(options.get(name) or os.environ.get(f"SPAN_PROFILES_{name.upper()}") for name in _NAMING)
    if session is not None and not is_named:
        yield _of_session(session, settings), session
        return
    if not is_named:
        say("(no workshop runs in this folder: starting servers for this command)", err=True)
    backend = backend_of(settings)
    try:
        yield backend.start(), session
    finally:
        backend.stop()


def backend_of(settings: BackendSettings) -> Backend:
    """Return the chosen backend; it is not started yet.

    Raises:
        WorkshopError: nobody said where it takes traces.
        BackendError: it cannot be used here.
    """
    if settings.chosen == "external" and not settings.otlp_url:
        raise WorkshopError("the exercises must send traces: name the address with --otlp (SPAN_PROFILES_OTLP_URL)")
    return settings.create()


def tell_board(learners: LearnersFolder, found: Endpoints, exercise: str = "") -> None:
    """Report how far the learner is to the board of the class, where there is one; no learner waits for that.

    Args:
        learners: the folder.
        found: the servers of the class.
        exercise: the name of the exercise that was just worked on.
    """
    progress = learners.progress()
    name = progress.learner or found.credentials.tenant
    if not name or not found.otlp_http:
        return
    try:
        Report.of(progress, name, exercise).send(found)
    except ClientError as error:
        say(Styled(f"(the board of the class was not told: {error})", "bright_black"), err=True)


def tell_board_of_session(learners: LearnersFolder, exercise: str) -> None:
    """Report to the board through the workshop that runs, if one does; see :func:`tell_board`."""
    session = running(learners.state)
    if session is not None:
        tell_board(learners, _of_session(session, settings_of({})), exercise)


def say_text(text: str) -> None:
    """Print Markdown."""
    target = console()
    target.width = min(target.width, 100)
    show(target, Markdown(text, hyperlinks=False))


def progress_line(text: str) -> None:
    """Tell a learner who waits what is done now; programs that read the output are not told."""
    if sys.stderr.isatty():
        say(f"  … {text}", err=True)


def _of_session(session: Session, settings: BackendSettings) -> Endpoints:
    credentials = settings.endpoints.credentials
    return Endpoints(
        tempo=session.tempo,
        pyroscope=session.pyroscope,
        otlp_http=session.otlp_http,
        credentials=replace(credentials, tenant=credentials.tenant or session.tenant),
        queryable_after_s=session.queryable_after_s,
        searchable_after_s=session.searchable_after_s,
    )
