"""From flat lists of operands and operators to trees, as the operators bind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from spanprofiles.embedded.traceql.operators import PRECEDENCE, RIGHT_ASSOCIATIVE, SUBTRACT

Tree = TypeVar("Tree")
Place = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True)
class Mark:
    """An operator and where it stands; ``prefix`` for one that stands before its operand."""

    operator: str
    place: Place
    prefix: bool = False


class Binder(Generic[Tree]):
    """Precedence climbing over a list of marks and operands.

    Args:
        binary: makes a tree of a mark and its two sides.
        unary: makes a tree of a mark and what follows it.
    """

    def __init__(
        self, binary: Callable[[Mark, Tree, Tree], Tree], unary: Callable[[Mark, Tree], Tree] | None = None
    ) -> None:
        self._binary = binary
        self._unary = unary

    def bind(self, items: Sequence[Mark | Tree]) -> Tree:
        """Build the tree of a list in which operands, with their prefixes, and binary marks alternate."""
        tree, end = self._climb(items, 0, 0)
        assert end == len(items)  # noqa: S101  # the grammar lets nothing else through
        return tree

    def _climb(self, items: Sequence[Mark | Tree], position: int, least: int) -> tuple[Tree, int]:
        # Chains of one level are followed in the loop: their length must not become depth.
        left, position = self._operand(items, position)
        while position < len(items):
            mark = items[position]
            assert isinstance(mark, Mark)  # noqa: S101  # likewise
            level = PRECEDENCE[mark.operator]
            if level < least:
                break
            follows = level if mark.operator in RIGHT_ASSOCIATIVE else level + 1
            right, position = self._climb(items, position + 1, follows)
            left = self._binary(mark, left, right)
        return left, position

    def _operand(self, items: Sequence[Mark | Tree], position: int) -> tuple[Tree, int]:
        item = items[position]
        if not isinstance(item, Mark):
            return item, position + 1
        assert self._unary is not None  # noqa: S101  # only fields have prefixes
        level = PRECEDENCE[SUBTRACT if item.operator == SUBTRACT else item.operator]
        operand, position = self._climb(items, position + 1, level + 1)
        return self._unary(item, operand), position
