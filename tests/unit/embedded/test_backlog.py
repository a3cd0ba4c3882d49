"""A small upload is acknowledged when it is kept, and indexed later: nobody who asks sees the difference."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.otlp import receiver
from spanprofiles.embedded.pyroscope import push
from spanprofiles.embedded.store import backlog, writer
from spanprofiles.embedded.store.backlog import KeptUpload
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.folder import StoreUnavailableError
from tests.support.clocks import eventually
from tests.support.embedded.stores import KIND, Indexer, keep
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on
from tests.unit.embedded.test_profiles import SPAN, TRACE, WINDOW, profile, pushed, sample, tree

LONG_S = 60.0


@pytest.fixture
def indexer(database: Database) -> Indexer:
    made = Indexer()
    database.index_with(KIND, made)
    return made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is indexed because no upload comes."""
    monkeypatch.setattr(writer, "QUIET_S", 1e9)


def indexed(database: Database) -> list[str]:
    select = "SELECT value FROM attributes WHERE key = 'upload' ORDER BY id"
    return [value for (value,) in database.reader().execute(select)]


def rows(file: Path, table: str) -> int:
    """How many rows a table has, seen from outside: nothing is indexed for it."""
    with closing(sqlite3.connect(file)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # of this module
    return count


@pytest.mark.usefixtures("patient")
def test_an_upload_is_acknowledged_unindexed_and_indexed_for_who_asks(database: Database, indexer: Indexer) -> None:
    keep(database, "a", "b", "c")
    assert (rows(database.path, "backlog"), indexer.batches) == (3, [])
    assert indexed(database) == ["a", "b", "c"]
    assert rows(database.path, "backlog") == 0
    keep(database, "d")
    assert indexed(database) == ["a", "b", "c", "d"]
    assert [batch.payloads for batch in indexer.batches] == [[b"a", b"b", b"c"], [b"d"]]


def test_when_no_more_comes_uploads_are_indexed_without_a_question(database: Database, indexer: Indexer) -> None:
    keep(database, "a")
    eventually(lambda: rows(database.path, "backlog") == 0)
    assert rows(database.path, "attributes") == 1
    assert len(indexer.batches) == 1


@pytest.mark.usefixtures("patient")
def test_when_there_is_much_to_index_uploads_are_indexed_as_they_come(
    database: Database, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_BYTES", 100)
    keep(database, *[letter * 30 for letter in "abc"])
    assert rows(database.path, "backlog") == 3
    keep(database, "d" * 30)
    eventually(lambda: rows(database.path, "backlog") == 0)
    assert sum(len(batch.payloads) for batch in indexer.batches) == 4


@pytest.mark.usefixtures("patient")
def test_only_so_much_is_indexed_in_one_transaction(
    database: Database, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_STEP_BYTES", 5)
    keep(database, "aaa", "bb", "c", "dddddddd", "e")
    assert indexed(database) == ["aaa", "bb", "c", "dddddddd", "e"]
    assert [batch.payloads for batch in indexer.batches] == [[b"aaa", b"bb"], [b"c"], [b"dddddddd"], [b"e"]]


@pytest.mark.usefixtures("patient")
def test_what_a_killed_process_had_acknowledged_is_indexed_by_the_next(
    database: Database, indexer: Indexer, tmp_path: Path
) -> None:
    keep(database, "a", "b")
    shutil.copytree(database.directory, tmp_path / "copy")  # as a process leaves it that is killed at this moment
    assert rows(tmp_path / "copy" / FILE_NAME, "backlog") == 2
    with closing(Database(tmp_path / "copy")) as later:
        later.index_with(KIND, Indexer())
        assert indexed(later) == ["a", "b"]
        assert rows(later.path, "backlog") == 0
    assert indexer.batches == []


@pytest.mark.usefixtures("patient", "indexer")
def test_a_database_that_is_closed_leaves_nothing_to_index(database: Database) -> None:
    keep(database, "a", "b")
    database.close()
    assert (rows(database.path, "backlog"), rows(database.path, "attributes")) == (0, 2)


@pytest.mark.usefixtures("patient")
def test_an_upload_that_cannot_be_indexed_takes_no_other_with_it(
    database: Database, indexer: Indexer, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(payloads: Sequence[bytes]) -> None:
        if b"b" in payloads:
            raise ValueError("what is b?")

    indexer.before = refuse
    keep(database, "a", "b", "c")
    with caplog.at_level(logging.ERROR):
        assert indexed(database) == ["a", "c"]
    assert [record.message for record in caplog.records] == [
        "an upload of test was acknowledged, cannot be indexed, and is lost"
    ]
    assert [batch.forgot for batch in indexer.batches if b"b" in batch.payloads] == [True, True]
    keep(database, "d")
    assert indexed(database) == ["a", "c", "d"]


@pytest.mark.usefixtures("patient")
def test_a_want_of_memory_loses_no_upload(
    database: Database, indexer: Indexer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = iter([MemoryError()])

    def too_large_once(_: Sequence[bytes]) -> None:
        for error in tries:
            raise error

    monkeypatch.setattr(writer, "RETRY_S", 0.0)
    indexer.before = too_large_once
    keep(database, "a", "b")
    with pytest.raises(StoreUnavailableError, match="cannot be indexed yet: out of memory"):
        indexed(database)
    assert indexed(database) == ["a", "b"]
    assert "lost" not in caplog.text


@pytest.mark.usefixtures("patient")
def test_what_there_is_no_room_to_index_is_told_and_stays_until_there_is(
    database: Database, indexer: Indexer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: Sequence[bytes]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    keep(database, "a")
    assert indexed(database) == ["a"]
    indexer.before = full
    monkeypatch.setattr(writer, "RETRY_S", LONG_S)
    keep(database, "b")
    message = "the latest uploads are kept and cannot be indexed yet: database or disk is full"
    with pytest.raises(StoreUnavailableError, match=f"^{message}$"):  # an answer without them would be wrong
        indexed(database)
    assert message in caplog.text
    assert rows(database.path, "backlog") == 1
    assert indexer.batches[-1].forgot
    indexer.before = lambda _: None
    database.close()
    with closing(Database(database.directory)) as later:
        later.index_with(KIND, Indexer())
        assert indexed(later) == ["a", "b"]


@pytest.mark.usefixtures("patient")
def test_when_there_is_room_again_uploads_are_indexed_with_no_other_try(
    database: Database, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([sqlite3.OperationalError("database or disk is full")])

    def full_once(_: Sequence[bytes]) -> None:
        for error in tries:
            raise error

    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    monkeypatch.setattr(writer, "QUIET_S", 0.0)
    indexer.before = full_once
    keep(database, "a")
    eventually(lambda: rows(database.path, "attributes") == 1)
    assert indexed(database) == ["a"]


@pytest.fixture
def held(indexer: Indexer) -> Iterator[threading.Event]:
    """Indexing does not end before this is set."""
    event = threading.Event()

    def wait(_: Sequence[bytes]) -> None:
        event.wait(LONG_S)

    indexer.before = wait
    yield event
    event.set()


@pytest.mark.usefixtures("patient")
def test_a_query_gives_up_at_its_deadline_while_uploads_are_indexed(database: Database, held: threading.Event) -> None:
    keep(database, "a")
    with pytest.raises(QueryTooLongError), database.reading(Deadline(0.05)):
        database.reader()
    held.set()
    assert indexed(database) == ["a"]


@pytest.mark.usefixtures("patient")
def test_within_one_question_what_came_meanwhile_is_not_seen(database: Database, indexer: Indexer) -> None:
    keep(database, "a")
    with database.reading():
        assert indexed(database) == ["a"]
        keep(database, "b")
        assert indexed(database) == ["a"]
    assert indexed(database) == ["a", "b"]
    assert len(indexer.batches) == 2


def sent(applications: Applications) -> tuple[object, object]:
    """What is found of some spans and profiles."""
    span = SpanFactory("ab")
    applications.export(span("root", values={"key": "value"}), span("child", parent="root"))
    applications.export(span("late", parent="root"), resource={"service.name": "other"})
    samples = (
        sample("leaf", "main", value=3, span_id=SPAN, trace_id=TRACE, span_name="GET", region="eu"),
        sample("leaf", "main", value=4, span_id=SPAN, span_name="GET"),
        sample("main", value=5),
    )
    assert pushed(applications, profile(*samples), host="a") == 200
    found = applications.tempo.get(f"/api/traces/{'ab' * 16}").get_json(), applications.search("{ }")
    return found, (tree(applications, spanSelector=[SPAN]), applications.call("Series", WINDOW))


@pytest.mark.usefixtures("patient")
def test_a_push_is_indexed_at_once_while_much_waits_to_be_indexed(
    applications: Applications, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = profile(sample("leaf", span_id=SPAN))
    assert pushed(applications, one) == 200
    with closing(sqlite3.connect(database.path)) as connection:
        size: int = connection.execute("SELECT length(payload) FROM backlog").fetchone()[0]
    assert tree(applications, spanSelector=[SPAN])["leaf"] == (10, 10)
    monkeypatch.setattr(backlog, "BACKLOG_BYTES", size * 3 // 2)
    assert pushed(applications, one) == 200
    assert (rows(database.path, "backlog"), rows(database.path, "profiles")) == (1, 1)
    assert pushed(applications, one) == 200
    assert (rows(database.path, "backlog"), rows(database.path, "profiles")) == (1, 2)
    assert tree(applications, spanSelector=[SPAN])["leaf"] == (30, 30)


def test_what_is_kept_first_is_found_as_what_is_indexed_at_once(
    applications: Applications, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    original = Database.keep

    def noted(self: Database, upload: KeptUpload) -> None:
        kept.append(upload.kind)
        original(self, upload)

    monkeypatch.setattr(Database, "keep", noted)
    first = sent(applications)
    assert kept == [receiver.SPANS, receiver.SPANS, push.PUSH]
    for module in (receiver, push):
        monkeypatch.setattr(module, "KEPT_UPLOAD_BYTES", 0)
    with closing(Database(shutil.copytree(empty_store, tmp_path / "other"))) as other:
        assert sent(applications_on(other)) == first
    assert len(kept) == 3


def test_a_question_waits_for_uploads_whose_indexer_is_still_to_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[None] = []
    index_some = backlog.Backlog.index_some

    def noted(self: backlog.Backlog) -> object:
        tries.append(None)
        return index_some(self)

    monkeypatch.setattr(backlog.Backlog, "index_some", noted)
    keep(database, "early")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(indexed, database)
        eventually(lambda: len(tries) > 2)
        assert not answer.done()
        database.index_with(KIND, Indexer())
        assert answer.result(LONG_S) == ["early"]
