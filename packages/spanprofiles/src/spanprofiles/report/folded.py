"""Folded stacks: one line a call path, its functions separated by semicolons, and its value; what most tools read."""

from __future__ import annotations

from collections.abc import Iterator

from spanprofiles.model import FlameGraph
from spanprofiles.model.printable import printable


def folded_text(flamegraph: FlameGraph) -> str:
    """Return all lines of :func:`folded_lines` as one text."""
    return "".join(folded_lines(flamegraph))


def folded_lines(flamegraph: FlameGraph) -> Iterator[str]:
    """Yield a line for each call path, outermost function first, in the order of the paths.

    None is left out, however many there are: a file of them is for other programs, and one that is cut would add up to
    something else. So it is made line by line.

    Semicolons and line breaks in a function's name would be taken for separators: they become ``:`` and a space. Other
    characters that cannot be seen become escapes.
    """
    for path, value in sorted(flamegraph.stacks.items()):
        yield f"{';'.join(map(_name, path)) or 'total'} {value}\n"


def _name(name: str) -> str:
    return printable(" ".join(name.replace(";", ":").splitlines()), None)
