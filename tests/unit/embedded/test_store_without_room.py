"""What the store does without room on its disk, and when its file is gone or locked."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.store import folder, writer
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreLostError, StoreUnavailableError
from spanprofiles.embedded.store.makeshift import makeshift_reader
from spanprofiles.embedded.store.schema import migrate
from tests.support.clocks import eventually
from tests.support.embedded.stores import KIND, Indexer, Rows, keep, rows_of

WHY = NoRoomError("data directory x: there is no room (database or disk is full)")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A disk without room, on which no store can be opened; gives what makes room."""
    has_room = threading.Event()
    take = Folder.take

    def take_if_there_is_room(self: Folder) -> None:
        take(self)
        if not has_room.is_set():
            raise NoRoomError("no room here")

    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    monkeypatch.setattr(Folder, "take", take_if_there_is_room)
    return has_room.set


def test_a_store_opened_on_a_full_disk_refuses_uploads_until_there_is_room(
    full_disk: Callable[[], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Database(tmp_path / "data")) as database:
        assert [record.message for record in caplog.records] == [
            "no room here: uploads are refused until there is room"
        ]
        with pytest.raises(StoreUnavailableError, match=r"^no room here$"):
            database.write(Rows("early", 1))
        makeshift = database.reader()
        assert (makeshift.is_makeshift, rows_of(makeshift, "early")) == (True, 0)
        assert database.reader() is makeshift
        assert not database.is_far_behind
        database.check()
        caplog.clear()
        full_disk()
        eventually(lambda: bool(caplog.records))
        assert caplog.messages == ["there is room again: uploads are taken"]
        database.write(Rows("late", 2))
        assert not database.reader().is_makeshift
        assert (rows_of(database.reader(), "early"), rows_of(database.reader(), "late")) == (0, 2)


def test_a_store_that_another_process_has_by_the_time_there_is_room_is_lost(
    full_disk: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(_: Folder) -> None:
        raise DataDirectoryError("in use by another process")

    told: list[StoreUnavailableError] = []
    with closing(Database(tmp_path / "data", on_failure=told.append)) as database:
        monkeypatch.setattr(Folder, "take", in_use)
        full_disk()
        eventually(lambda: bool(told))
        assert (type(database.failure), str(database.failure)) == (StoreLostError, "in use by another process")
        with pytest.raises(StoreUnavailableError, match=r"^in use by another process$"):
            database.write(Rows("late", 1))
    assert told == [database.failure]


@pytest.fixture
def closed_store(empty_store: Path, tmp_path: Path) -> Path:
    """The directory of a store that was closed in order, with a row in it."""
    directory = shutil.copytree(empty_store, tmp_path / "closed")
    with closing(Database(directory)) as database:
        database.write(Rows("kept", 3))
    return directory


def test_without_room_an_empty_store_is_read_from_memory(tmp_path: Path) -> None:
    held = Folder(tmp_path / "data")
    held.take()
    with closing(makeshift_reader(held, WHY)) as connection:
        assert (connection.is_makeshift, rows_of(connection, "kept")) == (True, 0)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            Rows("lost", 1).write(connection)
    assert held.path.stat().st_size == 0
    held.close()


def test_without_room_a_store_that_was_closed_in_order_is_read_as_it_is(closed_store: Path) -> None:
    held = Folder(closed_store)
    held.take()
    before = sorted(path.name for path in closed_store.iterdir())
    with closing(makeshift_reader(held, WHY)) as connection:
        assert (connection.is_makeshift, rows_of(connection, "kept")) == (True, 3)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            Rows("lost", 1).write(connection)
        assert sorted(path.name for path in closed_store.iterdir()) == before
    held.close()


def test_without_room_a_store_with_a_log_or_of_another_version_cannot_be_read(closed_store: Path) -> None:
    held = Folder(closed_store)
    held.take()
    log = held.path.with_name(f"{FILE_NAME}-wal")
    log.write_bytes(b"x")
    with pytest.raises(StoreUnavailableError, match=r"there is no room \(database or disk is full\)$"):
        makeshift_reader(held, WHY)
    log.unlink()
    with closing(sqlite3.connect(held.path)) as other:
        other.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreUnavailableError, match=r"there is no room \(database or disk is full\)$"):
        makeshift_reader(held, WHY)
    held.close()


def test_no_room_for_a_temporary_folder_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with pytest.raises(DataDirectoryError) as refused:
        Database(None)
    assert str(refused.value) == (
        "no folder for temporary files can be made (No space left on device): make room, or name a data directory"
    )


def test_a_file_that_cannot_be_opened_for_want_of_room_is_told_and_closed(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Database, "_prepare", staticmethod(full))
    directory = shutil.copytree(empty_store, tmp_path / "data")
    with closing(Database(directory)) as database:
        why = f"data directory {directory}: there is no room (database or disk is full)"
        assert caplog.messages == [f"{why}: uploads are refused until there is room"]
        with pytest.raises(StoreUnavailableError) as refused:
            database.write(Rows("early", 1))
        assert str(refused.value) == why
        assert database._open == []


def test_a_file_that_is_no_database_or_cannot_be_opened_is_told_with_its_name(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / FILE_NAME
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(DataDirectoryError) as refused:
        Database(tmp_path / "other")
    assert str(refused.value) == f"{file} cannot be read as a database: file is not a database"

    def fail(*_: object) -> StoreConnection:
        raise sqlite3.OperationalError("unable to open database file")

    with closing(Database(shutil.copytree(empty_store, tmp_path / "data"))) as database:
        monkeypatch.setattr(Database, "_connect", fail)
        with pytest.raises(StoreUnavailableError) as unavailable:
            database.reader()
        assert str(unavailable.value) == f"{database.path} cannot be opened: unable to open database file"


def test_files_that_are_lost_while_uploads_wait_to_be_indexed_end_the_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 1e9)
    database.index_with(KIND, Indexer())
    keep(database, "a")
    database.reader()
    keep(database, "b")
    database.path.unlink()
    database.reader()  # the question is answered from the files that this thread has open
    assert str(database.failure) == f"{database.path} was removed, or its disk is gone (No such file or directory)"
    assert isinstance(database.failure, StoreLostError)
    with pytest.raises(StoreUnavailableError, match="was removed"):
        keep(database, "c")


def test_files_that_were_gone_for_a_moment_end_the_writer_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = iter([StoreLostError("it was replaced while it was in use")])
    check = Folder.check

    def check_once(self: Folder, data_bytes: int = 0) -> None:
        if not data_bytes:  # before a group is written
            for error in gone:
                raise error
        check(self, data_bytes)

    monkeypatch.setattr(Folder, "check", check_once)
    with pytest.raises(StoreUnavailableError, match=r"^it was replaced while it was in use$"):
        database.write(Rows("lost", 1))
    eventually(lambda: database.failure is not None)
    assert isinstance(database.failure, StoreLostError)
    with pytest.raises(StoreUnavailableError, match=r"^it was replaced while it was in use$"):
        database.write(Rows("later", 1))


def test_a_file_that_can_no_longer_be_read_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Folder(tmp_path / "data")
    held.take()
    held.watch()
    held.check()

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(StoreLostError) as lost:
        held.check()
    assert str(lost.value) == f"{held.path} cannot be read: Input/output error"
    held.close()


def test_a_file_that_is_no_plain_one_once_it_is_open_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go: list[int] = []
    close = os.close

    def noted(descriptor: int) -> None:
        let_go.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", noted)
    monkeypatch.setattr(folder, "_check_plain", lambda _: None)  # as if it was replaced after the look at it
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataDirectoryError) as refused:
        folder._opened(pipe)
    assert str(refused.value) == f"{pipe} is not a plain file: remove it, or use another data directory"
    assert len(let_go) == 1


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"], ids=["for reading", "for writing"])
def test_a_migration_of_a_file_that_is_locked_fails_and_changes_nothing(tmp_path: Path, lock: str) -> None:
    file = tmp_path / "file"
    with closing(sqlite3.connect(file, isolation_level=None)) as other, closing(sqlite3.connect(file, 0.0)) as locked:
        other.execute(f"BEGIN {lock}")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            migrate(locked)
        assert not locked.in_transaction
        other.execute("COMMIT")
        migrate(locked)
        assert locked.execute("SELECT count(*) FROM traces").fetchone() == (0,)


def test_while_there_is_no_room_it_is_looked_for_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = iter([NoRoomError("no room here")] * 3)
    take = Folder.take

    def take_at_last(self: Folder) -> None:
        take(self)
        for error in left:
            raise error

    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    monkeypatch.setattr(Folder, "take", take_at_last)
    with closing(Database(tmp_path / "data")) as database:
        eventually(lambda: len(caplog.records) > 1)
        assert list(left) == []
        database.write(Rows("late", 2))
        assert rows_of(database.reader(), "late") == 2
    assert caplog.messages == [
        "no room here: uploads are refused until there is room",
        "there is room again: uploads are taken",
    ]
