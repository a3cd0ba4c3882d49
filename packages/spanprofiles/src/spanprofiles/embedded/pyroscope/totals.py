"""Values added up over many profiles in bounded space: of very many the largest, the rest as one sum.

They are those of stacks, or of call paths, which are stacks without their lines: many stacks have one path.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.pyroscope.limits import MERGED_STACKS_LIMIT
from spanprofiles.embedded.store.profiles import ENTRY, LARGEST_INTEGER, PATH_MASK, STACK_BITS

OTHER_STACK = 0
"""In place of a stack's number: all that are not told apart. The store's own numbers begin with 1."""

Place = tuple[int, int, int]
"""Where a stack is: the number of its upload, its place among the stacks of that, from 0 on, and its frames' number."""


class Kind(Enum):
    """What is told apart."""

    PATHS = "paths"
    STACKS = "stacks"


class StackTotals:
    """The value of each stack or call path, by its number.

    Call paths have the store's numbers. Those of stacks are made of what is in them (see ``stacks``).

    Args:
        kind: which of them.
        limit: how many stacks are told apart; while they are added up there may be twice as many.
    """

    def __init__(self, kind: Kind, limit: int = MERGED_STACKS_LIMIT) -> None:
        self.kind = kind
        self._limit = limit
        self._values: dict[int, int] = {}
        self._places: dict[int, Place] = {}

    def __len__(self) -> int:
        """How many are told apart."""
        return len(self._values)

    def add(self, other: StackTotals, deadline: Deadline) -> None:
        """Add other totals.

        Raises:
            QueryTooLongError: the deadline passed.
        """
        values = self._values
        for stack, value in deadline.watch(other._values.items(), PIECE):
            values[stack] = values.get(stack, 0) + value
        self._places.update(other._places)
        self._shrink()

    def add_entries(self, entries: bytes) -> None:
        """Add the call paths in a blob of (number, value) pairs, as the store has them."""
        pairs = array(ENTRY, entries)
        self._add([number & PATH_MASK for number in pairs[::2]], pairs[1::2])
        self._shrink()

    def add_stacks(self, entries: bytes, stacks: Sequence[tuple[int, Place]]) -> None:
        """Add the stacks in a blob of (number, value) pairs, as the store has them.

        Args:
            entries: the blob.
            stacks: of each stack of its upload, the number by which it is told apart, and where it is.
        """
        pairs = array(ENTRY, entries)
        found = [stacks[number >> STACK_BITS] for number in pairs[::2]]
        self._add([number for number, _ in found], pairs[1::2])
        self._places.update(found)
        self._shrink()

    def _add(self, numbers: Iterable[int], added: Iterable[int]) -> None:
        values = self._values
        known = values.get
        for number, value in zip(numbers, added, strict=True):
            values[number] = known(number, 0) + value

    def kept(self, numbers: Container[int]) -> StackTotals:
        """Return the totals of some stacks or paths alone."""
        kept = StackTotals(self.kind, self._limit)
        kept._values = {number: value for number, value in self._values.items() if number in numbers}
        kept._places = self._places
        return kept

    @property
    def places(self) -> Mapping[int, Place]:
        """Where each stack that is told apart is to be found, by its number."""
        return self._places

    def _ordered(self) -> list[tuple[int, int]]:
        """Return (value with its sign changed, stack) pairs, the largest value first."""
        ordered = [(-value, stack) for stack, value in self._values.items()]
        ordered.sort()
        return ordered

    def _shrink(self) -> None:
        if len(self._values) > 2 * self._limit:
            other = self._values.pop(OTHER_STACK, 0)
            ordered = self._ordered()
            self._values = {stack: -below for below, stack in ordered[: self._limit]}
            self._values[OTHER_STACK] = other - sum([below for below, _ in ordered[self._limit :]])
            self._places = {number: place for number, place in self._places.items() if number in self._values}

    def items(self) -> Iterator[tuple[int, int]]:
        """(stack, value), the largest first.

        A sum that no 64 bits hold stops at the largest number that they do: what comes after it is left out.
        """
        room = LARGEST_INTEGER
        for below, stack in self._ordered():
            if not room:
                return
            yield stack, min(-below, room)
            room -= min(-below, room)
