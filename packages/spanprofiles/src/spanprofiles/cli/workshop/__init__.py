"""``spanprofiles workshop``: learn span profiles by mending them."""

from __future__ import annotations

import click

from spanprofiles.cli.workshop.board import board
from spanprofiles.cli.workshop.judge import check, watch
from spanprofiles.cli.workshop.overview import hint, reset, show, solution, status
from spanprofiles.cli.workshop.start import start, stop


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Learn span profiles by mending small broken programs.

    Begin with start: it copies the exercises into a folder of yours, and starts the servers and the page. All other
    commands are for a second terminal, in that folder.
    """


for _subcommand in (start, status, show, check, watch, hint, solution, reset, stop, board):
    command.add_command(_subcommand)
