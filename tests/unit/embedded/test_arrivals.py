"""When data arrived, by the store's own account: buckets, and which of them are cut off."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.embedded.store import retention as retention_module
from spanprofiles.embedded.store.connection import StoreConnection
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
from tests.support.clocks import Clock, eventually


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Retention, StoreConnection, Clock]]:
    """What keeps an empty file within its limits, with the file's connection and a clock."""
    clock = Clock(time.time())
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
    clock.now_s += BUCKET_S
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
    connection.execute("UPDATE arrivals SET time_s = ?", (int(clock.now_s),))
    for grown, is_due in ((0, False), (share - 1, False), (share, True)):
        connection.execute("UPDATE arrivals SET bytes = ?", (grown,))
        retention.recall()
        assert retention.is_bucket_due is is_due
    connection.execute("UPDATE arrivals SET bytes = 0")
    retention.recall()
    clock.now_s = int(clock.now_s) + BUCKET_S - 0.01
    assert not retention.is_bucket_due
    clock.now_s += 0.01
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
    clock.now_s = began_s = int(clock.now_s)
    connection.execute("DELETE FROM arrivals")
    connection.executemany(
        "INSERT INTO arrivals (id, time_s, trace, profile, span_sample, bytes) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, began_s + 10 * number, 100 + number, 200 + number, 300 + number, 100) for number in range(1, 6)],
    )
    return began_s


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
    kept[2].now_s = filled_buckets(kept) + 10**9
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

    clock = Clock(time.time())
    with closing(sqlite3.connect(tmp_path / "file", isolation_level=None, factory=Failing)) as connection:
        migrate(connection)
        retention = Retention(connection, Limits(age_s=100), clock)
        clock.now_s += 200
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
