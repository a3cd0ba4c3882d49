"""The store keeps what it took, whole, and is seen by others only whole."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.store.bulk_insert import ROWS, BulkInsert
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.interner import Interner
from tests.support.embedded.stores import Rows, rows_of

KEY = ("key", 0, 0)


def test_a_second_connection_sees_a_batch_only_whole(database: Database) -> None:
    batches, size = 40, 500
    other = sqlite3.connect(database.path)
    seen: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(rows_of(database.reader(), "whole"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(batches):
        database.write(Whole(number * size, size))
        assert rows_of(other, "whole") == (number + 1) * size
    done.set()
    watcher.join()
    other.close()
    assert {count % size for count in seen} == {0}


class Whole(Rows):
    """A batch of rows under one name, from some number on."""

    def __init__(self, first: int, count: int) -> None:
        super().__init__("whole", count)
        self.first = first

    def write(self, connection: sqlite3.Connection) -> None:
        for number in range(self.first, self.first + self.count):
            connection.execute(
                "INSERT INTO attributes (key, scope, type, value) VALUES (?, 0, 0, ?)", ("whole", number)
            )


def test_of_a_batch_that_fails_nothing_is_kept_and_its_neighbours_are(database: Database) -> None:
    batches = [Rows(f"batch {number}", 5, fails=number % 3 == 0) for number in range(30)]

    def write(batch: Rows) -> str | None:
        try:
            database.write(batch)
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(write, batches))
    for batch, outcome in zip(batches, outcomes, strict=True):
        assert outcome == (batch.name if batch.fails else None)
        assert rows_of(database.reader(), batch.name) == (0 if batch.fails else 5)
        assert batch.forgot == batch.fails


def test_numbers_of_rows_that_were_rolled_back_are_not_remembered(database: Database) -> None:
    interner = Interner("attributes", ("key", "scope", "type", "value"))

    class Interned(Rows):
        def write(self, connection: sqlite3.Connection) -> None:
            assert isinstance(connection, StoreConnection)
            interner.number(connection, (*KEY, self.name))
            if self.fails:
                raise ValueError(self.name)

        def forget(self) -> None:
            interner.forget()

    with pytest.raises(ValueError, match="lost"):
        database.write(Interned("lost", 1, fails=True))
    database.write(Interned("kept", 1))
    database.write(Interned("lost", 1))
    values = database.reader().execute("SELECT value FROM attributes ORDER BY id").fetchall()
    assert values == [("kept",), ("lost",)]


def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    first = Database(tmp_path)
    first.write(Rows("kept", 3))
    first.close()
    second = Database(tmp_path)
    assert rows_of(second.reader(), "kept") == 3
    second.close()


def test_a_temporary_directory_goes_with_the_database() -> None:
    database = Database(None)
    directory = database.directory
    assert (directory / FILE_NAME).exists()
    database.close()
    assert not directory.exists()


def test_a_second_process_is_refused_the_directory(database: Database) -> None:
    with pytest.raises(DataDirectoryError, match="in use by another process"):
        Database(database.directory)
    database.write(Rows("still", 1))
    assert rows_of(database.reader(), "still") == 1


def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is no database" * 100)
    with pytest.raises(DataDirectoryError, match=FILE_NAME):
        Database(tmp_path)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirectoryError, match="file"):
        Database(tmp_path / "file" / "below")


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.reader().execute("DELETE FROM attributes")


class Interned:
    """Numbers some values, and notes what is remembered of them."""

    def __init__(self, interner: Interner, values: Iterable[tuple[bytes, str]]) -> None:
        self.interner = interner
        self.values = values
        self.numbers: list[int] = []
        self.remembered: list[int] = []

    def write(self, connection: StoreConnection) -> None:
        for value in self.values:
            self.numbers.append(self.interner.number(connection, value))
            known = self.interner._numbers
            self.remembered.append(sum(len(payload) for payload, _ in known) + 200 * len(known))

    def forget(self) -> None:
        self.interner.forget()


def test_what_is_remembered_of_values_is_bounded_in_bytes_however_large_each_is(database: Database) -> None:
    interner = Interner("resources", ("payload", "schema_url"), limit_bytes=100_000, marks=True)
    sizes = (10, 5_000, 20_000)
    batch = Interned(
        interner, [(number.to_bytes(2, "big") * (size // 2), "") for size in sizes for number in range(200)]
    )
    database.write(batch)
    assert max(batch.remembered) <= 100_000
    assert len(interner._marked) <= 100_000 // 200


def test_a_value_that_is_too_large_to_be_remembered_has_its_one_number(database: Database) -> None:
    interner = Interner("resources", ("payload", "schema_url"), limit_bytes=100_000, marks=True)
    large, small = (b"x" * 50_000, ""), (b"x", "")
    batch = Interned(interner, [large, small, large, small])
    database.write(batch)
    assert batch.numbers[0] == batch.numbers[2] != batch.numbers[1] == batch.numbers[3]
    assert large not in interner._numbers
    assert small in interner._numbers


class _Numbers:
    """A batch that asks for the numbers of some attributes, one by one or together."""

    def __init__(self, interner: Interner, values: Sequence[tuple[str, int, int, str]], *, together: bool) -> None:
        self._interner, self._values, self._together = interner, values, together
        self.found: list[int] = []

    def write(self, connection: StoreConnection) -> None:
        if self._together:
            self.found = self._interner.numbers(connection, self._values)
        else:
            self.found = [self._interner.number(connection, value) for value in self._values]

    def forget(self) -> None:
        self._interner.forget()


def test_values_made_together_have_the_numbers_that_they_have_one_by_one(database: Database) -> None:
    def numbers(interner: Interner, values: range, *, together: bool) -> list[int]:
        batch = _Numbers(interner, [("key", 0, 0, f"v{value}") for value in values], together=together)
        database.write(batch)
        return batch.found

    columns = ("key", "scope", "type", "value")
    first, other = Interner("attributes", columns), Interner("attributes", columns)
    some = numbers(first, range(0, 40, 2), together=False)
    everything = numbers(other, range(40), together=True)
    assert everything[::2] == some
    assert len(set(everything)) == 40
    assert numbers(other, range(40), together=True) == everything
    assert numbers(first, range(40), together=False) == everything
    repeated = _Numbers(Interner("attributes", columns), [("key", 0, 0, "v1")] * 20, together=True)
    database.write(repeated)
    assert repeated.found == [everything[1]] * 20


@pytest.mark.parametrize("count", [0, 1, 3, 16, 21, 2 * ROWS[0] + 1])
def test_rows_inserted_together_are_all_there_under_the_numbers_that_are_told(database: Database, count: int) -> None:
    inserted = _Inserted(count)
    database.write(inserted)
    select = "SELECT id, value FROM attributes WHERE key = 'bulk' ORDER BY id"
    assert database.reader().execute(select).fetchall() == list(zip(inserted.numbers, range(count), strict=True))


def test_rows_among_which_one_is_known_have_no_number_and_those_apart_have(database: Database) -> None:
    database.write(_Inserted(1))
    again = _Inserted(ROWS[0] + 1)
    database.write(again)
    assert again.numbers[: ROWS[0]] == [0] * ROWS[0]
    assert database.reader().execute("SELECT value FROM attributes WHERE id = ?", again.numbers[-1:]).fetchone() == (
        ROWS[0],
    )


class _Inserted:
    """A batch of attributes whose values are the numbers from 0 on."""

    STATEMENT = BulkInsert("attributes", ("key", "scope", "type", "value"), "ON CONFLICT DO NOTHING")

    def __init__(self, count: int) -> None:
        self._rows = [("bulk", 0, 0, value) for value in range(count)]
        self.numbers: list[int] = []

    def write(self, connection: StoreConnection) -> None:
        self.numbers = self.STATEMENT.numbers(connection, self._rows)

    def forget(self) -> None:
        """There is nothing to forget."""
