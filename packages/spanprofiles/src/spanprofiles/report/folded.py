"""Folded stacks, which most tools read: a line for each call path, with semicolons between functions, and its value."""

from __future__ import annotations

from collections.abc import Iterator

from spanprofiles.model import FlameGraph
from spanprofiles.model.printable import printable


def folded_text(flamegraph: FlameGraph) -> str:
    """Return all lines of :func:`folded_lines` as one text."""
    return "".join(folded_lines(flamegraph))


def folded_lines(flamegraph: FlameGraph) -> Iterator[str]:
    """Yield a line for each call path, outermost function first, in the order of the paths.

    Every path is there, however many there are: the file is for other programs, and a cut one would have another total.
    So the lines are made one by one.

    Semicolons and line breaks in a function's name would read as separators, so they become ``:`` and a space. Other
    invisible characters become escapes.
    """
    for path, value in sorted(flamegraph.stacks.items()):
        yield f"{';'.join(map(_name, path)) or 'total'} {value}\n"


def _name(name: str) -> str:
    return printable(" ".join(name.replace(";", ":").splitlines()), None)
