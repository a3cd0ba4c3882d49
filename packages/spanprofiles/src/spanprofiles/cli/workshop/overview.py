"""``spanprofiles workshop status``, ``show``, ``hint``, ``solution`` and ``reset``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from spanprofiles.cli.output import Styled, say, say_json, say_lines
from spanprofiles.cli.workshop.common import (
    ExerciseNumber,
    all_solved,
    chosen,
    folder_option,
    number_argument,
    say_text,
    tell_board_of_session,
    told,
)
from spanprofiles.model import Endpoints
from spanprofiles.workshop import Exercise, Workbench, all_exercises
from spanprofiles.workshop.folder import LearnersFolder, absence_of
from spanprofiles.workshop.progress import Progress, Record
from spanprofiles.workshop.session import running

_NOWHERE = Endpoints(tempo="", pyroscope="")


@click.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(folder: Path, as_json: bool) -> None:
    """Show how far you have come, and what is next."""
    with told():
        learners = LearnersFolder.find(folder)
        progress, session = learners.progress(), running(learners.state)
        page = session.page if session else ""
        if as_json:
            say_json(_document(learners, progress, page))
            return
        print_overview(learners, progress, page)


@click.command()
@number_argument
@folder_option
def show(number: int | None, folder: Path) -> None:
    """Print the text of exercise N, by default of the next one."""
    with told():
        learners = LearnersFolder.find(folder)
        say_text(chosen(learners, number).text)


@click.command()
@number_argument
@click.argument("again", metavar="[WHICH]", type=click.IntRange(1), required=False)
@folder_option
def hint(number: int | None, again: int | None, folder: Path) -> None:
    """Give the next of the three hints for exercise N, or repeat the one that you name after the number."""
    with told():
        learners = LearnersFolder.find(folder)
        exercise = chosen(learners, number)
        known = learners.progress().of(exercise.name).hints
        given = again if again and again <= known else learners.note_hint(exercise)
        tell_board_of_session(learners, exercise.name)
        say(Styled(f"exercise {exercise.number}, hint {given} of {len(exercise.hints)}", bold=True))
        say_text(exercise.hints[given - 1])
        if given == len(exercise.hints):
            say(f"That was the last. `spanprofiles workshop solution {exercise.number}` shows a solution.")


@click.command()
@click.argument("number", metavar="N", type=ExerciseNumber(1))
@folder_option
def solution(number: int, folder: Path) -> None:
    """Show the changes that turn your files of exercise N into a solution, as a unified diff."""
    with told():
        learners = LearnersFolder.find(folder)
        exercise = chosen(learners, number)
        files, seed = learners.files_of(exercise), learners.progress().seed
        difference = learners.solution(exercise, Workbench(exercise, files, _NOWHERE, seed))
        if difference:
            say_lines(difference.rstrip("\n"))
        else:
            say(f"your files of exercise {number} are those of the solution", err=True)


@click.command()
@click.argument("number", metavar="N", type=ExerciseNumber(1))
@folder_option
def reset(number: int, folder: Path) -> None:
    """Put the files of exercise N back as they were given, and keep yours as a backup."""
    with told():
        learners = LearnersFolder.find(folder)
        exercise = chosen(learners, number)
        backup = learners.reset(exercise)
        kept = f"; your files are in {_shown(backup)}" if backup else ""
        say(f"exercise {number} is as it was given, and not solved{kept}")


def print_overview(learners: LearnersFolder, progress: Progress, page: str) -> None:
    """Print the exercises with their states, and what to do next."""
    say(Styled("The workshop", bold=True), f" in {learners.path}" + (f", its page at {page}/workshop" if page else ""))
    following = learners.next_exercise(progress)
    for exercise in all_exercises():
        record = progress.of(exercise.name)
        mark = Styled("✓", "green") if record.passed else "→" if exercise is following else " "
        note = _note(record, absence_of(exercise, record))
        say("  ", mark, f" {exercise.number:>2}  {exercise.title}", Styled(note, "bright_black"))
    if following is None:
        solved = all_solved(progress)
        say(f"{solved[0].upper()}{solved[1:]}. `spanprofiles workshop stop` ends the servers and the page.")
        return
    number = following.number
    say(f"Next is exercise {number}, in {_shown(learners.path / following.name)}:")
    say(f"    spanprofiles workshop show {number}      its text")
    if following.given:
        say(f"    spanprofiles workshop check {number}     judge it; `watch` judges at each save")
    else:
        say(f"    spanprofiles workshop check {number}     begin; then give your answer after the number")
    say(f"    spanprofiles workshop hint {number}      a hint")
    if not page:
        say("No page and no servers run: `spanprofiles workshop start` starts them, and goes on.")


def _note(record: Record, absence: str) -> str:
    words = [f"not here: {absence}"] if absence else []
    if record.begun_s and not (record.checks or record.hints):
        words.append("looked at")
    if record.checks:
        words.append(f"{record.checks} {'check' if record.checks == 1 else 'checks'}")
    if record.hints:
        words.append(f"{record.hints} {'hint' if record.hints == 1 else 'hints'}")
    return f"   {', '.join(words)}" if words else ""


def _document(learners: LearnersFolder, progress: Progress, page: str) -> dict[str, Any]:
    following = learners.next_exercise(progress)
    return {
        "folder": str(learners.path),
        "page": page or None,
        "next": following.number if following else None,
        "exercises": [_row(exercise, progress.of(exercise.name)) for exercise in all_exercises()],
    }


def _row(exercise: Exercise, record: Record) -> dict[str, Any]:
    return {
        "number": exercise.number,
        "name": exercise.name,
        "title": exercise.title,
        "passed": record.passed,
        "passed_s": record.passed_s,
        "checks": record.checks,
        "hints": record.hints,
        "not_here": absence_of(exercise, record) or None,
        "judgement": record.judgement.as_json() if record.judgement else None,
    }


def _shown(path: Path) -> str:
    """Return a path as the learner would type it here."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) and relative != os.curdir else str(path)
