"""Rows that are kept once for each value: found or made, and remembered up to a bound."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable
from typing import Any


class Interner:
    """Numbers for values of a table with a uniqueness constraint; used by the writer's thread alone.

    Args:
        table: the table's name.
        columns: the columns that make a value unique, in the order of the values given to `number`.
        more: further columns, written when the row is made.
        limit: how many numbers are remembered before the memory is emptied.
    """

    def __init__(self, table: str, columns: tuple[str, ...], more: tuple[str, ...] = (), limit: int = 100_000) -> None:
        where = " AND ".join(f"{column} = ?" for column in columns)
        names = ", ".join(columns + more)
        marks = ", ".join("?" * len(columns + more))
        self._find = f"SELECT id FROM {table} WHERE {where}"  # noqa: S608  # table and columns are this program's own
        self._make = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # likewise
        self._limit = limit
        self._numbers: dict[Hashable, int] = {}

    def number(self, connection: sqlite3.Connection, values: tuple[Any, ...], more: tuple[Any, ...] = ()) -> int:
        """The value's number, made where there is none yet."""
        known = self._numbers.get(values)
        if known is not None:
            return known
        found = connection.execute(self._find, values).fetchone()
        number: int = found[0] if found else connection.execute(self._make, values + more).lastrowid or 0
        if len(self._numbers) >= self._limit:
            self._numbers.clear()
        self._numbers[values] = number
        return number

    def forget(self) -> None:
        """Forget every number: some may be of rows that were rolled back."""
        self._numbers.clear()
