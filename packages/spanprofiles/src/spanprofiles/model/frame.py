"""A box of a flame graph."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """A box of a flame graph: a function at one place of the call tree. Boxes with the same tree below are equal.

    Attributes:
        name: the function, qualified as the agent does (``Flask.dispatch_request``).
        total: value of the function and everything it called.
        self: value of the function's own code.
        children: the functions it called, largest first.
    """

    name: str
    total: int
    self: int
    children: tuple[Frame, ...] = field(default=(), repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        pending = [(self, other)]
        while pending:  # however deep
            mine, theirs = pending.pop()
            if mine is theirs:
                continue
            if mine._own != theirs._own or len(mine.children) != len(theirs.children):
                return False
            pending += zip(mine.children, theirs.children, strict=True)
        return True

    def __hash__(self) -> int:
        return hash((self._own, tuple(child._own for child in self.children)))

    @property
    def _own(self) -> tuple[str, int, int]:
        return self.name, self.total, self.self
