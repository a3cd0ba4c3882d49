"""Draws traces and flame graphs for a terminal in colour, or as plain text if there is no terminal."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import zlib
from pathlib import Path
from typing import NoReturn

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spanprofiles.linking import Evidence, LinkedSpan
from spanprofiles.model import FlameGraph, Trace
from spanprofiles.model.amounts import percent
from spanprofiles.model.printable import LONGEST_LINE
from spanprofiles.model.profile_types import note
from spanprofiles.report import duration, flame_lines, icicle, printable, span_tree, top_table
from spanprofiles.report.excess import cpu_excess
from spanprofiles.report.icicle import deeper
from spanprofiles.report.text import left_out

_WARM = ("#d9480f", "#e8590c", "#f76707", "#fd7e14", "#ff922b", "#f08c00", "#f59f00", "#fab005", "#e67700", "#e03131")
_WIDEST = 140


class _Console(Console):
    """Leaves closed outputs to the command line, where the library itself would exit with 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console() -> Console:
    """Return the console of standard output; a pipe gets 120 columns. No text is markup: others wrote it.

    Print by :func:`spanprofiles.cli.output.show`.
    """
    width = None if sys.stdout.isatty() else 120
    return _Console(width=width, highlight=False, soft_wrap=False, markup=False, emoji=False)


def flame(flamegraph: FlameGraph, width: int, *, colour: bool) -> RenderableType:
    """Draw a flame graph, outermost functions on top."""
    if not colour or flamegraph.is_empty:
        return Text("\n".join(flame_lines(flamegraph, width)), no_wrap=True)
    lines = []
    rows = icicle(flamegraph, width)
    for row in rows:
        line = Text(no_wrap=True)
        for box in row:
            line.append(" " * (box.left - len(line)))
            background = _WARM[zlib.crc32(box.names[-1].encode()) % len(_WARM)]
            line.append(printable(box.label)[: box.width - 1].ljust(box.width - 1), style=f"black on {background}")
            line.append("▏" if box.width > 1 else " ", style=f"black on {background}")
        lines.append(line)
    return Group(*lines, *map(Text, left_out(deeper(flamegraph, rows))))


def trace_tree(evidence: Evidence) -> RenderableType:
    """Draw the spans of a trace that was found; linked spans stand out."""
    trace = evidence.trace or Trace.of(evidence.trace_id, [])
    lines = []
    for line in span_tree(trace, evidence.flamegraphs, evidence.excused):
        linked = "└ span profile" in line and ": " in line and "no samples" not in line
        style = "red" if "DEAD LINK" in line else "green" if linked else ""
        lines.append(Text(line, style=style, no_wrap=True, overflow="ellipsis"))
    return Group(*lines)


def top(flamegraph: FlameGraph, count: int) -> RenderableType:
    """Draw the table of the functions with the most own time."""
    if flamegraph.is_empty:
        return Text(top_table(flamegraph)[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("self", "95 % interval", "self %", "total"):
        table.add_column(title, justify="right")
    table.add_column("function", no_wrap=True, overflow="ellipsis")
    for row in flamegraph.top(count):
        share = percent(row.self / flamegraph.total)
        own, whole = (printable(flamegraph.as_text(value)) for value in (row.self, row.total))
        table.add_row(own, printable(flamegraph.reach_of(row.self)), share, whole, Text(printable(row.name)))
    return table


def linked_span(linked: LinkedSpan, target: Console, count: int = 8, *, is_explained: bool = True) -> RenderableType:
    """Draw one linked span: span, amount, flame graph, top table.

    Args:
        linked: the span.
        target: where it is drawn.
        count: rows of the table at most.
        is_explained: whether to say why the CPU can be more than the span lasted, where it is.
    """
    span = linked.span
    title = Text.assemble(
        (printable(span.name), "bold"),
        f" in {printable(span.service) or 'a service without a name'}, {duration(span.duration_ns)} long\n",
        printable(f"span profile {linked.profile_id}: {linked.amount}"),
    )
    excess = cpu_excess(span, linked.cpu_ns) if is_explained else ""
    notes = [printable(note, LONGEST_LINE) for note in (excess, _of_another_type(linked))]
    return Group(
        title,
        *(note for note in notes if note),
        "",
        picture_and_top(linked.flamegraph, target, count),
    )


def picture_and_top(flamegraph: FlameGraph, target: Console, count: int) -> RenderableType:
    """Draw a flame graph, and below it the functions with the most own time."""
    picture = flame(flamegraph, min(target.width - 2, _WIDEST), colour=target.color_system is not None)
    return Group(_indented(picture), "", _indented(top(flamegraph, count)))


def _of_another_type(linked: LinkedSpan) -> str:
    told = "" if linked.flamegraph.is_empty else note(linked.profile_type)
    return f"{told[:1].upper()}{told[1:]}." if told else ""


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 1), expand=False)


def program() -> str:
    """Return the command by which the user calls this program, for the next commands to suggest."""
    path = Path(sys.executable).parent / "spanprofiles"
    try:
        return shlex.quote(str(path.relative_to(Path.cwd())))
    except ValueError:
        return "spanprofiles"
