"""``spanprofiles workshop check`` and ``watch``."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from spanprofiles.cli import render
from spanprofiles.cli.exits import BROKEN
from spanprofiles.cli.output import Styled, say, say_json, show
from spanprofiles.cli.workshop.common import (
    all_solved,
    chosen,
    endpoints,
    folder_option,
    number_argument,
    progress_line,
    tell_board,
    told,
    workshop_backend_options,
)
from spanprofiles.clients import ClientError
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Judgement, NotHereError, Workbench, WorkshopError, all_exercises
from spanprofiles.workshop.check import judgement_on
from spanprofiles.workshop.folder import LearnersFolder
from spanprofiles.workshop.judgement import ORDINALS
from spanprofiles.workshop.kept import Kept
from spanprofiles.workshop.progress_report import name_among_others
from spanprofiles.workshop.requirements import check_installed
from spanprofiles.workshop.session import Session

WATCH_EVERY_S = 0.3
"""How often ``watch`` looks whether a file was saved, s."""


@click.command()
@number_argument
@click.argument("answer", metavar="[ANSWER]...", nargs=-1)
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print the judgement as JSON.")
@workshop_backend_options
def check(number: int | None, answer: tuple[str, ...], folder: Path, as_json: bool, **options: str | None) -> None:
    """Judge exercise N, by default the next one, by what your program does.

    Some exercises ask a question: give the ANSWER after the number, or write it into the file answer.txt beside the
    exercise's files. Ends with 0 if the exercise is solved, with 1 if it is not yet, and with 2 if it could not be
    judged.
    """
    with told():
        check_installed()
        learners = LearnersFolder.find(folder)
        exercise = chosen(learners, number)
        exercise.check_here()
        with (
            endpoints(learners, options) as (found, session),
            _bench(learners, exercise, found, " ".join(answer)) as bench,  # stops its programs after all is printed
        ):
            judgement = _judged(learners, bench)
            problem = _noted(learners, bench, judgement)  # before a word is printed: whoever reads may stop at any line
            if as_json:
                say_json({"exercise": exercise.number, **judgement.as_json()})
            else:
                print_judgement(exercise, judgement, bench, session)
            if problem is not None:
                raise problem
            if not as_json:
                _say_what_is_next(learners, judgement)
    if not judgement.passed:
        raise SystemExit(BROKEN)


@click.command()
@number_argument
@folder_option
@workshop_backend_options
def watch(number: int | None, folder: Path, **options: str | None) -> None:
    """Judge an exercise again each time you save one of its files, and show its flame graph. Ctrl-C ends it.

    Without N it watches all of them, and judges the one that you save.
    """
    with told():
        check_installed()
        learners = LearnersFolder.find(folder)
        first = chosen(learners, number)
        first.check_here()
        watched = (first,) if number else all_exercises()
        with endpoints(learners, options) as (found, session):
            saved = _Saves(learners, watched)
            saved.note(first)
            with Kept() as kept:
                _judge_and_print(learners, first, found, session, kept)
                say("Save a file, and its exercise is judged again. Ctrl-C ends this.")
                with suppress(KeyboardInterrupt):
                    last = first
                    while True:
                        exercise = saved.next()
                        if exercise != last:
                            kept.close()
                        last = exercise
                        say("")
                        now = time.strftime("%H:%M:%S")
                        say(Styled(f"── {now}: saved, judging exercise {exercise.number}", "bright_black"))
                        _judge_and_print(learners, exercise, found, session, kept)


class _Saves:
    """Looks which exercise was saved.

    Args:
        learners: the folder.
        watched: the exercises to look at.
    """

    def __init__(self, learners: LearnersFolder, watched: tuple[Exercise, ...]) -> None:
        self._learners = learners
        self._seen = {exercise: learners.fingerprint(exercise) for exercise in watched}

    def note(self, exercise: Exercise) -> None:
        """Take the files of an exercise as they are now for seen."""
        self._seen[exercise] = self._learners.fingerprint(exercise)

    def next(self, pause: Callable[[float], object] = time.sleep) -> Exercise:
        """Wait until a file is saved, and return its exercise."""
        while True:
            for exercise, seen in self._seen.items():
                if self._learners.fingerprint(exercise) != seen:
                    self.note(exercise)
                    return exercise
            pause(WATCH_EVERY_S)


def _judge_and_print(
    learners: LearnersFolder, exercise: Exercise, found: Endpoints, session: Session | None, kept: Kept
) -> None:
    """Judge, and print whatever comes of it: a server that fails once is no reason to end."""
    try:
        with _bench(learners, exercise, found) as bench:  # a learner need not wait until its programs have ended
            bench.kept = kept
            judgement = _judged(learners, bench)
            problem = _noted(learners, bench, judgement)
            print_judgement(exercise, judgement, bench, session)
            if problem is not None:
                raise problem
            _say_what_is_next(learners, judgement)
    except (WorkshopError, ClientError) as error:
        say(Styled(str(error), "red"))


def _judged(learners: LearnersFolder, bench: Workbench) -> Judgement:
    """Judge, and note where that cannot be done on this machine."""
    try:
        return judgement_on(bench)
    except NotHereError as error:
        learners.note_absence(bench.exercise, error)
        raise


def _noted(learners: LearnersFolder, bench: Workbench, judgement: Judgement) -> WorkshopError | None:
    """Note a judgement and tell the board; return what keeps it from being noted, to be told after the judgement."""
    try:
        learners.note_judgement(bench.exercise, judgement, bench.notes, bench.attempt)
        tell_board(learners, bench.endpoints, bench.exercise.name)
    except WorkshopError as error:
        return error
    return None


def _bench(learners: LearnersFolder, exercise: Exercise, found: Endpoints, answer: str = "") -> Workbench:
    progress = learners.progress()
    notes = dict(progress.of(exercise.name).notes)
    return Workbench(
        exercise,
        learners.files_of(exercise),
        found,
        progress.seed,
        answer,
        name_among_others(progress),
        notes,
        tell=progress_line,
    )


def print_judgement(exercise: Exercise, judgement: Judgement, bench: Workbench, session: Session | None) -> None:
    """Print a judgement, with the flame graph that it is about."""
    say(_verdict_of(judgement), f"   exercise {exercise.number}: {exercise.title}")
    for sentence in judgement.seen:
        say(f"  {sentence}" if sentence.startswith("  |") else f"  seen     {sentence}")
    for sentence in judgement.missing:
        say("  to do    " if judgement.is_look else Styled("  missing  ", "yellow"), sentence)
    if not judgement.passed and not judgement.is_look:
        about = f"   (the {ORDINALS[judgement.hint - 1]} of its hints is about this)" if judgement.hint else ""
        say(f"  stuck?   spanprofiles workshop hint {exercise.number}{about}")
    if bench.linked is not None:
        target = render.console()
        say("")
        show(target, render.linked_span(bench.linked, target, 5, is_explained=False))
    if session is not None and session.page:
        say(f"  on the page: {session.page}/workshop?exercise={exercise.number}")


def _verdict_of(judgement: Judgement) -> Styled:
    if judgement.is_look:
        return Styled("◦ seen", bold=True)
    return Styled("✓ solved", "green", bold=True) if judgement.passed else Styled("✗ not yet", "red", bold=True)


def _say_what_is_next(learners: LearnersFolder, judgement: Judgement) -> None:
    if not judgement.passed:
        return
    progress = learners.progress()
    following = learners.next_exercise(progress)
    if following is None:
        say(f"That was the last one: {all_solved(progress)}.")
    else:
        say(f"Next is exercise {following.number}, {following.title}: spanprofiles workshop show {following.number}")
