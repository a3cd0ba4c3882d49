"""Rows that are kept once for each value: found or made, and remembered up to a bound of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spanprofiles.embedded.limits import MEBIBYTE
from spanprofiles.embedded.store.bulk_insert import BulkInsert
from spanprofiles.embedded.store.connection import StoreConnection

CACHE_BYTES = 8 * MEBIBYTE
LARGEST_SHARE = 16
ENTRY_BYTES = 200
"""About what an entry takes beside its texts: its key, its number, and their places in the tables."""
TEXT_BYTES = 60
"""About what a text or a number takes beside its characters."""


def _bytes_of(values: Any) -> int:
    """About how much memory a value takes: texts, bytes, numbers and tuples of them."""
    if isinstance(values, tuple):
        return sum(map(_bytes_of, values))
    if isinstance(values, str):
        return TEXT_BYTES + (len(values) if values.isascii() else 4 * len(values))
    return TEXT_BYTES + (len(values) if isinstance(values, bytes) else 0)


def _as_it_is(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values


class Interner:
    """Numbers for values of a table with a uniqueness constraint; used by the writer's thread alone.

    Args:
        table: the table's name.
        columns: the columns that make a value unique.
        more: further columns, written when the row is made.
        limit_bytes: about how many bytes of memory the numbers and their values may take before they are forgotten. A
            value that takes a sixteenth of it alone is not remembered.
        encode: from the values given to ``number`` to those of ``columns``.
        marks: whether the table has a column ``seen``, in which the bucket of the latest use is written.
    """

    def __init__(
        self,
        table: str,
        columns: tuple[str, ...],
        more: tuple[str, ...] = (),
        limit_bytes: int = CACHE_BYTES,
        encode: Callable[[Any], tuple[Any, ...]] = _as_it_is,
        *,
        marks: bool = False,
    ) -> None:
        made = (*columns, *more, "seen") if marks else columns + more
        where = " AND ".join(f"{column} = ?" for column in columns)
        self._find = f"SELECT id FROM {table} WHERE {where}"  # noqa: S608  # table and columns are this program's own
        self._make = BulkInsert(table, made, f"ON CONFLICT ({', '.join(columns)}) DO NOTHING")
        self._mark = f"UPDATE {table} SET seen = ? WHERE id = ?"  # noqa: S608  # likewise
        self._limit = limit_bytes
        self._encode = encode
        self._marks = marks
        self._numbers: dict[Any, int] = {}
        self._marked: set[int] = set()
        self._bytes = 0
        self._bucket = self._generation = -1

    def number(self, connection: StoreConnection, values: Any, more: tuple[Any, ...] = ()) -> int:
        """Return the value's number; make one if it has none."""
        if self._bucket != connection.bucket or self._generation != connection.generation:
            self._follow(connection)
        number = self._numbers.get(values)
        if number is None:
            number = self._find_or_make(connection, (values,), more)[values]
        if self._marks and number not in self._marked:
            connection.execute(self._mark, (self._bucket, number))
            self._marked.add(number)
        return number

    def numbers(self, connection: StoreConnection, values: Sequence[Any]) -> list[int]:
        """Return the numbers of many values; those that have none are made together."""
        if self._bucket != connection.bucket or self._generation != connection.generation:
            self._follow(connection)
        known = self._numbers
        found = list(map(known.get, values))
        if None in found:
            made = self._find_or_make(connection, {value: None for value in values if value not in known})
            numbers = [made[value] if number is None else number for value, number in zip(values, found, strict=True)]
        else:
            numbers = [number for number in found if number]
        if self._marks:
            unmarked = set(numbers).difference(self._marked)
            if unmarked:
                connection.executemany(self._mark, [(self._bucket, number) for number in unmarked])
                self._marked |= unmarked
        return numbers

    def _find_or_make(
        self, connection: StoreConnection, unknown: Iterable[Any], more: tuple[Any, ...] = ()
    ) -> dict[Any, int]:
        """Find or make the values that are not remembered, each once."""
        rows = {value: self._encode(value) for value in unknown}
        rest = (*more, self._bucket) if self._marks else more
        # Most values that are not remembered are new: to make them at once saves the search before it.
        made = self._make.numbers(connection, [row + rest for row in rows.values()])
        numbers: dict[Any, int] = {}
        for (value, row), new in zip(rows.items(), made, strict=True):
            number = numbers[value] = new or connection.execute(self._find, row).fetchone()[0]
            if new and self._marks:
                self._marked.add(new)
            self._remember(value, number)
        return numbers

    def _remember(self, values: Any, number: int) -> None:
        size = ENTRY_BYTES + _bytes_of(values)
        is_kept = size <= self._limit // LARGEST_SHARE
        if not is_kept:
            size = ENTRY_BYTES  # that it is marked is remembered nevertheless
        if self._bytes + size > self._limit:
            self.forget()
        self._bytes += size
        if is_kept:
            self._numbers[values] = number

    def _follow(self, connection: StoreConnection) -> None:
        """Mark anew in another bucket; forget what a sweep may have removed."""
        if self._generation != connection.generation:
            self.forget()
        self._marked.clear()
        self._bucket, self._generation = connection.bucket, connection.generation

    def forget(self) -> None:
        """Forget every number: some may be of rows that were rolled back."""
        self._numbers.clear()
        self._marked.clear()
        self._bytes = 0
