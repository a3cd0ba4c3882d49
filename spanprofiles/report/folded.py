"""Folded stacks: one line a call path, its functions separated by semicolons, and its value; what most tools read."""

from __future__ import annotations

from spanprofiles.model import FlameGraph
from spanprofiles.model.printable import printable


def folded_text(flamegraph: FlameGraph) -> str:
    """Return a line for each call path, outermost function first, in the order of the paths.

    Semicolons and line breaks in a function's name would be taken for separators: they become ``:`` and a space. Other
    characters that cannot be seen become escapes.
    """
    lines = sorted(f"{';'.join(map(_name, path)) or 'total'} {value}" for path, value in flamegraph.stacks.items())
    return "".join(f"{line}\n" for line in lines)


def _name(name: str) -> str:
    return printable(" ".join(name.replace(";", ":").splitlines()), None)
