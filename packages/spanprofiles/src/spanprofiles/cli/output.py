"""Prints everything that the command line prints, made safe for terminals and CI logs.

Names in telemetry and answers of servers may hold anything; see :mod:`spanprofiles.model.printable`. The linter lets no
other module print.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from spanprofiles.model.printable import LONGEST_LINE, printable, printable_lines, without_commands

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_CONTROL = re.compile(r"(\x1b\[[0-9;]*m)|[^\n\x20-\x7e\xa0-\U0010ffff]")  # but for styles


@dataclass(frozen=True)
class Styled:
    """Words in a colour.

    Attributes:
        text: the words.
        fg: the colour; None for the terminal's own.
        bold: whether they are bold.
    """

    text: str
    fg: str | None = None
    bold: bool = False


def say(*parts: str | Styled, err: bool = False) -> None:
    """Print one line, whatever its parts hold.

    Args:
        parts: joined without anything between them.
        err: whether it goes to standard error.
    """
    click.echo(without_commands("".join(map(_written, parts))), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines that is printable already, such as a report."""
    click.echo(printable_lines(text), err=err)


def say_json(document: Any) -> None:
    """Print JSON in one line. It has no control characters, and no ``##``, which a CI may look for within a line."""
    click.echo(json.dumps(document).replace("##", r"\u0023#"))


def rewrite(line: str) -> None:
    """Replace the last line on standard error."""
    click.echo(f"\r\x1b[2K{printable(line)}", nl=False, err=True)


def show(console: Console, *parts: RenderableType) -> None:
    """Print what rich has laid out, each part on its own lines.

    A name that is cut at the end of a line can start the next one, so the lines are made safe after the layout.
    """
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    text = _CONTROL.sub(lambda match: match[1] or printable(match[0]), captured.get())
    click.echo(without_commands(text), console.file, nl=False, color=console.color_system is not None or None)


def _written(part: str | Styled) -> str:
    if isinstance(part, str):
        return printable(part, LONGEST_LINE)
    return click.style(printable(part.text, LONGEST_LINE), fg=part.fg, bold=part.bold or None)
