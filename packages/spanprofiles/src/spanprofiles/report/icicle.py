"""The layout of a flame graph in whole columns, roots on top.

A chain of frames with the same samples, such as a framework's thirty frames above every request, becomes one box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spanprofiles.model import FlameGraph, Frame

_JOINED = " > "
_MORE = "… > "

#: Rows of a picture at most: deeper functions are left out.
MOST_ROWS = 200


@dataclass(frozen=True)
class Box:
    """One box of the picture.

    Attributes:
        left: first column.
        width: columns, at least 1.
        names: the functions it stands for, outermost first; several where a chain was folded.
        total: value of the samples in it.
        self: value of the samples in the innermost function's own code.
    """

    left: int
    width: int
    names: tuple[str, ...]
    total: int
    self: int

    @property
    def label(self) -> str:
        """What to write on it: the functions it stands for, as many of the innermost as fit."""
        room = self.width - 1  # one column tells it from its neighbour
        shown, rest = self.names[-1][: room + 1], len(self.names) - 1
        while rest:
            more = _JOINED.join((self.names[rest - 1], shown))
            if len(more) > room - (len(_MORE) if rest > 1 else 0):
                break
            shown, rest = more, rest - 1
        if rest and len(_MORE) + len(shown) <= room:
            shown = _MORE + shown
        return shown[:room]


def fold(frame: Frame) -> tuple[tuple[str, ...], Frame]:
    """Follow a chain of only children with all of their parent's samples; return its names and its last frame."""
    names = [frame.name]
    while len(frame.children) == 1 and frame.children[0].total == frame.total:
        frame = frame.children[0]
        names.append(frame.name)
    return tuple(names), frame


def icicle(flamegraph: FlameGraph, width: int) -> list[list[Box]]:
    """Lay a flame graph out over ``width`` columns.

    Returns:
        The rows, from the outermost functions inwards, each with its boxes from left to right. Boxes narrower than a
        column or deeper than ``MOST_ROWS`` are left out. An empty flame graph has no rows.
    """
    rows: list[list[Box]] = []
    level = _boxes(flamegraph.root.children, 0, flamegraph.total, width)
    while level and len(rows) < MOST_ROWS:
        rows.append([box for box, _, _ in level])
        level = [
            placed for _, frame, start in level for placed in _boxes(frame.children, start, flamegraph.total, width)
        ]
    return rows


def _boxes(frames: tuple[Frame, ...], start: int, total: int, width: int) -> list[tuple[Box, Frame, int]]:
    return list(_place(frames, start, total, width))


def _place(frames: tuple[Frame, ...], start: int, total: int, width: int) -> Iterator[tuple[Box, Frame, int]]:
    for frame in frames:
        left, right = round(start * width / total), round((start + frame.total) * width / total)
        if right > left:
            names, last = fold(frame)
            yield Box(left, right - left, names, frame.total, last.self), last, start
        start += frame.total


def deeper(flamegraph: FlameGraph, rows: list[list[Box]]) -> int:
    """Return how many functions are below the last row, where rows were left out; 0 where none were."""
    if len(rows) < MOST_ROWS:
        return 0
    drawn = sum(len(box.names) for row in rows for box in row)
    return sum(1 for _ in flamegraph.walk()) - 1 - drawn
