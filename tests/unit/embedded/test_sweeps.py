"""Retention step by step, on a store in memory and a clock that a test sets: buckets, cuts, sweeps and patience."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.embedded.store import retention
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.retention import (
    BUCKET_S,
    BUCKETS_IN_SIZE,
    CHECK_S,
    RETRY_S,
    ROWS_IN_STEP,
    ArrivalClock,
    Cut,
    Limits,
    Retention,
)
from spanprofiles.embedded.store.traces import TRACES_IN_BLOCK
from tests.support.embedded.stores import in_memory

MEBIBYTE = 2**20
START_S, STEADY_S = 1_700_000_000, 1_000.0


class Clocks:
    """The time of the wall and the one that is never set."""

    def __init__(self) -> None:
        self.now_s, self.steady_s = float(START_S), STEADY_S

    def time(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.steady_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        self.steady_s += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(retention, "time", made)
    return made


@pytest.fixture
def connection() -> Iterator[StoreConnection]:
    opened = in_memory()
    opened.execute("UPDATE arrivals SET time_s = ?", (START_S,))
    with closing(opened):
        yield opened


def keeper(connection: StoreConnection, clocks: Clocks, **limits: Any) -> Retention:
    return Retention(connection, Limits(**limits), clock=clocks.time)


def arrivals(connection: StoreConnection) -> list[tuple[Any, ...]]:
    """Each bucket: its time since the start, its first trace, profile and part of one, and its bytes."""
    rows = connection.execute("SELECT time_s, trace, profile, span_sample, bytes FROM arrivals ORDER BY id").fetchall()
    return [(time_s - START_S if time_s else 0, *rest) for time_s, *rest in rows]


def add_traces(connection: StoreConnection, count: int) -> None:
    first = connection.execute("SELECT ifnull(max(id), 0) FROM traces").fetchone()[0]
    connection.executemany(
        "INSERT INTO traces (trace_id, start_ns, end_ns) VALUES (?, 0, 0)",
        [(number.to_bytes(16, "big"),) for number in range(first, first + count)],
    )


def count(connection: StoreConnection, table: str) -> int:
    found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # of this module
    return found


@pytest.mark.parametrize(
    ("readings", "dates"),
    [
        ([10, 20], [10, 20]),
        ([10, 4, 5], [10, 10, 11]),
        ([10, 4, 5, 15], [10, 10, 11, 15]),
        ([10, 10], [10, 10]),
    ],
)
def test_dates_never_go_back_and_never_stand_still(readings: list[float], dates: list[float]) -> None:
    clock = iter([float(readings[0]), *map(float, readings)])
    arrival = ArrivalClock(lambda: next(clock))
    assert [arrival.now() for _ in readings] == dates


def test_a_date_that_was_given_is_followed_while_it_is_ahead() -> None:
    now = [100.0]
    arrival = ArrivalClock(lambda: now[0])
    arrival.follow(50.0)
    assert arrival.now() == 100.0
    arrival.follow(200.0)
    now[0] = 130.0
    assert arrival.now() == 230.0
    now[0] = 300.0
    assert arrival.now() == 300.0


def test_a_bucket_is_opened_when_its_time_is_over(connection: StoreConnection, clocks: Clocks) -> None:
    kept = keeper(connection, clocks, age_s=100)
    kept.begin_group()
    opened = arrivals(connection)
    add_traces(connection, 3)
    clocks.pass_by(BUCKET_S - 0.1)
    kept.begin_group()
    assert arrivals(connection) == opened
    clocks.pass_by(0.1)
    kept.begin_group()
    assert arrivals(connection)[-1] == (BUCKET_S, 4, 1, 1, 0)
    assert connection.bucket == len(arrivals(connection))


@pytest.mark.parametrize(
    ("size_bytes", "share"),
    [(BUCKETS_IN_SIZE * MEBIBYTE, MEBIBYTE), (0, 16 * MEBIBYTE), (BUCKETS_IN_SIZE * 100 * MEBIBYTE, 16 * MEBIBYTE)],
)
def test_a_bucket_is_opened_when_it_has_its_share_of_the_size(
    connection: StoreConnection, clocks: Clocks, size_bytes: int, share: int
) -> None:
    kept = keeper(connection, clocks, size_bytes=size_bytes)
    kept.begin_group()
    before = len(arrivals(connection))
    used = kept.used_bytes
    kept.end_group(used - share + 1)
    kept.begin_group()
    assert len(arrivals(connection)) == before
    kept.end_group(used - 1)
    kept.begin_group()
    assert len(arrivals(connection)) == before + 1
    assert arrivals(connection)[-2][-1] == share
    again = keeper(connection, clocks, size_bytes=size_bytes)
    assert (again._opened_s, again._grown) == (START_S, 0)


def test_what_a_group_gives_back_is_no_growth(connection: StoreConnection, clocks: Clocks) -> None:
    kept = keeper(connection, clocks)
    kept.begin_group()
    kept.end_group(kept.used_bytes + 5_000)
    assert arrivals(connection)[-1][-1] == 0


def test_sizes_are_of_whole_pages(connection: StoreConnection, clocks: Clocks) -> None:
    kept = keeper(connection, clocks)
    page: int = connection.execute("PRAGMA page_size").fetchone()[0]
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    assert (kept.file_bytes, kept.used_bytes) == (page * pages, page * pages)
    add_traces(connection, 5_000)
    connection.execute("DELETE FROM traces")
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    assert free > 0
    assert kept.used_bytes == kept.file_bytes - free * page


def test_the_writer_is_patient_up_to_the_next_look_and_not_while_something_goes(
    connection: StoreConnection, clocks: Clocks
) -> None:
    kept = keeper(connection, clocks, age_s=100)
    assert kept.patience == 0.05
    kept.work()
    assert kept.patience == CHECK_S
    clocks.pass_by(CHECK_S - 1)
    assert kept.patience == 1.0
    kept._sweep = iter([None])
    assert kept.patience == 0.0


def test_a_store_that_is_too_large_is_looked_at_at_once(connection: StoreConnection, clocks: Clocks) -> None:
    for size_bytes, patience in ((1, 0.05), (0, CHECK_S), (100 * MEBIBYTE, CHECK_S)):
        kept = keeper(connection, clocks, size_bytes=size_bytes)
        kept._next_check = STEADY_S + CHECK_S
        kept.end_group(kept.begin_group())
        assert kept.patience == patience
    exact = keeper(connection, clocks, size_bytes=kept.used_bytes)
    exact._next_check = STEADY_S + CHECK_S
    exact.end_group(exact.begin_group())
    assert exact.patience == CHECK_S


def buckets(connection: StoreConnection, *rows: tuple[int, int]) -> None:
    """Buckets of (time since the start, bytes), each with a trace more than the one before."""
    connection.execute("DELETE FROM arrivals")
    connection.executemany(
        "INSERT INTO arrivals (id, time_s, trace, profile, span_sample, bytes) VALUES (?, ?, ?, ?, ?, ?)",
        [(1 + n, START_S + time_s, 10 + n, 20 + n, 30 + n, size) for n, (time_s, size) in enumerate(rows)],
    )


def test_what_is_older_than_it_may_be_is_cut_off_bucket_by_bucket(connection: StoreConnection, clocks: Clocks) -> None:
    buckets(connection, (0, 5), (10, 5), (20, 5), (1_000, 5))
    clocks.pass_by(1_000)
    for age_s, cut in (
        (0, None),
        (991, None),
        (990, Cut(2, 11, 21, 31)),
        (980.1, Cut(2, 11, 21, 31)),
        (980, Cut(3, 12, 22, 32)),
        (970, Cut(4, 13, 23, 33)),
        (100, Cut(4, 13, 23, 33)),
    ):
        assert keeper(connection, clocks, age_s=age_s)._cut() == cut, age_s
    assert count(connection, "arrivals") == 4


def test_a_bucket_that_is_too_old_itself_is_closed_first(connection: StoreConnection, clocks: Clocks) -> None:
    buckets(connection, (0, 5))
    clocks.pass_by(110)
    assert keeper(connection, clocks, age_s=101)._cut() is None
    assert keeper(connection, clocks, age_s=100)._cut() == Cut(2, 1, 1, 1)
    assert arrivals(connection)[1:] == [(110, 1, 1, 1, 0)]


@pytest.mark.parametrize(
    ("used", "limit", "kept_from"),
    [(1_000, 0, 1), (1_000, 1_001, 1), (1_000, 990, 3), (1_000, 500, 5), (1_000, 10_000, 1)],
)
def test_of_what_is_too_large_the_oldest_goes_until_a_tenth_is_free(
    connection: StoreConnection, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, used: int, limit: int, kept_from: int
) -> None:
    buckets(connection, *[(place, 100) for place in range(4)])
    monkeypatch.setattr(Retention, "used_bytes", used)
    cut = keeper(connection, clocks, size_bytes=limit)._cut()
    assert (1 if cut is None else cut.bucket) == kept_from


def filled(connection: StoreConnection) -> None:
    """Two spans and an attribute of each of 70 traces; shared rows last used in the first bucket and the second."""
    add_traces(connection, 70)
    connection.executemany(
        "INSERT INTO spans (trace, resource, scope, span_ids, payload) VALUES (?, 1, 1, x'', x'')",
        [(trace,) for trace in range(1, 71) for _ in range(2)],
    )
    connection.executemany(
        "INSERT INTO attributes (id, key, scope, type, value) VALUES (?, ?, 0, 0, 0)", [(1, "old"), (2, "both")]
    )
    every = 2**TRACES_IN_BLOCK - 1
    connection.executemany(
        "INSERT INTO attribute_blocks VALUES (?, ?, ?)",
        [(1, 0, every - 1), (1, 1, 0b111), (2, 0, every - 1), (2, 1, every), (2, 2, 0b1111111)],
    )
    for table in ("resources", "scopes"):
        connection.executemany(
            f"INSERT INTO {table} (payload, schema_url, seen) VALUES (?, '', ?)",  # noqa: S608  # of this test
            [(b"old", 1), (b"new", 2)],
        )
    connection.executemany(
        "INSERT INTO profiles (upload, series, time_ms, total, entries) VALUES (0, 1, 0, 0, x'')", [()] * 5
    )
    connection.executemany(
        "INSERT INTO span_samples (profile, series, time_ms, total, entries) VALUES (1, 1, 0, 0, x'')", [()] * 5
    )
    connection.executemany("INSERT INTO stacks VALUES (?, x'', x'')", [(number,) for number in range(1, 6)])


def test_a_sweep_removes_what_is_before_the_cut_and_nothing_else(connection: StoreConnection, clocks: Clocks) -> None:
    filled(connection)
    buckets(connection, (0, 5), (10, 5), (20, 5))
    kept = keeper(connection, clocks)
    generation = connection.generation
    assert set(kept._swept(Cut(2, 37, 3, 4))) == {None}
    assert not connection.in_transaction
    ids = {
        table: [number for (number,) in connection.execute(f"SELECT id FROM {table} ORDER BY id")]  # noqa: S608  # of this test
        for table in ("traces", "profiles", "span_samples", "stacks", "attributes", "resources", "scopes", "arrivals")
    }
    assert ids == {
        "traces": [*range(37, 71)],
        "profiles": [3, 4, 5],
        "span_samples": [4, 5],
        "stacks": [3, 4, 5],
        "attributes": [2],
        "resources": [2],
        "scopes": [2],
        "arrivals": [2, 3],
    }
    assert count(connection, "spans") == 2 * 34
    blocks = connection.execute("SELECT * FROM attribute_blocks ORDER BY attribute, block").fetchall()
    # of the block with trace 37, whose bit is the sixth, the bits from there on stay
    assert blocks == [(2, 1, 2**32 - 1 & -1 << 37 - 32), (2, 2, 0b1111111)]
    # readers and the writer forget numbers after each step that may have removed rows they remember
    assert connection.generation - generation == 1 + 2


def test_a_step_has_a_bounded_number_of_rows(
    connection: StoreConnection, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_IN_STEP", 10)
    add_traces(connection, 25)
    kept = keeper(connection, clocks)
    assert list(kept._ranges("traces")) == [(1, 10), (11, 20), (21, 25)]
    assert list(kept._ranges("traces", 21)) == [(1, 10), (11, 20)]
    assert list(kept._ranges("traces", 22)) == [(1, 10), (11, 20), (21, 21)]
    assert list(kept._ranges("traces", 1)) == []
    assert list(kept._ranges("series")) == []
    assert ROWS_IN_STEP == 2_000
    monkeypatch.setattr(retention, "TRACES_IN_STEP", 10)
    left = []
    for _ in kept._remove_traces(25):
        left.append(count(connection, "traces"))
    assert left[-1] == 1


@pytest.mark.parametrize("statement", ["BEGIN", "SELECT 1"], ids=["in a transaction", "before one"])
def test_old_data_that_cannot_be_removed_is_told_and_tried_again_later(
    connection: StoreConnection, clocks: Clocks, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    kept = keeper(connection, clocks, age_s=100)

    def fails() -> Iterator[None]:
        connection.execute(statement)
        yield
        raise sqlite3.OperationalError("disk I/O error")

    kept._sweep = fails()
    kept._next_check = STEADY_S + 1
    with caplog.at_level(logging.WARNING):
        kept.work()
    assert [record.getMessage() for record in caplog.records] == ["old data could not be removed: disk I/O error"]
    assert kept._sweep is None
    assert (connection.in_transaction, kept._next_check) == (False, STEADY_S + RETRY_S)


def test_a_sweep_stops_when_its_time_is_over_and_goes_on_the_next_time(
    connection: StoreConnection, clocks: Clocks
) -> None:
    kept = keeper(connection, clocks, age_s=100)
    steps: list[int] = []

    def sweep() -> Iterator[None]:
        for step in range(3):
            steps.append(step)
            clocks.pass_by(retention.BUDGET_S)
            yield

    kept._sweep = sweep()
    for expected in ([0], [0, 1], [0, 1, 2]):
        kept.work()
        assert steps == expected
        assert kept.patience == 0.0
    kept.work()
    assert kept._sweep is None


class Pages:
    """Stands in for a connection whose file has free pages; each statement gives some back."""

    def __init__(self, pages: int, free: int, gives: int) -> None:
        self.pages, self.free, self.gives = pages, free, gives
        self.ran: list[str] = []

    def execute(self, statement: str) -> Any:
        value = {"PRAGMA page_count": self.pages, "PRAGMA freelist_count": self.free}[statement]
        return SimpleNamespace(fetchone=lambda: (value,))

    def executescript(self, statement: str) -> None:
        self.ran.append(statement)
        self.pages, self.free = self.pages - self.gives, self.free - self.gives


@pytest.mark.parametrize(
    ("pages", "free", "gives", "steps"),
    [(2_000, 499, 500, 0), (2_000, 500, 500, 1), (8_000, 1_999, 500, 0), (8_000, 2_000, 500, 1),
     (4_000, 3_000, 500, 6), (4_000, 3_000, 0, 1)],
)  # fmt: skip
def test_free_pages_are_given_back_while_they_are_many(pages: int, free: int, gives: int, steps: int) -> None:
    kept = Retention.__new__(Retention)
    file: Any = Pages(pages, free, gives)
    kept._connection = file
    list(kept._give_back())
    assert file.ran == ["PRAGMA incremental_vacuum(500)"] * steps


def test_a_transaction_is_kept_or_taken_back_whole(connection: StoreConnection) -> None:
    with retention._transaction(connection):
        add_traces(connection, 2)

    def fail(work: Callable[[], object]) -> None:
        with retention._transaction(connection):
            work()
            raise ValueError("no")

    for work in (lambda: add_traces(connection, 2), lambda: connection.execute("ROLLBACK")):
        with pytest.raises(ValueError, match="no"):
            fail(work)
    assert (count(connection, "traces"), connection.in_transaction) == (2, False)


@pytest.mark.parametrize(
    ("used", "limit", "expected"), [(1_100, 1_000, False), (1_101, 1_000, True), (950, 1_000, False), (5, 0, False)]
)
def test_a_tenth_more_than_the_limit_is_borne_for_a_while(
    connection: StoreConnection, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, used: int, limit: int, *,
    expected: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(Retention, "used_bytes", used)
    assert keeper(connection, clocks, size_bytes=limit)._is_far_too_large() is expected
