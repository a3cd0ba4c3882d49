"""Where in the source code samples were taken: call paths whose frames name a file and a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanprofiles.model import sandwich
from spanprofiles.model.flamegraph import FlameGraph


@dataclass(frozen=True)
class SourceFrame:
    """A frame of a stack.

    Attributes:
        name: the function, as flame graphs name it.
        file: the file it is in, or empty.
        line: the line that ran, or whose call was under way; 0 where it is not known.
    """

    name: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Place:
    """A line of a function at one place of the call tree.

    Attributes:
        file: the file, or empty.
        line: the line; 0 where it is not known.
        value: value of the samples taken while it ran or had called another; ns for CPU.
    """

    file: str
    line: int
    value: int


class SourceLines:
    """The call tree of a set of samples with the files and lines of each frame. Immutable."""

    #: The whole, above the outermost functions.
    ROOT = 0

    def __init__(self, stacks: Iterable[tuple[Sequence[SourceFrame], int]] = ()) -> None:
        """Build the tree.

        Args:
            stacks: call path, outermost function first, and the value of the samples whose stack it is.
        """
        self._children: list[dict[str, int]] = [{}]
        self._places: list[Counter[tuple[str, int]]] = [Counter()]
        self._own: dict[str, Counter[tuple[str, int]]] = {}
        self._stacks = [(tuple(frames), value) for frames, value in stacks]
        for frames, value in self._stacks:
            node = self.ROOT
            for frame in frames:
                node = self._children[node].setdefault(frame.name, len(self._children))
                if node == len(self._children):
                    self._children.append({})
                    self._places.append(Counter())
                self._places[node][frame.file, frame.line] += value
            if frames:
                last = frames[-1]
                self._own.setdefault(last.name, Counter())[last.file, last.line] += value

    @property
    def stacks(self) -> Sequence[tuple[tuple[SourceFrame, ...], int]]:
        """Call paths, outermost function first, and values, as they were given."""
        return tuple(self._stacks)

    @property
    def flamegraph(self) -> FlameGraph:
        """The same samples by the names of functions alone."""
        return FlameGraph((tuple(frame.name for frame in frames), value) for frames, value in self._stacks)

    @property
    def total(self) -> int:
        """The value of all samples together."""
        return sum(value for _, value in self._stacks)

    @property
    def is_empty(self) -> bool:
        """Whether there is no sample at all."""
        return not self.total

    def below(self, node: int, name: str) -> int | None:
        """Return the frame of that name that was called from a frame, or None; frames are numbers, 0 is the whole."""
        return self._children[node].get(name)

    def places(self, node: int) -> list[Place]:
        """Return the lines of a frame, the one with the largest value first."""
        return _ordered(self._places[node])

    def own_places(self, name: str) -> list[Place]:
        """Return the lines of a function's own code over all call paths, the one with the largest value first."""
        return _ordered(self._own.get(name, Counter()))

    def callees_of(self, name: str) -> SourceLines:
        """Return what a function called, as :meth:`FlameGraph.callees_of` does."""
        return SourceLines(sandwich.callees(self._stacks, lambda frame: frame.name == name))

    def callers_of(self, name: str) -> SourceLines:
        """Return who called a function, as :meth:`FlameGraph.callers_of` does; their lines are those of the calls."""
        return SourceLines(sandwich.callers(self._stacks, lambda frame: frame.name == name))

    @property
    def files(self) -> Mapping[str, frozenset[str]]:
        """Of each function's name, the files it was seen in; functions without any are left out."""
        found: dict[str, set[str]] = {}
        for children in self._children:
            for name, node in children.items():
                found.setdefault(name, set()).update(file for file, _ in self._places[node] if file)
        return {name: frozenset(files) for name, files in found.items() if files}


def _ordered(places: Counter[tuple[str, int]]) -> list[Place]:
    return sorted(
        (Place(file, line, value) for (file, line), value in places.items()),
        key=lambda place: (-place.value, place.file, place.line),
    )
