"""``spanprofiles workshop board``: what whoever gives the workshop sees of a class."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from spanprofiles.cli import render
from spanprofiles.cli.exits import COULD_NOT_LOOK, leave, reported
from spanprofiles.cli.options import Period, backend_options, endpoints_of
from spanprofiles.cli.output import Styled, say, say_json, show
from spanprofiles.clients import TempoClient
from spanprofiles.model import Endpoints
from spanprofiles.workshop import all_exercises
from spanprofiles.workshop.board import Board, Row
from spanprofiles.workshop.progress_report import ExerciseState

_LONGEST_S = 167 * 3600  # Tempo refuses to search more than 168 h


@click.command()
@click.option("--since", type=Period(_LONGEST_S), default="12h", show_default=True, help="How far to look back.")
@click.option("--tenants", metavar="NAMES", default="", help="The learners' tenants, with commas between them.")
@click.option("--page", "as_page", is_flag=True, help="Serve the board as a page, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="The page's port.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@backend_options
def board(since: float, tenants: str, as_page: bool, port: int, as_json: bool, **options: str | None) -> None:
    """Show how far each learner of a class is, and where somebody is stuck.

    The learners use the same servers, and have begun with start --learner NAME, or have a tenant each.
    """
    with reported():
        found = endpoints_of(dict(os.environ), options)
        names = [name.strip() for name in tenants.split(",") if name.strip()]
        progress = Board(_tempos(found, names), time.time() - since)
        if as_page:
            _serve(found, progress, port)
            return
        rows = progress.rows()
        if as_json:
            say_json({"learners": [_document(row) for row in rows], "left_out": progress.left_out})
        else:
            _print(rows, progress.left_out)


def _tempos(found: Endpoints, tenants: list[str]) -> list[TempoClient]:
    credentials = found.credentials_for("tempo")
    try:
        each = [replace(credentials, tenant=tenant) for tenant in tenants] or [credentials]
    except ValueError as error:
        raise click.UsageError(f"--tenants: {error}") from error
    return [TempoClient(found.tempo, chosen) for chosen in each]


def _serve(found: Endpoints, progress: Board, port: int) -> None:
    from spanprofiles.ui import CannotListenError, create_app, serve

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            serve(create_app(found, board=progress), "127.0.0.1", port, lambda url: say(f"board      {url}/board"))
    except CannotListenError as error:
        leave(COULD_NOT_LOOK, str(error))


def _print(rows: list[Row], left_out: int) -> None:
    if not rows:
        say(
            "No learner has reported yet. Each begins with `spanprofiles workshop start --learner NAME`, on these"
            " servers."
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("learner", no_wrap=True, overflow="ellipsis")
    table.add_column("solved", justify="right")
    for exercise in all_exercises():
        table.add_column(str(exercise.number), justify="right")
    table.add_column("last seen", justify="right")
    table.add_column("now", no_wrap=True)
    for row in rows:
        cells = [_cell(row, state) for state in row.states]
        table.add_row(Text(row.name), str(row.solved), *cells, ago(row.age_s), _now(row))
    show(render.console(), table)
    if left_out:
        say(f"and {left_out} more learners")
    for row in rows:
        if row.current is not None and not row.current.passed and row.missing:
            say(Styled(f"{row.name}, {row.current.number}: ", bold=row.stuck is not None), f"missing {row.missing}")
    say(Styled("✓ solved · ◦ looked at · 3: checks so far · ?1: hints taken · !: stuck", "bright_black"))


def _cell(row: Row, state: ExerciseState) -> Text:
    if row.is_stuck(state):
        return Text(f"!{state.mark}", style="bold red")
    return Text(state.mark, style="green" if state.passed else "" if state.is_begun else "bright_black")


def _now(row: Row) -> Text:
    return Text(row.now, style="bold red" if row.stuck else "")


def ago(seconds: float) -> str:
    """Return how long ago something was, in words."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "just now"
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


def _document(row: Row) -> dict[str, Any]:
    return {
        "learner": row.name,
        "solved": row.solved,
        "exercise": row.current.number if row.current else None,
        "stuck": row.stuck is not None,
        "missing": row.missing,
        "age_s": round(row.age_s),
        "exercises": [{**asdict(state), "looked": state.is_look} for state in row.states],
    }
