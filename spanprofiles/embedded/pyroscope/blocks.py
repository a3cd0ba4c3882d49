"""Sums of many profiles, remembered: profiles never change, so a block of them is read and added up once."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import add_entries

BLOCK_BITS = 8
LEAST_REMEMBERED = 32
ENTRIES_LIMIT = 250_000

Block = tuple[int, ...]
"""The numbers of profiles that follow each other."""


class Blocks:
    """The value of each stack in blocks of profiles; the least used are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[Block, dict[int, int]] = OrderedDict()
        self._entries = 0
        self._lock = threading.Lock()

    def totals(self, connection: StoreConnection, numbers: Sequence[int]) -> Iterator[dict[int, int]]:
        """The value of each stack, block by block.

        Args:
            connection: where to read.
            numbers: those of the profiles, in ascending order.
        """
        for _, members in itertools.groupby(numbers, lambda number: number >> BLOCK_BITS):
            connection.deadline.check()
            block = tuple(members)
            with self._lock:
                known = self._known.get(block)
                if known is not None:
                    self._known.move_to_end(block)
            yield known if known is not None else self._read(connection, block)

    def _read(self, connection: StoreConnection, block: Block) -> dict[int, int]:
        totals: dict[int, int] = {}
        listed = ", ".join(map(str, block))
        for (entries,) in connection.execute(f"SELECT entries FROM profiles WHERE id IN ({listed})"):  # noqa: S608  # numbers
            add_entries(totals, entries)
        if len(block) >= LEAST_REMEMBERED:
            self._remember(block, totals)
        return totals

    def _remember(self, block: Block, totals: dict[int, int]) -> None:
        with self._lock:
            if block not in self._known and len(totals) < ENTRIES_LIMIT:
                self._known[block] = totals
                self._entries += len(totals)
                while self._entries > ENTRIES_LIMIT:
                    _, forgotten = self._known.popitem(last=False)
                    self._entries -= len(forgotten)
