"""Sums of many profiles, remembered: profiles never change, so a block of them is read and added up once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.pyroscope.stacks import add_rows
from spanprofiles.embedded.pyroscope.totals import Kind, StackTotals
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.profiles import OF_UPLOAD

BLOCK_BITS = 8
LEAST_REMEMBERED = 32
CACHE_BYTES = 40 * 1024 * 1024
"""How much memory the sums may take."""
ENTRY_BYTES = {Kind.PATHS: 160, Kind.STACKS: 400}
"""About how much one path or stack takes in a sum; a profile's number takes less."""

Block = tuple[int, ...]
"""The numbers of profiles that follow each other."""


class Blocks:
    """The value of each stack or call path in blocks of profiles; the least used are forgotten."""

    def __init__(self) -> None:
        self._known: ByteCache[tuple[Kind, Block], StackTotals] = ByteCache(CACHE_BYTES)

    def totals(self, connection: StoreConnection, numbers: Sequence[int], kind: Kind) -> Iterator[StackTotals]:
        """Sum the value of each stack or call path, block by block.

        Args:
            connection: where to read.
            numbers: those of the profiles, in ascending order.
            kind: what is told apart.

        Raises:
            QueryTooLongError: the connection's deadline passed.
        """
        for _, members in itertools.groupby(numbers, lambda number: number >> BLOCK_BITS):
            connection.deadline.check()
            block = tuple(members)
            known = self._known.get((kind, block))
            yield known if known is not None else self._read(connection, block, kind)

    def _read(self, connection: StoreConnection, block: Block, kind: Kind) -> StackTotals:
        totals = StackTotals(kind)
        listed = ", ".join(map(str, block))
        rows = connection.execute(
            f"SELECT {OF_UPLOAD}, entries FROM profiles WHERE id IN ({listed}) ORDER BY id"  # noqa: S608  # numbers
        )
        add_rows(connection, totals, rows)
        if len(block) >= LEAST_REMEMBERED:
            self._known.put((kind, block), totals, (len(totals) + len(block)) * ENTRY_BYTES[kind])
        return totals
