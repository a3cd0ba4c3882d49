"""Where the boxes of a flame graph stand: one row a depth, from the outermost functions on top inwards."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from spanprofiles.model import CPU, FlameGraph, Frame

_SHORTEST_CHAIN = 3

#: Boxes of a flame graph at most; of more the narrowest are left out. Pyroscope's own limit is 8192 by default.
MOST_BOXES = 6000


class Origin(Enum):
    """Whose code a function is."""

    OWN = "own"
    LIBRARY = "library"
    UNKNOWN = "unknown"


OriginOf = Callable[[str], Origin]


@dataclass(frozen=True)
class FlameBox:
    """One box of the picture; values as in the flame graph (ns for CPU).

    Attributes:
        key: 8 hex digits that name its call path; the same in every flame graph that has this path.
        names: the functions it stands for, outermost first; more than one where a chain of library frames is folded.
        parent: index of the box above, or -1.
        depth: its row; the whole is row 0.
        start: value of everything to the left of it.
        total: value of the samples in it.
        self: value of the samples in the innermost function's own code.
        origin: whose code it is.
    """

    key: str
    names: tuple[str, ...]
    parent: int
    depth: int
    start: int
    total: int
    self: int
    origin: Origin

    @property
    def label(self) -> str:
        """What is written on it."""
        if len(self.names) == 1:
            return self.names[0]
        return f"{len(self.names)} library frames: {self.names[0]} … {self.names[-1]}"


@dataclass(frozen=True)
class FlameLayout:
    """All boxes, parents before children, siblings from left to right; the first is the whole.

    Attributes:
        boxes: the boxes.
        profile_type: what their values are.
        left_out: how many more there are, each narrower than those.
    """

    boxes: tuple[FlameBox, ...]
    profile_type: str = CPU
    left_out: int = 0

    @property
    def whole(self) -> FlameBox:
        """The box on top."""
        return self.boxes[0]

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return 1 + max(box.depth for box in self.boxes)

    def find(self, key: str) -> int:
        """Return the index of the box with that key, 0 (the whole) where there is none."""
        return next((index for index, box in enumerate(self.boxes) if box.key == key), 0)

    def lineage(self, index: int) -> list[int]:
        """Return the indexes of a box and all boxes above it, the box first."""
        found = [index]
        while self.boxes[found[-1]].parent >= 0:
            found.append(self.boxes[found[-1]].parent)
        return found


def unknown_origin(_: str) -> Origin:
    """Say of every function that nothing is known of its origin."""
    return Origin.UNKNOWN


def flame_layout(
    flamegraph: FlameGraph, *, title: str = "total", origin_of: OriginOf = unknown_origin, fold_libraries: bool = True
) -> FlameLayout:
    """Lay a flame graph out.

    Args:
        flamegraph: what to draw.
        title: the name of the box on top.
        origin_of: whose code a function is. Where that is unknown of a name, it is taken for its caller's.
        fold_libraries: make one box of a chain of library frames that all have the same samples, as the thirty of a
            web framework above every request.
    """
    root = flamegraph.root
    boxes: list[FlameBox] = []
    pending: list[tuple[Frame, int, int, int, int, Origin]] = [(root, -1, 0, 0, 0, Origin.UNKNOWN)]
    while pending:
        frame, parent, depth, start, above, inherited = pending.pop()
        names, last, key, origin = [frame.name], frame, zlib.crc32(frame.name.encode(), above), inherited
        if parent >= 0:
            origin = _origin(frame.name, origin_of, inherited)
            if fold_libraries and origin is Origin.LIBRARY:
                names, last, key = _chain(frame, key, origin_of)
        else:
            names = [title]
        index = len(boxes)
        boxes.append(FlameBox(f"{key:08x}", tuple(names), parent, depth, start, frame.total, last.self, origin))
        edge = start + frame.total
        for child in reversed(last.children):  # the largest comes off the stack first, and stands at the left
            edge -= child.total
            pending.append((child, index, depth + 1, edge - last.self, key, origin))
    kept = widest(boxes)
    return FlameLayout(kept, flamegraph.profile_type, len(boxes) - len(kept))


def widest(boxes: Sequence[FlameBox]) -> tuple[FlameBox, ...]:
    """Return the widest boxes, as many as a picture may have, in their order; none stands without those above it."""
    if len(boxes) <= MOST_BOXES:
        return tuple(boxes)
    # a box is at least as wide as those below it, and comes before them: where widths are equal the earlier one stays
    order = sorted(range(len(boxes)), key=lambda index: (-boxes[index].total, index))
    numbers = {index: number for number, index in enumerate(sorted(order[:MOST_BOXES]))}
    return tuple(replace(boxes[index], parent=numbers.get(boxes[index].parent, -1)) for index in numbers)


def _origin(name: str, origin_of: OriginOf, inherited: Origin) -> Origin:
    found = origin_of(name)
    return inherited if found is Origin.UNKNOWN else found


def _chain(frame: Frame, key: int, origin_of: OriginOf) -> tuple[list[str], Frame, int]:
    """Follow library frames that are only children with all of their parent's samples."""
    names, last, last_key = [frame.name], frame, key
    while len(last.children) == 1 and last.children[0].total == last.total:
        child = last.children[0]
        if origin_of(child.name) is Origin.OWN:
            break
        names.append(child.name)
        last, last_key = child, zlib.crc32(child.name.encode(), last_key)
    if len(names) < _SHORTEST_CHAIN:
        return [frame.name], frame, key
    return names, last, last_key
