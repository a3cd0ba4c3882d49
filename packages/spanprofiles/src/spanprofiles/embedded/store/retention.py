"""Retention: data goes by age and by size, the oldest first, in small steps between the writer's groups.

What arrives is counted in buckets of some seconds or megabytes (the table ``arrivals``). A bucket knows the first
number that a trace, a profile or a part of one got in it, so all that came before it is a range of numbers. Rows that
many others share (resources, call paths) carry the bucket of their latest use.
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.traces import TRACES_IN_BLOCK

logger = logging.getLogger("spanprofiles.embedded")

BUCKET_S = 10
BUCKETS_IN_SIZE = 32
CHECK_S = 5.0
RETRY_S = 30.0
BUDGET_S = 0.02
ROOM = 0.9
TOLERATED = 1.1
LARGEST_BUCKET_BYTES = 16 * 1024 * 1024
TRACES_IN_STEP, ROWS_IN_STEP, PAGES_IN_STEP = 200, 2_000, 500
SHARED_TABLES = ("resources", "scopes", "series", "paths", "functions")


@dataclass(frozen=True)
class Limits:
    """How much is kept.

    Attributes:
        age_s: for how long since it arrived; 0 for ever.
        size_bytes: how large the data may become; 0 for no limit.
    """

    age_s: float = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class Cut:
    """Everything below these numbers goes."""

    bucket: int
    trace: int
    profile: int
    span_sample: int


class ArrivalClock:
    """The time by which arrivals are dated: it never goes back, and never stands still.

    A clock that was set back must not make what is new look old: what comes then is dated like what came last. Nor must
    a clock that was ahead for a while keep data for ever: from that date on, as much time passes as the clock counts.
    When the clock itself has come to that date, or was set forward again, it is followed as before.

    Args:
        clock: the present, in s since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen_s = self._now_s = clock()

    def follow(self, time_s: float) -> None:
        """Do not go back behind a date that was given, in s since the epoch."""
        self._now_s = max(self._now_s, time_s)

    def now(self) -> float:
        """Return the date of what arrives, in s since the epoch."""
        seen_s = self._clock()
        passed_s = max(0.0, seen_s - self._seen_s)
        self._now_s = seen_s if seen_s >= self._now_s else self._now_s + passed_s
        self._seen_s = seen_s
        return self._now_s


class Retention:
    """Keeps one file within its limits; used by the writer's thread alone.

    Args:
        connection: the writer's.
        limits: how much is kept.
        clock: the present, in s since the epoch.
    """

    def __init__(self, connection: StoreConnection, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._limits = limits
        self._arrivals = ArrivalClock(clock)
        self._sweep: Iterator[None] | None = None
        self._next_check = 0.0
        self._opened_s, self._grown = 0, 0
        self._page_bytes = self._pages("page_size")
        self.recall()

    def recall(self) -> None:
        """Read the bucket under way from the file, after a start or a rollback."""
        self._connection.bucket, self._opened_s, self._grown = self._connection.execute(
            "SELECT id, time_s, bytes FROM arrivals ORDER BY id DESC LIMIT 1"
        ).fetchone()
        self._arrivals.follow(self._opened_s)

    @property
    def file_bytes(self) -> int:
        """How large the file is, or will be when SQLite's log is copied into it."""
        return self._pages("page_count") * self._page_bytes

    @property
    def used_bytes(self) -> int:
        """How much of the file holds data."""
        return (self._pages("page_count") - self._pages("freelist_count")) * self._page_bytes

    def _pages(self, count: str) -> int:
        """Read one of SQLite's counts."""
        return int(self._connection.execute(f"PRAGMA {count}").fetchone()[0])

    @property
    def is_bucket_due(self) -> bool:
        """Whether what arrives from now on belongs to another bucket."""
        share = self._limits.size_bytes // BUCKETS_IN_SIZE or LARGEST_BUCKET_BYTES
        return self._arrivals.now() - self._opened_s >= BUCKET_S or self._grown >= min(share, LARGEST_BUCKET_BYTES)

    def begin_group(self) -> int:
        """Open a bucket where one is due, within the transaction of a group; gives the bytes used before it."""
        if self.is_bucket_due:
            self._open_bucket()
        return self.used_bytes

    def end_group(self, used_before: int) -> None:
        """Write down how much a group made the file grow, within its transaction."""
        used = self.used_bytes
        self._grown = max(0, self._grown + used - used_before)  # what was kept as it came goes when it is indexed
        self._connection.execute("UPDATE arrivals SET bytes = ? WHERE id = ?", (self._grown, self._connection.bucket))
        if 0 < self._limits.size_bytes < used:
            self._next_check = 0.0

    def _open_bucket(self) -> None:
        self._opened_s, self._grown = int(self._arrivals.now()), 0
        firsts = [
            (self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone() or (0,))[0]
            + 1
            for table in ("traces", "profiles", "span_samples")
        ]
        self._connection.bucket = (
            self._connection.execute(
                "INSERT INTO arrivals (time_s, trace, profile, span_sample) VALUES (?, ?, ?, ?)",
                (self._opened_s, *firsts),
            ).lastrowid
            or 0
        )

    @property
    def patience(self) -> float:
        """For how many seconds the writer may wait for batches before it calls ``work``."""
        return 0.0 if self._sweep else max(0.05, min(CHECK_S, self._next_check - time.monotonic()))

    def work(self) -> None:
        """Do a little of what is to be done; all of it where the data is far too large."""
        end = time.monotonic() + BUDGET_S
        try:
            if self._sweep is None and time.monotonic() >= self._next_check:
                self._next_check = time.monotonic() + CHECK_S
                cut = self._cut()
                self._sweep = self._swept(cut) if cut else None
            while self._sweep is not None and (time.monotonic() < end or self._is_far_too_large()):
                if next(self._sweep, self) is self:
                    self._sweep = None
        except sqlite3.Error as error:
            logger.warning("old data could not be removed: %s", error)
            self._sweep = None
            self._next_check = time.monotonic() + RETRY_S
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.recall()

    def _is_far_too_large(self) -> bool:
        return bool(self._limits.size_bytes) and self.used_bytes > self._limits.size_bytes * TOLERATED

    def _cut(self) -> Cut | None:
        """Where to cut, by age and by size; None where everything may stay."""
        oldest_s = self._arrivals.now() - self._limits.age_s if self._limits.age_s else float("-inf")
        excess = self.used_bytes - self._limits.size_bytes * ROOM if self._limits.size_bytes else 0
        if excess <= self._limits.size_bytes * (1 - ROOM):
            excess = 0
        if excess or self._opened_s + BUCKET_S <= oldest_s:
            with _transaction(self._connection):
                self._open_bucket()
        rows = self._connection.execute(
            "SELECT id, trace, profile, span_sample, time_s, bytes FROM arrivals ORDER BY id"
        ).fetchall()
        chosen = rows[0]
        freed = 0
        for before, row in itertools.pairwise(rows):
            if before[4] + BUCKET_S > oldest_s and freed >= excess:
                break
            freed += before[5]
            chosen = row
        return Cut(*chosen[:4]) if chosen is not rows[0] else None

    def _swept(self, cut: Cut) -> Iterator[None]:
        """Remove what is before a cut. Every step is committed, and leaves no span or sample of what is gone.

        Until the attributes have their turn, they still name traces that are gone, which no search finds.
        """
        connection = self._connection
        yield from self._remove_traces(cut.trace)
        for table, bound in (("span_samples", cut.span_sample), ("profiles", cut.profile), ("stacks", cut.profile)):
            for low, high in self._ranges(table, bound):
                with _transaction(connection):
                    connection.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", (low, high))  # noqa: S608  # above
                yield
        yield from self._remove_attributes(cut.trace)
        for table in SHARED_TABLES:
            for low, high in self._ranges(table):
                with _transaction(connection):
                    connection.execute(
                        f"DELETE FROM {table} WHERE id BETWEEN ? AND ? AND seen < ?",  # noqa: S608  # of this module
                        (low, high, cut.bucket),
                    )
                    connection.generation += 1
                yield
        with _transaction(connection):
            connection.execute("DELETE FROM arrivals WHERE id < ?", (cut.bucket,))
        yield from self._give_back()

    def _ranges(self, table: str, bound: int | None = None) -> Iterator[tuple[int, int]]:
        """Ranges of a table's numbers, below a bound where there is one."""
        low, last = self._connection.execute(f"SELECT min(id), max(id) FROM {table}").fetchone()  # noqa: S608  # of this module
        last = last if bound is None or last is None else min(last, bound - 1)
        while last is not None and low <= last:
            yield low, min(low + ROWS_IN_STEP - 1, last)
            low += ROWS_IN_STEP

    def _remove_traces(self, bound: int) -> Iterator[None]:
        select = f"SELECT id FROM traces WHERE id < ? ORDER BY id LIMIT {TRACES_IN_STEP}"  # noqa: S608  # a number
        while rows := self._connection.execute(select, (bound,)).fetchall():
            with _transaction(self._connection):
                self._connection.executemany("DELETE FROM spans WHERE trace = ?", rows)
                self._connection.executemany("DELETE FROM traces WHERE id = ?", rows)
            yield

    def _remove_attributes(self, bound: int) -> Iterator[None]:
        """Remove which of the traces below a bound had which attributes, and the attributes that none has."""
        connection = self._connection
        block, place = divmod(bound, TRACES_IN_BLOCK)
        kept = -1 << place  # the bits of the bound's own block that stay
        for low, high in self._ranges("attributes"):
            numbers = connection.execute("SELECT id FROM attributes WHERE id BETWEEN ? AND ?", (low, high)).fetchall()
            whole = [(number, block) for (number,) in numbers]
            with _transaction(connection):
                connection.executemany("DELETE FROM attribute_blocks WHERE attribute = ? AND block < ?", whole)
                connection.executemany(
                    f"UPDATE attribute_blocks SET traces = traces & {kept} WHERE attribute = ? AND block = ?",  # noqa: S608  # a number
                    whole,
                )
                connection.executemany(
                    "DELETE FROM attribute_blocks WHERE attribute = ? AND block = ? AND traces = 0", whole
                )
                connection.execute(
                    "DELETE FROM attributes WHERE id BETWEEN ? AND ?"
                    " AND NOT EXISTS (SELECT 1 FROM attribute_blocks WHERE attribute = attributes.id)",
                    (low, high),
                )
                connection.generation += 1
            yield

    def _give_back(self) -> Iterator[None]:
        """Give free pages back to the file system where they are many; what is left is used for what comes."""
        while True:
            pages, free = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
            )
            if free < max(PAGES_IN_STEP, pages // 4):
                return
            # A page is given back in each step of the statement, and some versions of Python stop after the first.
            self._connection.executescript(f"PRAGMA incremental_vacuum({PAGES_IN_STEP})")
            after: int = self._connection.execute("PRAGMA page_count").fetchone()[0]
            if after >= pages:
                return
            yield


class _transaction:  # noqa: N801  # reads as a statement where it is used
    """A transaction, rolled back where it fails."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
