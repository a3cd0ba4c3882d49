"""``spanprofiles record``: what tests measure, of this folder or of a revision."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from spanprofiles.cli.exits import COULD_NOT_LOOK, leave
from spanprofiles.cli.output import say
from spanprofiles.experiment.commands import end_by_interruption, run
from spanprofiles.experiment.errors import ExperimentError
from spanprofiles.experiment.work_tree import work_tree


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--revision", metavar="REV", help="Record this revision, in a git work tree that is removed afterwards.")
@click.option("--setup", metavar="CMD", help="A shell command to run before the tests, such as 'pip install -e .'.")
def command(folder: Path, arguments: tuple[str, ...], revision: str | None, setup: str | None) -> None:
    """Run pytest with ARGUMENTS, and leave what its tests measure in FOLDER, for compare.

    With --revision, setup and tests run in the files of that revision, in the folder that corresponds to this one. The
    exit code is pytest's own; 2 if the tests could not run.
    """
    end_by_interruption()
    here = Path.cwd()
    target = folder.absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)  # tests that measure nothing leave it empty
    except OSError as error:
        leave(COULD_NOT_LOOK, f"{target} cannot be made: {error.strerror}")
    try:
        with work_tree(revision, here) if revision else nullcontext(None) as tree:
            directory = tree.directory if tree is not None else here
            if tree is not None:
                say(f"recording {revision} ({tree.commit[:12]}) in {directory}", err=True)
            if setup:
                _set_up(setup, directory)
            code = _test(arguments, target, directory)
    except ExperimentError as error:
        leave(COULD_NOT_LOOK, *str(error).split("\n"))
    raise SystemExit(code)


def _set_up(setup: str, directory: Path) -> None:
    code = run(["/bin/sh", "-c", setup], directory)
    if code:
        raise ExperimentError(f"the setup failed with exit code {code} in {directory}: {setup}")


def _test(arguments: Sequence[str], folder: Path, directory: Path) -> int:
    code = run([sys.executable, "-m", "pytest", *arguments, f"--span-profiles-record={folder}"], directory)
    return code if code >= 0 else COULD_NOT_LOOK
