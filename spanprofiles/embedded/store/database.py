"""The SQLite file: opened by one process at a time, written by one thread, read by many."""

from __future__ import annotations

import fcntl
import queue
import sqlite3
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.store.schema import migrate

FILE_NAME = "spanprofiles.sqlite"
QUEUE_LIMIT = 256
BUSY_SECONDS = 30.0
WRITER_CACHE_KIB, READER_CACHE_KIB = 16_384, 4_096


class Batch(Protocol):
    """What one request wants written: all of it, or nothing."""

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the batch in the transaction under way."""

    def forget(self) -> None:
        """Drop whatever was remembered of rows that were rolled back."""


class Database:
    """Connections to one file and the thread that writes it.

    Batches that wait at the same time are committed together; `write` returns only when its batch is committed.

    Raises:
        DataDirectoryError: another process has the directory, or it cannot be written.
        NewerFileError: a later release wrote the file.
    """

    def __init__(self, directory: Path | None) -> None:
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
        self._open: list[sqlite3.Connection] = []
        self._queue: queue.Queue[tuple[Batch, Future[None]] | None] = queue.Queue(QUEUE_LIMIT)
        try:
            self._writer_connection = self._connect(WRITER_CACHE_KIB)
            self._writer_connection.execute("PRAGMA journal_mode = WAL")
            migrate(self._writer_connection)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise DataDirectoryError(f"{self.path} cannot be read as a database: {error}") from error
        except Exception:
            self._lock.close()
            raise
        self._writer = threading.Thread(target=self._write_all, name="store writer", daemon=True)
        self._writer.start()

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        self._open.append(connection)
        return connection

    def reader(self) -> sqlite3.Connection:
        """This thread's own connection, for reading only."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._connect(READER_CACHE_KIB)
            connection.execute("PRAGMA query_only = ON")
            self._readers.connection = connection
        return connection

    def write(self, batch: Batch) -> None:
        """Write a batch and wait until it is committed.

        Raises:
            sqlite3.Error: it could not be written, and nothing of it is kept.
        """
        done: Future[None] = Future()
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

    def _write_all(self) -> None:
        while True:
            waiting: list[tuple[Batch, Future[None]]] = []
            item = self._queue.get()
            while item is not None:
                waiting.append(item)
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if waiting:
                self._write_group(waiting)
            if item is None:
                return

    def _write_group(self, waiting: list[tuple[Batch, Future[None]]]) -> None:
        connection = self._writer_connection
        written: list[Future[None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for batch, done in waiting:
                if self._write_one(connection, batch, done):
                    written.append(done)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # whatever it is, the requests that wait must hear of it
            self._roll_back(connection)
            for batch, done in waiting:
                batch.forget()
                if not done.done():
                    done.set_exception(error)
            return
        for done in written:
            done.set_result(None)

    @staticmethod
    def _write_one(connection: sqlite3.Connection, batch: Batch, done: Future[None]) -> bool:
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
    def _roll_back(connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
