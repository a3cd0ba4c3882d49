"""The one thread that writes the store: who waits for it while it is busy, and what it says when it fails."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.store import writer
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.folder import StoreUnavailableError
from spanprofiles.embedded.store.outcome import Outcome
from spanprofiles.embedded.store.retention import (
    Retention,
)
from tests.support.clocks import eventually
from tests.support.embedded.stores import Rows, rows_of

LONG_S = 60.0


def test_an_outcome_is_waited_for_until_it_is_settled() -> None:
    outcome = Outcome()
    assert (outcome.is_settled, outcome.wait(0.01)) == (False, False)
    outcome.settle()
    assert (outcome.is_settled, outcome.wait(0.0)) == (True, True)
    outcome.check()
    failed, error = Outcome(), ValueError("why")
    failed.settle(error)
    assert failed.wait(0.0)
    with pytest.raises(ValueError, match="why") as raised:
        failed.check()
    assert raised.value is error


class Slow(Rows):
    """A batch that is not written before this is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 1)
        self.may_go_on, self.began = threading.Event(), threading.Event()

    def write(self, connection: sqlite3.Connection) -> None:
        self.began.set()
        self.may_go_on.wait(LONG_S)
        super().write(connection)


@pytest.fixture
def slow(database: Database) -> Iterator[Slow]:
    """A batch that the writer is busy with until its end is allowed."""
    batch = Slow("slow")
    thread = threading.Thread(target=database.write, args=(batch,))
    thread.start()
    assert batch.began.wait(LONG_S)
    yield batch
    batch.may_go_on.set()
    thread.join(LONG_S)


def test_whoever_finds_the_queue_full_waits_for_a_place_in_it(
    database: Database, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 0)

    class Time:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(seconds: float) -> None:
            looked.set()
            time.sleep(seconds)

    monkeypatch.setattr(writer, "time", Time)
    waits = threading.Thread(target=database.write, args=(Rows("waits", 1),))
    waits.start()
    assert looked.wait(LONG_S)
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 1)
    slow.may_go_on.set()
    waits.join(LONG_S)
    assert (rows_of(database.reader(), "slow"), rows_of(database.reader(), "waits")) == (1, 1)


def test_a_batch_that_takes_long_is_waited_for(database: Database, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(writer, "LOOK_S", 0.001)
    monkeypatch.setattr(writer.Writer, "_check_alive", lambda _: looks.append(None))
    waits = threading.Thread(target=database.write, args=(Rows("waits", 1),))
    waits.start()
    eventually(lambda: len(looks) > 2)
    slow.may_go_on.set()
    waits.join(LONG_S)
    assert rows_of(database.reader(), "waits") == 1


@pytest.mark.usefixtures("slow")
def test_a_question_asked_of_a_busy_writer_ends_with_its_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer.Writer, "is_behind", True)
    monkeypatch.setattr(writer, "ASK_S", 0.001)
    with pytest.raises(QueryTooLongError):
        database._writer.catch_up(Deadline(0.01))


def test_a_question_asked_after_the_end_is_not_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ASK_S", 0.001)
    database.close()
    monkeypatch.setattr(writer.Writer, "is_behind", True)
    database._writer.catch_up(Deadline(LONG_S))


@pytest.mark.parametrize(
    ("error", "words", "is_logged"),
    [
        (MemoryError(), "MemoryError", True),
        (RuntimeError("unforeseen"), "RuntimeError: unforeseen", True),
        (sqlite3.OperationalError("disk I/O error"), "OperationalError: disk I/O error", False),
    ],
)
def test_a_writer_that_cannot_go_on_says_why(
    empty_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    words: str,
    is_logged: bool,
) -> None:
    work = Retention.work

    def fail(self: Retention) -> None:
        *_, file = self._connection.execute("PRAGMA database_list").fetchone()
        if Path(file).is_relative_to(tmp_path):  # not a store that other tests have open
            raise error
        work(self)

    told: list[StoreUnavailableError] = []
    monkeypatch.setattr(Retention, "work", fail)
    with closing(Database(shutil.copytree(empty_store, tmp_path / "data"), on_failure=told.append)) as database:
        eventually(lambda: bool(told))
        assert str(told[0]) == f"{database.path} can no longer be written: {words}"
        for refuses in (database.check, database.check_writing):
            with pytest.raises(StoreUnavailableError, match=f"can no longer be written: {words}$"):
                refuses()
    assert caplog.messages == ["the store's writer failed"] * is_logged
    assert len(told) == 1


def test_trouble_with_the_last_upload_is_told_until_one_is_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(writer, "LOOK_S", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(Retention, "end_group", fail)
        with pytest.raises(sqlite3.OperationalError, match=r"^disk I/O error$"):
            database.write(Rows("lost", 1))
        database.check()
        with pytest.raises(StoreUnavailableError) as refused:
            database.check_writing()
        assert str(refused.value) == f"{database.path} cannot be written: disk I/O error"
    eventually(lambda: database._writer.trouble is None)  # an idle writer tries by itself
    database.check_writing()
    assert rows_of(database.reader(), "lost") == 0
