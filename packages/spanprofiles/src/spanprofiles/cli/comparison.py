"""What the commands that compare share: their options, and how a report is shown and ends the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from spanprofiles.cli.exits import COULD_NOT_LOOK, leave
from spanprofiles.cli.output import Styled, say, say_json
from spanprofiles.model.growth import GROWTH_EXPECTED, growth_of

if TYPE_CHECKING:
    from spanprofiles.model.comparison_report import ComparisonReport

_Command = TypeVar("_Command", bound=Callable[..., Any])

NO_REGRESSION, REGRESSION, CANNOT_SAY = 0, 1, COULD_NOT_LOOK


def _growth(context: click.Context, parameter: click.Parameter, value: str) -> float:
    growth = growth_of(value)
    if growth is None:
        raise click.BadParameter(f"{value!r} is not a growth: {GROWTH_EXPECTED} is expected", context, parameter)
    return growth


_OPTIONS = [
    click.option(
        "--threshold",
        callback=_growth,
        metavar="PERCENT",
        default="10%",
        show_default=True,
        help="The smallest growth that is a regression, as a part of a request's CPU.",
    ),
    click.option(
        "--markdown",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the report as Markdown, for a job's summary or a comment.",
    ),
    click.option(
        "--svg",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write a difference flame graph of each measurement into this folder.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
]


def comparison_options(command: _Command) -> _Command:
    """Add the options; the command hands what they give to :func:`print_report`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def print_report(report: ComparisonReport, *, markdown: Path | None, svg: Path | None, as_json: bool) -> NoReturn:
    """Print a report, write what else was asked for, and end the program: 0 no regression, 1 regression, 2 neither."""
    from spanprofiles.model.comparison import ComparisonVerdict
    from spanprofiles.report.comparison_json import report_document
    from spanprofiles.report.comparison_markdown import report_markdown

    if as_json:
        say_json(report_document(report))
    else:
        _print_lines(report)
    try:
        if markdown is not None:
            markdown.parent.mkdir(parents=True, exist_ok=True)
            markdown.write_text(report_markdown(report), encoding="utf-8")
        if svg is not None:
            for path in _write_pictures(report, svg):
                say(f"difference flame graph: {path}", err=True)
    except OSError as error:
        leave(COULD_NOT_LOOK, f"{error.filename} cannot be written: {error.strerror}")
    codes = {ComparisonVerdict.NO_REGRESSION: NO_REGRESSION, ComparisonVerdict.REGRESSION: REGRESSION}
    raise SystemExit(codes.get(report.verdict, CANNOT_SAY))


def _print_lines(report: ComparisonReport) -> None:
    from spanprofiles.report.comparison_text import conclusion, detail_lines, headline, verdict_words

    colours = {"regression": "red", "no regression": "green", "cannot say": "yellow"}
    for compared in report.measurements:
        words = verdict_words(compared)
        say(Styled(words, colours.get(words), bold=True), headline(compared).removeprefix(words))
        for line in detail_lines(compared):
            say(f"  {line}")
        say()
    say(Styled(conclusion(report), colours[report.verdict.value], bold=True))


def _write_pictures(report: ComparisonReport, folder: Path) -> list[Path]:
    from spanprofiles.measure.files import file_stem
    from spanprofiles.report.comparison_picture import comparison_picture

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for compared in report.compared:
        path = folder / f"{file_stem(compared.name)}-difference.svg"
        path.write_text(comparison_picture(compared), encoding="utf-8")
        written.append(path)
    return written
