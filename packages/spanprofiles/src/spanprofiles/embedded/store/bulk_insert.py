"""Many rows by few statements.

Python's module for SQLite lets other threads run at each step of a statement, so a statement for each row is as many
occasions to lose Python's lock and to wait for it. A statement for many rows is one, and takes a quarter less time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

ROWS = (64, 16, 4, 1)
"""How many rows a statement has; few sizes, since SQLite keeps each one prepared."""

Row = Sequence[Any]


class BulkInsert:
    """An ``INSERT`` for any number of rows.

    Args:
        table: the table's name.
        columns: the columns that are given.
        conflict: the statement's ``ON CONFLICT`` clause; empty for none.
    """

    def __init__(self, table: str, columns: Sequence[str], conflict: str = "") -> None:
        row = f"({', '.join('?' * len(columns))})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  # table and columns are this program's own
        self._statements = {count: f"{head}{', '.join([row] * count)} {conflict}" for count in ROWS}

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Insert rows."""
        for some in _parts(rows):
            connection.execute(self._statements[len(some)], list(chain.from_iterable(some)))

    def numbers(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> list[int]:
        """Insert rows into a table that numbers them with ``AUTOINCREMENT``, and return their numbers.

        Returns:
            The number of each row; 0 for rows among which the conflict clause left some out, which have to be looked
            up.
        """
        numbers: list[int] = []
        for some in _parts(rows):
            made = connection.execute(self._statements[len(some)], list(chain.from_iterable(some)))
            if made.rowcount == len(some):  # then the rows have consecutive numbers, in their order
                last = made.lastrowid or 0
                numbers += range(last - len(some) + 1, last + 1)
            else:
                numbers += [0] * len(some)
        return numbers


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Give the rows in parts for which there are statements."""
    start = 0
    for count in ROWS:
        while len(rows) - start >= count:
            yield rows[start : start + count]
            start += count
