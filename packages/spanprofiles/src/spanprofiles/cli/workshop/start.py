"""``spanprofiles workshop start`` and ``stop``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import click

from spanprofiles.backends.interruptions import INTERRUPTIONS
from spanprofiles.backends.ports import claim, free_ports
from spanprofiles.cli.output import Styled, say
from spanprofiles.cli.workshop.common import (
    backend_of,
    folder_option,
    say_text,
    settings_of,
    tell_board,
    told,
    workshop_backend_options,
)
from spanprofiles.cli.workshop.overview import print_overview
from spanprofiles.linking import Waiting
from spanprofiles.model import Endpoints
from spanprofiles.workshop import WorkshopError
from spanprofiles.workshop import session as sessions
from spanprofiles.workshop.folder import DEFAULT_NAME, LearnersFolder
from spanprofiles.workshop.requirements import check_installed

_PAGE_S = 10.0
_LOOK_EVERY_S = 0.25
_NAME = re.compile(r"[A-Za-z0-9-]{0,40}")


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--resume", is_flag=True, help="Only go on in a folder where a workshop was begun.")
@click.option("--learner", metavar="NAME", default="", help="Your name, where others use the same servers.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="The page's port.")
@workshop_backend_options
def start(folder: Path | None, resume: bool, learner: str, port: int, **options: str | None) -> None:
    """Begin the workshop in DIR [default: span-profiles-workshop], or go on with it there or in the folder around.

    Copies the exercises, and never overwrites what is there. Starts the servers and the page, and runs until Ctrl-C;
    use a second terminal for the exercises. What you have done stays in the folder.
    """
    with told():
        check_installed()
        if not _NAME.fullmatch(learner):
            raise WorkshopError(f"--learner {learner!r}: up to 40 letters, digits and hyphens make a name")
        learners = folder_to_start(folder)
        sessions.refuse_second(learners.state)
        if resume and not learners.is_begun:
            raise WorkshopError(f"no workshop was begun in {learners.path}: leave out --resume to begin one there")
        _run(learners, learner, port, options)


@click.command()
@folder_option
def stop(folder: Path) -> None:
    """End the workshop that runs: its servers and its page. What you have done stays in the folder."""
    with told():
        learners = LearnersFolder.find(folder)
        if sessions.stop(learners.state) is None:
            say(f"no workshop runs in {learners.path}")
        else:
            say(f"the workshop in {learners.path} has ended; `{_start_again(learners)}` goes on with it")


def folder_to_start(folder: Path | None) -> LearnersFolder:
    """Return the folder to begin in or to go on with; none is ever inside another one.

    Args:
        folder: the one that the learner named; None for the one around the current folder, or the usual one in it.

    Raises:
        WorkshopError: the learner named one in a folder with a workshop.
    """
    if folder is None:
        return LearnersFolder.around(Path()) or LearnersFolder(Path(DEFAULT_NAME).absolute())
    named, around = LearnersFolder(folder.absolute()), LearnersFolder.around(folder.absolute().parent)
    if around is None or named.is_begun:
        return named
    raise WorkshopError(
        f"{named.path} is inside the workshop in {around.path}: leave out the folder to go on with that one, or name"
        " one elsewhere"
    )


def _start_again(learners: LearnersFolder) -> str:
    """Return the command that goes on with a workshop, as it works in the current folder."""
    path = learners.path.resolve()
    is_found = path == folder_to_start(None).path.resolve()
    return "spanprofiles workshop start" + ("" if is_found else f" {shlex.quote(str(path))}")


def _second_terminal(learners: LearnersFolder) -> list[str]:
    """Return what to type in a second terminal."""
    activate = program_of_environment()
    return [f"cd {shlex.quote(str(learners.path))}", *([activate] if activate else []), "spanprofiles workshop status"]


def program_of_environment() -> str:
    """Return the line that puts ``spanprofiles`` on the PATH of a new terminal; empty where it is there without."""
    programs = Path(sys.executable).parent
    others = [path for path in os.environ.get("PATH", os.defpath).split(os.pathsep) if path and Path(path) != programs]
    if sys.prefix == sys.base_prefix or shutil.which("spanprofiles", path=os.pathsep.join(others)):
        return ""
    activate = programs / "activate"
    if activate.is_file():
        return f". {shlex.quote(str(activate))}"
    return f'PATH={shlex.quote(str(programs))}:"$PATH"'


def _run(learners: LearnersFolder, learner: str, port: int, options: dict[str, str | None]) -> None:
    backend = backend_of(settings_of(options))
    with sessions.claimed(learners.state):
        try:
            copied = learners.fill(learner)
        except WorkshopError as error:
            raise WorkshopError(f"{error}. `{_start_again(learners)}` goes on when that is mended") from error
        progress = learners.progress()
        say(f"copied into {learners.path}: {', '.join(copied)}" if copied else f"going on in {learners.path}")
        try:
            found = backend.start()
            page = _start_page(found, learners, port)
            asked = _noted_interruptions()
            sessions.announce(learners.state, sessions.Session.of(found, page))
            tell_board(learners, found)
            print_overview(learners, progress, page)
            say("")
            _say_where_to_go_on(learners)
            exercise = learners.next_exercise(progress)
            if exercise is not None:
                say_text(exercise.text)
                _say_where_to_go_on(learners)
            say(
                Styled(
                    "Leave this terminal open: Ctrl-C here, or `spanprofiles workshop stop` there, ends the servers and"
                    " the page.",
                    bold=True,
                )
            )
            while not asked:
                time.sleep(_LOOK_EVERY_S)
                backend.check_running()
        finally:
            for number in INTERRUPTIONS:  # it takes a second, and asking again is no help
                signal.signal(number, signal.SIG_IGN)
            backend.stop()
            with suppress(OSError):  # the terminal may be gone
                say("everything is stopped; your files are as you left them")


def _say_where_to_go_on(learners: LearnersFolder) -> None:
    say(Styled("Go on in a second terminal:", bold=True))
    for line in _second_terminal(learners):
        say(f"    {line}")


def _noted_interruptions() -> list[int]:
    """Let a request to end the workshop be noted in a list, which is empty until one comes.

    Raised as an exception it could come to a place that drops exceptions, such as a collector of garbage.
    """
    asked: list[int] = []
    for number in INTERRUPTIONS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup
            signal.signal(number, lambda came, _: asked.append(came))
    return asked


def _start_page(found: Endpoints, learners: LearnersFolder, port: int) -> str:
    """Serve the page from a thread of this process, which ends with it, and return its address."""
    from spanprofiles.ui import CannotListenError, create_app, serve

    if port and not claim(port):
        (free,) = free_ports(1)
        say(f"port {port} is taken by another program: the page uses {free}")
        port = free
    app = create_app(found, workshop=learners)
    addresses: list[str] = []
    problems: list[str] = []

    def run() -> None:
        try:
            serve(app, "127.0.0.1", port, addresses.append)
        except CannotListenError as error:
            problems.append(str(error))

    threading.Thread(target=run, name="the page", daemon=True).start()
    Waiting(_PAGE_S).until(lambda: addresses or problems)
    if not addresses:
        raise WorkshopError(problems[0] if problems else f"the page does not listen after {_PAGE_S:g} s")
    return addresses[0]
