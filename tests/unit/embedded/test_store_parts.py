"""What the store does where something is missing: room on the disk, a file, a lock, or memory for what it has read."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import SHORT_QUERY_S
from spanprofiles.embedded.otlp import receiver
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.priority import Rank
from spanprofiles.embedded.refusals import Origin, Reason, Refusal, Refusals, Sender, Signal, Way
from spanprofiles.embedded.store import backlog, folder, traces, writer
from spanprofiles.embedded.store import retention as retention_module
from spanprofiles.embedded.store.backlog import Backlog, KeptUpload
from spanprofiles.embedded.store.connection import StoreConnection, was_interrupted
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreLostError, StoreUnavailableError
from spanprofiles.embedded.store.interner import ENTRY_BYTES, LARGEST_SHARE, TEXT_BYTES, Interner, _bytes_of
from spanprofiles.embedded.store.makeshift import makeshift_reader
from spanprofiles.embedded.store.outcome import Outcome
from spanprofiles.embedded.store.profiles import (
    LARGEST_INTEGER,
    NewProfile,
    ProfileBatch,
    ProfileInterners,
    _entries,
    _total,
)
from spanprofiles.embedded.store.raw_spans import SHORT_BYTES, WholeSpans, _Frames, framed_spans
from spanprofiles.embedded.store.retention import (
    BUCKET_S,
    CHECK_S,
    LARGEST_BUCKET_BYTES,
    ArrivalClock,
    Cut,
    Limits,
    Retention,
)
from spanprofiles.embedded.store.schema import migrate
from spanprofiles.embedded.store.stacks import StackTable
from spanprofiles.embedded.store.traces import TraceTooLargeError, payloads, spans_of_trace
from tests.unit.embedded.conftest import SpanFactory, applications_on
from tests.unit.embedded.test_backlog import KIND, Indexer, keep
from tests.unit.embedded.test_export_rows import ROOT, TRACE, export
from tests.unit.embedded.test_retention import Clock, eventually
from tests.unit.embedded.test_store import Rows, rows_of

LONG_S = 60.0
WHY = NoRoomError("data directory x: there is no room (database or disk is full)")
ORIGIN = Origin(Way.OTLP_HTTP, Sender("192.0.2.7", ""))


# ---- an outcome -----------------------------------------------------------------------------------------------------


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


# ---- no room --------------------------------------------------------------------------------------------------------


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


# ---- files that are gone or locked ----------------------------------------------------------------------------------


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


def test_a_migration_of_a_file_that_is_locked_fails_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with closing(sqlite3.connect(file, isolation_level=None)) as other, closing(sqlite3.connect(file, 0.0)) as locked:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            migrate(locked)
        assert not locked.in_transaction
        other.execute("COMMIT")
        migrate(locked)
        assert locked.execute("SELECT count(*) FROM traces").fetchone() == (0,)


# ---- a writer that is busy ------------------------------------------------------------------------------------------


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
    def fail(_: Retention) -> None:
        raise error

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


# ---- connections ----------------------------------------------------------------------------------------------------


def pragmas(connection: sqlite3.Connection) -> dict[str, object]:
    names = ("synchronous", "temp_store", "cache_size", "journal_mode", "journal_size_limit", "query_only")
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}


def test_the_writers_connection_and_those_of_readers_are_set_up_for_what_they_do(database: Database) -> None:
    class Looks(Rows):
        seen: dict[str, object] = {}  # noqa: RUF012  # of the one batch

        def write(self, connection: sqlite3.Connection) -> None:
            self.seen = pragmas(connection)

    looks = Looks("none", 0)
    database.write(looks)
    # 1 is NORMAL, 2 is MEMORY; less than 0 are KiB
    shared = {"synchronous": 1, "temp_store": 2, "journal_mode": "wal"}
    limit = 32 * 2**20
    assert looks.seen == shared | {"cache_size": -16_384, "journal_size_limit": limit, "query_only": 0}
    read = pragmas(database.reader())
    assert {**read, "journal_size_limit": 0} == shared | {
        "cache_size": -4_096,
        "journal_size_limit": 0,
        "query_only": 1,
    }


def test_a_statement_is_interrupted_at_the_deadline_and_not_before() -> None:
    count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?) SELECT count(*) FROM n"
    with closing(sqlite3.connect(":memory:", factory=StoreConnection)) as connection:
        connection.watch_time()
        assert connection.execute(count, (100_000,)).fetchone() == (100_000,)
        connection.deadline = Deadline(-1.0)
        with pytest.raises(sqlite3.OperationalError) as interrupted:
            connection.execute(count, (100_000,)).fetchone()
        assert was_interrupted(interrupted.value)
    assert not was_interrupted(sqlite3.OperationalError("database is locked"))


@pytest.mark.parametrize(
    ("seconds_later", "rank", "given"),
    [
        (0.0, Rank.KNOWN_QUERY, Rank.KNOWN_QUERY),
        (SHORT_QUERY_S - 0.5, Rank.KNOWN_QUERY, Rank.KNOWN_QUERY),
        (SHORT_QUERY_S, Rank.KNOWN_QUERY, Rank.OTHER_QUERY),
        (0.0, Rank.OTHER_QUERY, Rank.OTHER_QUERY),
    ],
)
def test_a_question_gives_way_by_its_rank_and_when_it_takes_long_to_all_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, seconds_later: float, rank: Rank, given: Rank
) -> None:
    class Time:
        now_s = 100.0

        @classmethod
        def monotonic(cls) -> float:
            return cls.now_s

    gave: list[Rank] = []
    looked: list[bool] = []
    monkeypatch.setattr("spanprofiles.embedded.store.database.time", Time)
    monkeypatch.setattr(database.right_of_way, "give_way", gave.append)
    asked = database.deadline_from(None, rank)
    watched = database.deadline_from(None, rank, lambda: looked.append(True))
    Time.now_s += seconds_later
    asked.check()
    assert gave == []
    database.right_of_way.held_up[max(Rank)] = True
    asked.check()
    assert (gave, looked) == ([given], [])
    watched.check()
    assert (gave, looked) == ([given] * 2, [True])
    database.right_of_way.held_up[max(Rank)] = False


# ---- what is kept, and what is given ---------------------------------------------------------------------------------


class Taken:
    """Stands in for the store: notes how an export is given to it."""

    def __init__(self) -> None:
        self.ways: list[str] = []

    def index_with(self, *_: object) -> None:
        """Nothing is indexed."""

    def keep(self, _: KeptUpload) -> None:
        self.ways.append("kept")

    def write(self, _: object) -> None:
        self.ways.append("written")


def test_an_export_up_to_a_size_is_kept_as_it_came_and_a_larger_one_written(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Taken()
    body = export(Span(trace_id=TRACE, span_id=ROOT, name="work")).SerializeToString()
    takes = Receiver(taken)  # type: ignore[arg-type]  # stands in for a store
    for size in (len(body), len(body) - 1):
        monkeypatch.setattr(receiver, "KEPT_UPLOAD_BYTES", size)
        takes.take(body, decode_protobuf, lambda _: None, ORIGIN)
    assert taken.ways == ["kept", "written"]


def test_an_export_that_cannot_be_stored_is_refused_with_its_service_and_number() -> None:
    class Full(Taken):
        def keep(self, _: KeptUpload) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    refusals = Refusals()
    body = export(Span(trace_id=TRACE, span_id=ROOT), Span(trace_id=TRACE, span_id=ROOT)).SerializeToString()
    with pytest.raises(ExportError) as refused:
        Receiver(Full(), refusals).take(body, decode_protobuf, lambda _: None, ORIGIN)  # type: ignore[arg-type]  # likewise
    assert str(refused.value) == "the spans could not be stored: database or disk is full"
    assert (refused.value.reason, refused.value.service, refused.value.spans) == (Reason.NOT_STORED, "shop", 2)
    (group,) = refusals.groups(Signal.TRACES)
    assert group.last == Refusal(
        Signal.TRACES, Way.OTLP_HTTP, Reason.NOT_STORED, str(refused.value), ORIGIN.sender, "shop", 2
    )


def test_what_stands_before_a_span_is_remembered_for_spans_that_are_not_large() -> None:
    frames = _Frames()
    for size in (5, SHORT_BYTES - 1, SHORT_BYTES):
        spans = [b"x" * size] * 2
        first = frames[size]
        assert first == frames[size]
        assert (first + spans[0]) * 2 == framed_spans(spans) == WholeSpans(spans=spans).SerializeToString()
    assert sorted(frames) == [5, SHORT_BYTES - 1]


def test_an_export_without_spans_is_taken_and_not_stored() -> None:
    taken = Taken()
    Receiver(taken).take(b"", decode_protobuf, lambda _: None, ORIGIN)  # type: ignore[arg-type]  # likewise
    assert taken.ways == []


def test_a_trace_is_given_up_to_a_size_and_so_are_its_resources(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = SpanFactory("aa")
    applications = applications_on(database)
    applications.export(span("one"), span("two"), resource={"service.name": "shop"})
    applications.export(span("three"), resource={"service.name": "bank"})
    connection = database.reader()
    spans = spans_of_trace(connection, b"\xaa" * 16)
    assert [Span.FromString(each.payload).name for each in spans] == ["one", "two", "three"]
    resources = payloads(connection, "resources", {each.resource for each in spans})
    whole = sum(len(each.payload) for each in spans)
    of_resources = sum(len(payload) for payload, _ in resources.values())
    monkeypatch.setattr(traces, "TRACE_BYTES", whole)
    assert spans_of_trace(connection, b"\xaa" * 16) == spans
    monkeypatch.setattr(traces, "TRACE_BYTES", whole - 1)
    with pytest.raises(TraceTooLargeError) as refused:
        spans_of_trace(connection, b"\xaa" * 16)
    assert str(refused.value) == f"trace exceeds max size (max bytes: {whole - 1})"
    monkeypatch.setattr(traces, "TRACE_BYTES", of_resources)
    assert payloads(connection, "resources", resources) == resources
    monkeypatch.setattr(traces, "TRACE_BYTES", of_resources - 1)
    with pytest.raises(TraceTooLargeError) as refused:
        payloads(connection, "resources", resources)
    assert str(refused.value) == f"trace exceeds max size (max bytes: {of_resources - 1} of resources)"
    assert spans_of_trace(connection, b"\xbb" * 16) == []


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


# ---- how much waits -------------------------------------------------------------------------------------------------


def test_a_backlog_counts_what_waits_and_is_full_and_half_full_by_its_bytes(
    kept: tuple[Retention, StoreConnection, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = kept[1]
    monkeypatch.setattr(backlog, "BACKLOG_BYTES", 10)
    monkeypatch.setattr(backlog, "BACKLOG_STEP_BYTES", 6)
    indexer = Indexer()
    waits = Backlog(connection, {KIND: indexer})
    seen = [(waits.is_empty, waits.is_half_full, waits.is_full)]
    for size in (4, 1, 4, 1):
        waits.keep([KeptUpload(KIND, 0, b"x" * size)])
        seen.append((waits.is_empty, waits.is_half_full, waits.is_full))
    nothing, little = (True, False, False), (False, False, False)
    half, full = (False, True, False), (False, True, True)
    assert seen == [nothing, little, half, half, full]
    later = Backlog(connection, {KIND: Indexer()})
    assert (later.last, later.indexed, later.size_bytes) == (4, 0, 10) == (waits.last, waits.indexed, waits.size_bytes)
    step = waits.index_some()
    assert step is not None
    assert (step.last, step.size_bytes, list(step.batches)) == (2, 5, indexer.batches)
    assert [batch.payloads for batch in indexer.batches] == [[b"xxxx", b"x"]]
    waits.finish(step)
    waits.recall()
    assert (waits.last, waits.indexed, waits.size_bytes) == (4, 2, 5)
    again = waits.index_some()
    assert again is not None
    waits.finish(again)
    assert (waits.is_empty, waits.size_bytes) == (True, 0)
    waits.recall()
    assert (waits.last, waits.indexed, waits.size_bytes) == (4, 4, 0)
    assert waits.index_some() is None


def test_uploads_that_nobody_indexes_yet_wait_and_hold_up_those_after_them(
    kept: tuple[Retention, StoreConnection, Clock],
) -> None:
    indexer = Indexer()
    indexers = {KIND: indexer}
    waits = Backlog(kept[1], indexers)
    waits.keep([KeptUpload(kind, 0, kind.encode()) for kind in (KIND, "other", KIND)])
    step = waits.index_some()
    assert step is not None
    assert [batch.payloads for batch in indexer.batches] == [[KIND.encode()]]
    waits.finish(step)
    assert waits.index_some() is None
    indexers["other"] = indexer
    assert waits.index_some() is not None
    assert [batch.payloads for batch in indexer.batches[1:]] == [[b"other"], [KIND.encode()]]


# ---- how much arrived -----------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Retention, StoreConnection, Clock]]:
    """What keeps an empty file within its limits, with the file's connection and a clock."""
    clock = Clock()
    connection = sqlite3.connect(tmp_path / "file", isolation_level=None, factory=StoreConnection)
    migrate(connection)
    yield Retention(connection, Limits(age_s=100), clock), connection, clock
    connection.close()


def test_arrivals_are_dated_by_a_clock_that_never_goes_back_and_never_stands_still() -> None:
    times = iter([100.0, 110.0, 50.0, 55.0, 119.0, 120.0, 121.0, 199.0, 205.0])
    arrivals = ArrivalClock(lambda: next(times))
    # It is set back by 60 s, goes on, and is set forward again.
    assert [arrivals.now() for _ in range(5)] == [110.0, 110.0, 115.0, 119.0, 120.0]
    arrivals.follow(119.0)  # a date that is past changes nothing
    assert arrivals.now() == 121.0
    arrivals.follow(200.0)
    assert [arrivals.now() for _ in range(2)] == [278.0, 284.0]


def buckets(connection: StoreConnection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT id FROM arrivals ORDER BY id")]


def fill(connection: StoreConnection, name: str) -> None:
    connection.execute("INSERT INTO backlog (kind, time_ns, payload) VALUES (?, 0, zeroblob(100000))", (name,))


def test_a_bucket_says_how_much_the_file_grew_while_it_was_open(kept: tuple[Retention, StoreConnection, Clock]) -> None:
    retention, connection, clock = kept
    empty = retention.used_bytes
    for name in "ab":
        used = retention.begin_group()
        fill(connection, name)
        retention.end_group(used)
    first = retention.used_bytes - empty
    assert first > 150_000
    clock.now += BUCKET_S
    used = retention.begin_group()
    retention.end_group(used)
    used = retention.begin_group()
    fill(connection, "c")
    retention.end_group(used)
    second = retention.used_bytes - empty - first
    used = retention.begin_group()
    connection.execute("DELETE FROM backlog WHERE kind = 'c'")
    retention.end_group(used)
    found = connection.execute("SELECT bytes FROM arrivals ORDER BY id").fetchall()
    assert second > 50_000
    assert [size for (size,) in found] == [first, second - (used - retention.used_bytes)]


MEBIBYTE = 2**20


@pytest.mark.parametrize(
    ("size_bytes", "share"),
    [(0, LARGEST_BUCKET_BYTES), (64 * MEBIBYTE, 2 * MEBIBYTE), (10_000 * MEBIBYTE, LARGEST_BUCKET_BYTES)],
)
def test_a_bucket_holds_so_many_seconds_or_such_a_share_of_what_may_be_kept(
    kept: tuple[Retention, StoreConnection, Clock], size_bytes: int, share: int
) -> None:
    _, connection, clock = kept
    retention = Retention(connection, Limits(size_bytes=size_bytes), clock)
    connection.execute("UPDATE arrivals SET time_s = ?", (int(clock.now),))
    for grown, is_due in ((0, False), (share - 1, False), (share, True)):
        connection.execute("UPDATE arrivals SET bytes = ?", (grown,))
        retention.recall()
        assert retention.is_bucket_due is is_due
    connection.execute("UPDATE arrivals SET bytes = 0")
    retention.recall()
    clock.now = int(clock.now) + BUCKET_S - 0.01
    assert not retention.is_bucket_due
    clock.now += 0.01
    assert retention.is_bucket_due


def test_an_upload_is_waited_for_until_there_is_something_to_look_at(
    kept: tuple[Retention, StoreConnection, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Time:
        monotonic = staticmethod(lambda: 100.0)

    monkeypatch.setattr(retention_module, "time", Time)
    retention = kept[0]
    for next_check, patience_s in ((0.0, 0.05), (100.04, 0.05), (103.0, 3.0), (200.0, CHECK_S)):
        retention._next_check = next_check
        assert retention.patience == pytest.approx(patience_s)
    retention._sweep = iter(())
    assert retention.patience == 0.0


def filled_buckets(kept: tuple[Retention, StoreConnection, Clock]) -> int:
    """Put five buckets of 10 s each in the place of the first, the last of which is open; gives when they began, s."""
    _, connection, clock = kept
    clock.now = began_s = int(clock.now)
    connection.execute("DELETE FROM arrivals")
    connection.executemany(
        "INSERT INTO arrivals (id, time_s, trace, profile, span_sample, bytes) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, began_s + 10 * number, 100 + number, 200 + number, 300 + number, 100) for number in range(1, 6)],
    )
    return began_s


@pytest.mark.parametrize(
    ("passed_s", "age_s", "cut"),
    [
        (50, 31, None),
        (50, 30, Cut(2, 102, 202, 302)),
        (59.9, 30, Cut(2, 102, 202, 302)),
        (60, 30, Cut(3, 103, 203, 303)),
        (89, 30, Cut(5, 105, 205, 305)),
        (90, 30, Cut(6, 1, 1, 1)),  # the open one is too old as well, so another is opened
    ],
)
def test_what_is_older_than_its_age_is_cut_off_by_whole_buckets(
    kept: tuple[Retention, StoreConnection, Clock], passed_s: float, age_s: float, cut: Cut | None
) -> None:
    kept[2].now = filled_buckets(kept) + passed_s
    assert Retention(kept[1], Limits(age_s=age_s), kept[2])._cut() == cut


@pytest.mark.parametrize(
    ("used", "cut"),
    [
        (999, None),
        (1_001, Cut(3, 103, 203, 303)),
        (1_100, Cut(3, 103, 203, 303)),
        (1_101, Cut(4, 104, 204, 304)),
        (1_300, Cut(5, 105, 205, 305)),
        (9_000, Cut(6, 1, 1, 1)),
    ],
)
def test_what_is_too_much_is_cut_off_by_what_the_oldest_buckets_hold(
    kept: tuple[Retention, StoreConnection, Clock], monkeypatch: pytest.MonkeyPatch, used: int, cut: Cut | None
) -> None:
    filled_buckets(kept)
    retention = Retention(kept[1], Limits(size_bytes=1_000), kept[2])
    monkeypatch.setattr(Retention, "used_bytes", used)
    assert retention._cut() == cut
    assert retention._is_far_too_large() is (used > 1_100)
    assert buckets(kept[1]) == [1, 2, 3, 4, 5] + [6] * (cut is not None)


def test_without_limits_nothing_is_cut_off(kept: tuple[Retention, StoreConnection, Clock]) -> None:
    kept[2].now = filled_buckets(kept) + 10**9
    retention = Retention(kept[1], Limits(), kept[2])
    assert retention._cut() is None
    assert not retention._is_far_too_large()


def test_rows_are_gone_through_in_steps_of_so_many_numbers(
    kept: tuple[Retention, StoreConnection, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    retention, connection, _ = kept
    monkeypatch.setattr(retention_module, "ROWS_IN_STEP", 3)
    assert list(retention._ranges("functions")) == []
    connection.executemany(
        "INSERT INTO functions (id, name, system_name, file, seen) VALUES (?, ?, '', '', 1)",
        [(number, str(number)) for number in range(2, 9)],
    )
    assert list(retention._ranges("functions")) == [(2, 4), (5, 7), (8, 8)]
    assert list(retention._ranges("functions", 9)) == [(2, 4), (5, 7), (8, 8)]
    assert list(retention._ranges("functions", 8)) == [(2, 4), (5, 7)]
    assert list(retention._ranges("functions", 3)) == [(2, 2)]
    assert list(retention._ranges("functions", 2)) == []


def test_data_that_cannot_be_removed_is_told_and_tried_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([sqlite3.OperationalError("database or disk is full")])

    class Failing(StoreConnection):
        """Fails at the end of its first transaction."""

        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "COMMIT":
                for error in failures:
                    raise error
            return super().execute(statement, *arguments)

    clock = Clock()
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None, factory=Failing)) as connection:
        migrate(connection)
        retention = Retention(connection, Limits(age_s=100), clock)
        clock.now += 200
        with caplog.at_level(logging.WARNING):
            retention.work()
        assert caplog.messages == ["old data could not be removed: database or disk is full"]
        assert not connection.in_transaction
        assert buckets(connection) == [1]
        retention._next_check = 0.0

        def is_removed() -> bool:
            retention.work()
            return buckets(connection) == [2]

        eventually(is_removed)
        assert connection.bucket == 2
