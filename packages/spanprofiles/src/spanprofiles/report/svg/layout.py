"""The places of a flame graph's boxes: a row for each depth, with the outermost functions on top."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from itertools import count, islice

from spanprofiles.model import CPU, FlameGraph, Frame

_SHORTEST_CHAIN, _LONGEST_CHAIN = 3, 100
_LONGEST_LABEL = 300

#: Boxes of a flame graph at most; of more the narrowest are left out. Pyroscope's own limit is 8192 by default.
MOST_BOXES = 6000


class Origin(Enum):
    """Whose code a function is."""

    OWN = "own"
    LIBRARY = "library"
    UNKNOWN = "unknown"


OriginOf = Callable[[str], Origin]


@dataclass(frozen=True, slots=True)
class FlameBox:
    """One box of the picture; values as in the flame graph (ns for CPU).

    Attributes:
        key: 8 hex digits for its call path, the same in every flame graph with this path.
        names: the functions it stands for, outermost first; several where a chain of library frames is folded.
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
        """The text on it: its names, or the beginning of very long ones."""
        if len(self.names) == 1:
            return shortened(self.names[0])
        return f"{len(self.names)} library frames: {shortened(self.names[0])} … {shortened(self.names[-1])}"


def checksum(name: str, above: int = 0) -> int:
    """Return a number for a name, the same in each run. A hostile server's names may have halves of surrogate pairs."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass"), above)


def shortened(name: str) -> str:
    """Return a name, or the beginning of a very long one: names of 60,000 characters make a picture of 200 MB."""
    return name if len(name) <= _LONGEST_LABEL else f"{name[:_LONGEST_LABEL]}…"


@dataclass(frozen=True)
class FlameLayout:
    """All boxes, parents before children, siblings from left to right; the first is the whole.

    Attributes:
        boxes: the boxes.
        profile_type: what their values are.
        left_out: how many narrower ones are left out.
        sample_value: the value of one sample; None if the samples cannot be counted.
    """

    boxes: tuple[FlameBox, ...]
    profile_type: str = CPU
    left_out: int = 0
    sample_value: float | None = None

    @property
    def whole(self) -> FlameBox:
        """The box on top."""
        return self.boxes[0]

    @property
    def total(self) -> int:
        """The value of all samples."""
        return self.whole.total

    def find(self, key: str) -> int:
        """Return the index of the box with that key, or 0 (the whole) where there is none."""
        return next((index for index, box in enumerate(self.boxes) if box.key == key), 0)

    def lineage(self, index: int) -> list[int]:
        """Return the indexes of a box and all boxes above it, the box first."""
        found = [index]
        while self.boxes[found[-1]].parent >= 0:
            found.append(self.boxes[found[-1]].parent)
        return found


def unknown_origin(_: str) -> Origin:
    """Return that the origin of a function is unknown."""
    return Origin.UNKNOWN


def flame_layout(
    flamegraph: FlameGraph, *, title: str = "total", origin_of: OriginOf = unknown_origin, fold_libraries: bool = True
) -> FlameLayout:
    """Lay out a flame graph.

    Args:
        flamegraph: what to draw.
        title: the name of the box on top.
        origin_of: whose code a function is. Where that is unknown, it counts as its caller's.
        fold_libraries: whether to make one box of a chain of library frames with the same samples, such as the thirty
            of a web framework above every request.
    """
    boxes = tuple(islice(_boxes(flamegraph.root, title, origin_of, fold_libraries=fold_libraries), MOST_BOXES + 1))
    if len(boxes) <= MOST_BOXES:
        return FlameLayout(boxes, flamegraph.profile_type, sample_value=flamegraph.sample_value)
    widest = _Widest(flamegraph.root, origin_of, fold_libraries=fold_libraries)
    boxes = tuple(_boxes(flamegraph.root, title, origin_of, widest.has, fold_libraries=fold_libraries))
    frames = sum(1 for _ in flamegraph.walk())
    left_out = frames - sum(len(box.names) for box in boxes)
    return FlameLayout(boxes, flamegraph.profile_type, left_out, flamegraph.sample_value)


def _boxes(
    root: Frame,
    title: str,
    origin_of: OriginOf,
    is_wanted: Callable[[int], bool] = lambda _: True,
    *,
    fold_libraries: bool,
) -> Iterator[FlameBox]:
    """Yield the boxes, parents before children; those whose total is not wanted are left out with all below them."""
    index = 0
    pending: list[tuple[Frame, int, int, int, int, Origin]] = [(root, -1, 0, 0, 0, Origin.UNKNOWN)]
    while pending:
        frame, parent, depth, start, above, inherited = pending.pop()
        if not is_wanted(frame.total):
            continue
        names, last, key, origin = [frame.name], frame, checksum(frame.name, above), inherited
        if parent >= 0:
            origin = _origin(frame.name, origin_of, inherited)
            if fold_libraries and origin is Origin.LIBRARY:
                names, last, key = _chain(frame, key, origin_of)
        else:
            names = [title]
        yield FlameBox(f"{key:08x}", tuple(names), parent, depth, start, frame.total, last.self, origin)
        edge = start + frame.total
        for child in reversed(last.children):  # the largest comes off the stack first, and is at the left
            edge -= child.total
            pending.append((child, index, depth + 1, edge - last.self, key, origin))
        index += 1


class _Widest:
    """Tells whether boxes, which come parents first, are among the widest, which a picture may have.

    A box is at least as wide as those below it. So the widest always include the boxes above them, and only boxes below
    them need checking. Of equal widths the earlier box counts.
    """

    def __init__(self, root: Frame, origin_of: OriginOf, *, fold_libraries: bool) -> None:
        numbers = count()
        waiting = [(-root.total, next(numbers), root, Origin.UNKNOWN)]
        totals: list[int] = []
        while waiting and len(totals) < MOST_BOXES:
            _, _, frame, inherited = heappop(waiting)
            origin, last = _origin(frame.name, origin_of, inherited) if totals else Origin.UNKNOWN, frame
            if fold_libraries and origin is Origin.LIBRARY:
                _, last, _ = _chain(frame, 0, origin_of)
            totals.append(frame.total)
            for child in last.children:
                heappush(waiting, (-child.total, next(numbers), child, origin))
        self._least = totals[-1]
        self._of_the_least = totals.count(self._least)

    def has(self, total: int) -> bool:
        if total == self._least:
            self._of_the_least -= 1
            return self._of_the_least >= 0
        return total > self._least


def _origin(name: str, origin_of: OriginOf, inherited: Origin) -> Origin:
    found = origin_of(name)
    return inherited if found is Origin.UNKNOWN else found


def _chain(frame: Frame, key: int, origin_of: OriginOf) -> tuple[list[str], Frame, int]:
    """Follow library frames that are only children with all of their parent's samples, at most a hundred.

    A frame with samples of its own is never folded: where the time went must have a box and a name.
    """
    names, last, last_key = [frame.name], frame, key
    while len(last.children) == 1 and last.children[0].total == last.total and len(names) < _LONGEST_CHAIN:
        child = last.children[0]
        if origin_of(child.name) is Origin.OWN or child.self:
            break
        names.append(child.name)
        last, last_key = child, checksum(child.name, last_key)
    if len(names) < _SHORTEST_CHAIN:
        return [frame.name], frame, key
    return names, last, last_key
