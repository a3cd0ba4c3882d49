"""The store's connections: how they are set up, when they are interrupted, and whom they give way to."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.limits import SHORT_QUERY_S
from spanprofiles.embedded.priority import Rank
from spanprofiles.embedded.store.connection import StoreConnection, was_interrupted
from spanprofiles.embedded.store.database import Database
from tests.support.embedded.stores import Rows

LONG_S = 60.0


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


def test_a_statement_that_runs_past_the_deadline_is_told_as_a_query_too_long(database: Database) -> None:
    count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT ?) SELECT count(*) FROM n"
    with database.reading(Deadline(LONG_S)):
        connection = database.reader()
        assert connection.execute(count, (100_000,)).fetchone() == (100_000,)
    with pytest.raises(QueryTooLongError), database.reading(Deadline(-1.0)):
        database.reader().execute(count, (100_000,)).fetchone()
    with pytest.raises(sqlite3.OperationalError, match="no such table"), database.reading(Deadline(LONG_S)):
        database.reader().execute("SELECT * FROM nowhere")
