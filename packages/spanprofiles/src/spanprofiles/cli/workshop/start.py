"""``spanprofiles workshop start`` and ``stop``."""

from __future__ import annotations

import re
import shlex
import signal
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
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_NAME)
@click.option("--resume", is_flag=True, help="Go on in a folder where a workshop was begun.")
@click.option("--learner", metavar="NAME", default="", help="Your name, where others use the same servers.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="The page's port.")
@workshop_backend_options
def start(folder: Path, resume: bool, learner: str, port: int, **options: str | None) -> None:
    """Begin the workshop in DIR [default: span-profiles-workshop], or go on with it.

    Copies the exercises, and never overwrites what is there. Starts the servers and the page, and runs until Ctrl-C;
    use a second terminal for the exercises. What you have done stays in the folder.
    """
    with told():
        check_installed()
        if not _NAME.fullmatch(learner):
            raise WorkshopError(f"--learner {learner!r}: up to 40 letters, digits and hyphens make a name")
        learners = LearnersFolder(folder.absolute())
        sessions.refuse_second(learners.state)
        if learners.is_begun and not resume:
            raise WorkshopError(
                f"a workshop was begun in {learners.path}: go on with it by `spanprofiles workshop start --resume"
                f" {shlex.quote(str(folder))}`, or name another folder"
            )
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
            say(f"the workshop in {learners.path} has ended; `spanprofiles workshop start --resume` goes on with it")


def _run(learners: LearnersFolder, learner: str, port: int, options: dict[str, str | None]) -> None:
    backend = backend_of(settings_of(options))
    with sessions.claimed(learners.state):
        try:
            copied = learners.fill(learner)
        except WorkshopError as error:
            again = f"spanprofiles workshop start --resume {shlex.quote(str(learners.path))}"
            raise WorkshopError(f"{error}. `{again}` goes on when that is mended") from error
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
            exercise = learners.next_exercise(progress)
            if exercise is not None:
                say_text(exercise.text)
            say(
                Styled(
                    "Leave this terminal open: Ctrl-C here ends the servers and the page. Open a second one:", bold=True
                )
            )
            say(f"    cd {shlex.quote(str(learners.path))}")
            say("    spanprofiles workshop status")
            while not asked:
                time.sleep(_LOOK_EVERY_S)
                backend.check_running()
        finally:
            for number in INTERRUPTIONS:  # it takes a second, and asking again is no help
                signal.signal(number, signal.SIG_IGN)
            backend.stop()
            with suppress(OSError):  # the terminal may be gone
                say("everything is stopped; your files are as you left them")


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
