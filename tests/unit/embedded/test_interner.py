"""The numbers of rows that many others share: remembered, marked, forgotten, and summed up."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.interner import (
    CACHE_BYTES,
    ENTRY_BYTES,
    LARGEST_SHARE,
    TEXT_BYTES,
    Interner,
    _bytes_of,
)
from spanprofiles.embedded.store.profiles import (
    LARGEST_INTEGER,
    NewProfile,
    ProfileBatch,
    ProfileInterners,
    _entries,
    _total,
)
from spanprofiles.embedded.store.stacks import StackTable
from tests.support.embedded.stores import Rows, in_memory


@pytest.fixture
def connection() -> Iterator[StoreConnection]:
    """An empty store in memory."""
    with closing(in_memory()) as opened:
        yield opened


def a_profile(time_ms: Any, **values: int) -> NewProfile:
    """A profile of stacks of one function each, by the names of these."""
    table = StackTable()
    for place, name in enumerate(values, 1):
        table.functions[name, "", ""] = place - 1
        table.frames[place - 1, 1] = place
        table.stacks.append(bytes([place]))
    return NewProfile({"service_name": "shop"}, "a:b:c:d:e", time_ms, table, dict(enumerate(values.values())))


def test_numbers_of_a_push_that_was_rolled_back_are_not_remembered(database: Database) -> None:
    interners = ProfileInterners()
    first, second = a_profile(5, f=1, g=2), a_profile(object(), h=4)
    with pytest.raises(sqlite3.Error):
        database.write(ProfileBatch([first, second], interners))
    connection = database.reader()
    tables = ("series", "functions", "paths", "profiles", "stacks")
    count = "SELECT count(*) FROM {}"
    assert [connection.execute(count.format(table)).fetchone()[0] for table in tables] == [0] * 5
    database.write(ProfileBatch([a_profile(5, h=4, g=2)], interners))
    connection = database.reader()
    names = connection.execute("SELECT name FROM functions ORDER BY id").fetchall()
    assert names == [("h",), ("g",)]
    assert [connection.execute(count.format(table)).fetchone()[0] for table in tables] == [1, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("values", "total", "kept_values"),
    [
        ({0: 3, 2: 4}, 7, [3, 4]),
        ({0: LARGEST_INTEGER, 2: 0}, LARGEST_INTEGER, [LARGEST_INTEGER, 0]),
        ({0: LARGEST_INTEGER, 2: 1}, LARGEST_INTEGER, [LARGEST_INTEGER, 1]),
        ({0: LARGEST_INTEGER + 1, 2: 5}, LARGEST_INTEGER, [LARGEST_INTEGER, 5]),
        ({}, 0, []),
    ],
)
def test_sums_that_64_bits_do_not_hold_are_the_largest_that_they_hold(
    values: dict[int, int], total: int, kept_values: list[int]
) -> None:
    numbers = [7, 8, 9]
    assert _total(values) == total
    entries = array("q", _entries(values, numbers))
    assert list(entries[::2]) == [numbers[place] for place in values]
    assert list(entries[1::2]) == kept_values


@pytest.mark.parametrize(
    ("values", "size"),
    [("", 60), ("abc", 63), ("é", 64), (b"abc", 63), (5, 60), (("a", ("b", b"c", 5)), 243), ((), 0)],
)
def test_the_memory_that_a_value_takes_is_told_by_its_texts(values: object, size: int) -> None:
    assert _bytes_of(values) == size


def test_what_is_remembered_fills_what_it_may_take_and_begins_anew_beyond_it(database: Database) -> None:
    class Filling(Rows):
        def write(self, connection: sqlite3.Connection) -> None:
            assert isinstance(connection, StoreConnection)
            largest = LIMIT // LARGEST_SHARE - ENTRY_BYTES - TEXT_BYTES * 4
            size = ENTRY_BYTES + TEXT_BYTES * 4
            for value, remembered in (
                ("", {""}),
                ("x" * largest, {"", "x" * largest}),
                ("y" * (largest + 1), {"", "x" * largest}),  # alone it takes too much
            ):
                interner.number(connection, (value, 0, 0, 0))
                assert {known[0] for known in interner._numbers} == remembered
            left = LIMIT - interner._bytes
            while left >= size + 1 + size:  # one by one until there is room for one alone
                interner.number(connection, (chr(33 + len(interner._numbers)), 0, 0, 0))
                left = LIMIT - interner._bytes
            count = len(interner._numbers)
            interner.number(connection, ("z" * (left - size), 0, 0, 0))
            assert (len(interner._numbers), interner._bytes) == (count + 1, LIMIT)
            interner.number(connection, ("~", 0, 0, 0))
            assert {known[0] for known in interner._numbers} == {"~"}

    LIMIT = 16 * 2_000  # noqa: N806  # a constant of this test
    interner = Interner("attributes", ("key", "scope", "type", "value"), limit_bytes=LIMIT)
    database.write(Filling("none", 0))


def marks(connection: StoreConnection) -> list[int]:
    return [seen for (seen,) in connection.execute("SELECT seen FROM series ORDER BY id")]


def test_a_row_is_marked_once_in_each_bucket_it_is_used_in(connection: StoreConnection) -> None:
    series = Interner("series", ("labels",), ("profile_type",), marks=True)
    connection.bucket = 3
    assert series.number(connection, ("a",), ("cpu",)) == 1
    connection.execute("UPDATE series SET seen = 0")
    assert (series.number(connection, ("a",), ("other",)), marks(connection)) == (1, [0])
    connection.bucket = 4
    assert (series.number(connection, ("a",), ("other",)), marks(connection)) == (1, [4])
    paths = Interner("paths", ("functions",), marks=True)
    assert paths.numbers(connection, [(b"a",), (b"b",), (b"a",)]) == [1, 2, 1]
    connection.bucket = 5
    assert paths.numbers(connection, [(b"b",)]) == [2]
    assert connection.execute("SELECT seen FROM paths ORDER BY id").fetchall() == [(4,), (5,)]
    assert connection.execute("SELECT labels, profile_type FROM series").fetchall() == [("a", "cpu")]


def test_what_a_sweep_may_have_removed_is_looked_up_again(connection: StoreConnection) -> None:
    paths = Interner("paths", ("functions",), marks=True)
    assert paths.numbers(connection, [(b"a",), (b"b",)]) == [1, 2]
    connection.execute("DELETE FROM paths WHERE id = 1")
    assert paths.number(connection, (b"a",)) == 1
    connection.generation += 1
    assert paths.numbers(connection, [(b"a",), (b"b",)]) == [3, 2]
    assert paths.number(connection, (b"a",)) == 3
    paths.forget()
    assert (paths._numbers, paths._marked, paths._bytes) == ({}, set(), 0)


def test_numbers_are_forgotten_when_they_take_too_much(connection: StoreConnection) -> None:
    each = ENTRY_BYTES + TEXT_BYTES + 1
    paths = Interner("paths", ("functions",), limit_bytes=16 * each, marks=True)
    for number in range(16):
        paths.number(connection, (bytes([number]),))
    assert (len(paths._numbers), paths._bytes) == (16, 16 * each)
    paths.number(connection, (b"\xff",))
    assert (len(paths._numbers), paths._bytes) == (1, each)
    paths.number(connection, (b"of two bytes",))
    assert (len(paths._numbers), paths._bytes) == (1, each + ENTRY_BYTES)
    assert CACHE_BYTES == 8 * 2**20
