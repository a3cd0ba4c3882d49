"""The SQLite file: opened by one process at a time, written by one thread, read by many."""

from __future__ import annotations

import fcntl
import queue
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from spanprofiles.embedded.deadline import NO_DEADLINE, Deadline
from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.priority import RightOfWay
from spanprofiles.embedded.store.connection import StoreConnection, was_interrupted
from spanprofiles.embedded.store.retention import Limits, Retention
from spanprofiles.embedded.store.schema import migrate

FILE_NAME = "spanprofiles.sqlite"
QUEUE_LIMIT = 256
BUSY_SECONDS = 30.0
WRITER_CACHE_KIB, READER_CACHE_KIB = 16_384, 4_096
QUERY_SECONDS = 10.0
WAL_BYTES = 32 * 1024 * 1024
INCREMENTAL = 2


class Batch(Protocol):
    """What one request wants written: all of it, or nothing."""

    def write(self, connection: StoreConnection) -> None:
        """Write the batch in the transaction under way."""

    def forget(self) -> None:
        """Drop whatever was remembered of rows that were rolled back."""


class Database:
    """Connections to one file and the thread that writes it.

    Batches that wait at the same time are committed together; `write` returns only when its batch is committed.

    Args:
        directory: where the file is; None for a temporary folder that goes when the database is closed.
        limits: how much is kept.
        query_seconds: how long one question may take, in s, from its arrival to its answer.
        clock: the time of arrival of what is written, in s since the epoch.

    Raises:
        DataDirectoryError: another process has the directory, or it cannot be written.
        NewerFileError: a later release wrote the file.
    """

    def __init__(
        self,
        directory: Path | None,
        limits: Limits | None = None,
        query_seconds: float = QUERY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._query_seconds = query_seconds
        self.right_of_way = RightOfWay()
        self._temporary = tempfile.TemporaryDirectory(prefix="spanprofiles-") if directory is None else None
        self.directory = Path(self._temporary.name) if self._temporary else Path(directory or ".")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = (self.directory / "lock").open("w")
        except OSError as error:
            raise DataDirectoryError(f"data directory {self.directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise DataDirectoryError(
                f"data directory {self.directory} is in use by another process: stop that one or use another directory"
            ) from error
        self.path = self.directory / FILE_NAME
        self._readers = threading.local()
        self._open: list[StoreConnection] = []
        self._queue: queue.Queue[tuple[Batch, Future[None]] | None] = queue.Queue(QUEUE_LIMIT)
        try:
            self._writer_connection = self._connect(WRITER_CACHE_KIB)
            self._prepare(self._writer_connection)
            self._retention = Retention(self._writer_connection, limits or Limits(), clock)
        except Exception as error:
            for connection in self._open:
                connection.close()
            self._lock.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise DataDirectoryError(f"{self.path} cannot be read as a database: {error}") from error
            raise
        self._writer = threading.Thread(target=self._write_all, name="store writer", daemon=True)
        self._writer.start()

    @staticmethod
    def _prepare(connection: StoreConnection) -> None:
        """Bring the file to the current schema, in a form that can give space back."""
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        migrate(connection)
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
            connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
            connection.execute("VACUUM")

    def _connect(self, cache_kib: int) -> StoreConnection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=StoreConnection,
        )
        self._open.append(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        return connection

    def reader(self) -> StoreConnection:
        """This thread's own connection, for reading only."""
        connection: StoreConnection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._connect(READER_CACHE_KIB)
            connection.execute("PRAGMA query_only = ON")
            connection.watch_time()
            self._readers.connection = connection
        deadline: Deadline | None = getattr(self._readers, "deadline", None)
        if deadline is not None and not connection.in_transaction:
            connection.deadline = deadline
            connection.execute("BEGIN")
        return connection

    @property
    def deadline(self) -> Deadline:
        """When this thread's question has to be answered."""
        deadline: Deadline | None = getattr(self._readers, "deadline", None)
        return deadline or NO_DEADLINE

    def deadline_from(self, accepted_s: float | None) -> Deadline:
        """The deadline of a question.

        Args:
            accepted_s: when it arrived, on the clock `time.monotonic`; None for the present.
        """
        return Deadline(self._query_seconds, accepted_s, give_way=self.right_of_way.give_way)

    @contextmanager
    def reading(self, deadline: Deadline | None = None) -> Iterator[None]:
        """While it is entered, this thread's `reader` sees one state of the data, and has so much time for it.

        Args:
            deadline: when the question has to be answered; None gives it the store's time from the present on.

        Raises:
            QueryTooLongError: the time is over.
        """
        self._readers.deadline = deadline or self.deadline_from(None)
        try:
            yield
        except sqlite3.OperationalError as error:
            if was_interrupted(error):
                raise self.deadline.error() from error
            raise
        finally:
            self._readers.deadline = None
            connection: StoreConnection | None = getattr(self._readers, "connection", None)
            if connection is not None:
                connection.deadline = NO_DEADLINE
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def write(self, batch: Batch) -> None:
        """Write a batch and wait until it is committed.

        Raises:
            sqlite3.Error: it could not be written, and nothing of it is kept.
        """
        done: Future[None] = Future()
        with self.right_of_way.claimed():
            self._queue.put((batch, done))
            done.result()

    def close(self) -> None:
        """Commit what waits, close the file, and remove it where it was temporary."""
        self._queue.put(None)
        self._writer.join()
        for connection in self._open:
            connection.close()
        self._lock.close()
        if self._temporary:
            self._temporary.cleanup()

    def _next_group(self) -> tuple[list[tuple[Batch, Future[None]]], bool]:
        """What waits to be written, and whether nothing will come after it."""
        waiting: list[tuple[Batch, Future[None]]] = []
        patience = self._retention.patience
        try:
            item = self._queue.get(timeout=patience) if patience else self._queue.get_nowait()
            while item is not None:
                waiting.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return waiting, False
        return waiting, True

    def _write_all(self) -> None:
        ended = False
        while not ended:
            waiting, ended = self._next_group()
            if waiting:
                self._write_group(waiting)
            if not ended:
                self._retention.work()

    def _write_group(self, waiting: list[tuple[Batch, Future[None]]]) -> None:
        connection = self._writer_connection
        written: list[Future[None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            used = self._retention.begin_group()
            for batch, done in waiting:
                if self._write_one(connection, batch, done):
                    written.append(done)
            self._retention.end_group(used)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # whatever it is, the requests that wait must hear of it
            self._roll_back(connection)
            self._retention.recall()
            for batch, done in waiting:
                batch.forget()
                if not done.done():
                    done.set_exception(error)
            return
        for done in written:
            done.set_result(None)

    @staticmethod
    def _write_one(connection: StoreConnection, batch: Batch, done: Future[None]) -> bool:
        connection.execute("SAVEPOINT batch")
        try:
            batch.write(connection)
        except Exception as error:  # one bad batch must not spoil the others'
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO batch")
            connection.execute("RELEASE batch")
            batch.forget()
            done.set_exception(error)
            return False
        connection.execute("RELEASE batch")
        return True

    @staticmethod
    def _roll_back(connection: StoreConnection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
