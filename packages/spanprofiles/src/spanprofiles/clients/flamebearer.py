"""Pyroscope's flame graph JSON to :class:`~spanprofiles.model.FlameGraph`.

Source: ``querier.v1.FlameGraph``. A level holds its boxes in groups of four: offset from the end of the previous box,
total, self, index into ``names``; a box lies under the box of the level above that spans it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spanprofiles.clients.json_values import FrameBudget, at, fields, items, text, whole
from spanprofiles.model import CPU, FlameGraph

_GROUP = 4


class _Called(NamedTuple):
    """A function, and what called it: paths share what they have in common until a sample needs its own."""

    name: str
    caller: _Called | None


def _path(called: _Called | None) -> tuple[str, ...]:
    found = []
    while called is not None:
        found.append(called.name)
        called = called.caller
    return tuple(reversed(found))


def flamegraph(answer: Mapping[str, Any], profile_type: str = CPU) -> FlameGraph:
    """Read a flame graph.

    Args:
        answer: the server's answer.
        profile_type: the type of profile that was asked for.

    Raises:
        ValueError: it is not a flame graph, its boxes do not lie under one another, or there are too many.
    """
    names, frames = [text(name) for name in items(answer.get("names"))], FrameBudget()
    stacks: list[tuple[tuple[str, ...], int]] = []
    above: list[tuple[int, int, _Called | None]] = []
    for depth, level in enumerate(items(answer.get("levels"))):
        values = [whole(value) for value in items(fields(level).get("values"))]
        if len(values) % _GROUP:
            raise ValueError(f"level {depth} has {len(values)} values, which is not a multiple of {_GROUP}")
        boxes: list[tuple[int, int, _Called | None]] = []
        position, parent = 0, 0
        for index in range(0, len(values), _GROUP):
            offset, total, own, name = values[index : index + _GROUP]
            position += offset
            if not total:
                continue
            called: _Called | None = None  # the box of level 0 is the whole, not a function
            if depth:
                while parent < len(above) and above[parent][1] <= position:
                    parent += 1
                if parent == len(above) or position < above[parent][0]:
                    raise ValueError(f"a box of level {depth} lies under none of the level above")
                if position + total > above[parent][1]:
                    raise ValueError(f"a box of level {depth} is wider than the one it lies under")
                called = _Called(at(names, name), above[parent][2])
            if own:
                frames.spend(depth)
                stacks.append((_path(called), own))
            boxes.append((position, position + total, called))
            position += total
        above = boxes
    return FlameGraph(stacks, profile_type)
