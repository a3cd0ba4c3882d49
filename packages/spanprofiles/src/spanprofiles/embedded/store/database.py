"""The SQLite file: opened by one process at a time, written by one thread, read by many."""

from __future__ import annotations

import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spanprofiles.embedded.deadline import NO_DEADLINE, Deadline
from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.limits import SHORT_QUERY_S
from spanprofiles.embedded.priority import Rank, RightOfWay
from spanprofiles.embedded.store.backlog import Backlog, Indexer, KeptUpload
from spanprofiles.embedded.store.batch import Batch
from spanprofiles.embedded.store.connection import Inspected, StoreConnection, was_interrupted
from spanprofiles.embedded.store.folder import FILE_NAME, Folder, NoRoomError, StoreUnavailableError, is_full
from spanprofiles.embedded.store.makeshift import makeshift_reader
from spanprofiles.embedded.store.retention import Limits, Retention
from spanprofiles.embedded.store.schema import migrate
from spanprofiles.embedded.store.writer import Opened, Writer

BUSY_S = 30.0
WRITER_CACHE_KIB, READER_CACHE_KIB = 16_384, 4_096
QUERY_S = 10.0
WAL_BYTES = 32 * 1024 * 1024
INCREMENTAL = 2


class Database:
    """Connections to one file and the thread that writes it.

    Batches that wait at the same time are committed together; ``write`` returns only when its batch is committed.

    Args:
        directory: where the file is; None for a temporary folder that goes when the database is closed.
        limits: how much is kept.
        query_timeout_s: how long one question may take, in s, from its arrival to its answer.
        clock: the time of arrival of what is written, in s since the epoch.
        on_failure: is called once, from another thread, when nothing can be written any more.

    Raises:
        DataDirectoryError: another process has the directory, or it cannot be written.
        NewerFileError: a later release wrote the file.
    """

    def __init__(
        self,
        directory: Path | None,
        limits: Limits | None = None,
        query_timeout_s: float = QUERY_S,
        clock: Callable[[], float] = time.time,
        on_failure: Callable[[StoreUnavailableError], None] = lambda _: None,
    ) -> None:
        self._query_timeout_s = query_timeout_s
        self.right_of_way = RightOfWay()
        self._limits = limits or Limits()
        self._clock = clock
        self._temporary = _temporary_directory() if directory is None else None
        self.directory = Path(self._temporary.name) if self._temporary else Path(directory or ".")
        self._folder = Folder(self.directory)
        self.path = self._folder.path
        self._readers = threading.local()
        self._open: list[StoreConnection] = []
        self._indexers: dict[str, Indexer] = {}
        self._writer = Writer(self._opened, self._folder, on_failure)
        try:
            self._writer.start()
        except BaseException:
            self._close_files()
            raise

    def _opened(self) -> Opened:
        """Open the file for the writer.

        Raises:
            NoRoomError: the disk is full.
            CannotServeError: it cannot be used.
        """
        self._folder.take()
        connection: StoreConnection | None = None
        try:
            connection = self._connect(WRITER_CACHE_KIB)
            self._prepare(connection)
            retention = Retention(connection, self._limits, self._clock)
            backlog = Backlog(connection, self._indexers)
        except sqlite3.Error as error:
            if connection is not None:
                self._open.remove(connection)
                connection.close()
            if is_full(error):
                raise NoRoomError(f"data directory {self.directory}: there is no room ({error})") from error
            raise DataDirectoryError(f"{self.path} cannot be read as a database: {error}") from error
        self._folder.watch()
        return Opened(connection, retention, backlog)

    @staticmethod
    def _prepare(connection: StoreConnection) -> None:
        """Bring the file to the current schema, in a form that can give space back."""
        connection.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        migrate(connection)

    def _connect(self, cache_kib: int) -> StoreConnection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",  # no other file than the one that was opened
            uri=True,
            timeout=BUSY_S,
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

    def _connected_reader(self) -> StoreConnection:
        if self._writer.unopened is not None:
            connection = makeshift_reader(self._folder, self._writer.unopened)
            self._open.append(connection)
            return connection
        self.check()
        try:
            connection = self._connect(READER_CACHE_KIB)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens all the files that it needs
        except sqlite3.OperationalError as error:  # no file descriptor is left, most often
            raise StoreUnavailableError(f"{self.path} cannot be opened: {error}") from error
        return connection

    def reader(self) -> StoreConnection:
        """Return this thread's own connection, for reading only. What was acknowledged before can be read from it.

        Raises:
            StoreUnavailableError: there is nothing to read from, or what was acknowledged cannot be read yet.
            QueryTooLongError: the question's time is over.
        """
        connection: StoreConnection | None = getattr(self._readers, "connection", None)
        if connection is None or (connection.is_makeshift and self._writer.unopened is None):
            connection = self._connected_reader()
            connection.watch_time()
            self._readers.connection = connection
        deadline: Deadline | None = getattr(self._readers, "deadline", None)
        if not connection.in_transaction:
            self._writer.catch_up(deadline or NO_DEADLINE)
        if deadline is not None and not connection.in_transaction:
            connection.deadline = deadline
            connection.inspected = Inspected()
            connection.execute("BEGIN")
        return connection

    @property
    def deadline(self) -> Deadline:
        """When this thread's question has to be answered."""
        deadline: Deadline | None = getattr(self._readers, "deadline", None)
        return deadline or NO_DEADLINE

    def deadline_from(
        self, accepted_s: float | None, rank: Rank = Rank.OTHER_QUERY, look: Callable[[], None] | None = None
    ) -> Deadline:
        """Return the deadline of a question.

        Args:
            accepted_s: when it arrived, on the clock ``time.monotonic``; None for the present.
            rank: what goes before it; before a query that takes long goes everything else.
            look: what else is done whenever the deadline is checked; None for nothing.
        """
        short_until_s = time.monotonic() + SHORT_QUERY_S
        held_up, last = self.right_of_way.held_up, max(Rank)

        def give_way() -> None:
            if held_up[last]:  # else no rank is, and nothing more is to be found out
                self.right_of_way.give_way(rank if time.monotonic() < short_until_s else Rank.OTHER_QUERY)

        if look is None:
            return Deadline(self._query_timeout_s, accepted_s, give_way=give_way)

        def give_way_and_look() -> None:
            give_way()
            look()

        return Deadline(self._query_timeout_s, accepted_s, give_way=give_way_and_look)

    @contextmanager
    def reading(self, deadline: Deadline | None = None) -> Iterator[None]:
        """While it is entered, this thread's ``reader`` sees one state of the data, and has so much time for it.

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
        with self.right_of_way.claimed():
            self._writer.write(batch)

    def index_with(self, kind: str, indexer: Indexer) -> None:
        """Have what is kept of a kind made ready for queries by a function, which the writer's thread calls."""
        self._indexers[kind] = indexer

    @property
    def is_far_behind(self) -> bool:
        """Whether much is kept and not indexed yet: what takes longer in two steps than in one need not be kept."""
        return self._writer.is_far_behind

    def keep(self, upload: KeptUpload) -> None:
        """Keep a small upload as it came, to be indexed later, and wait until that is committed.

        Args:
            upload: nothing in it is wrong, and its kind is one of those given to ``index_with``.

        Raises:
            sqlite3.Error: it could not be written, and nothing of it is kept.
        """
        with self.right_of_way.claimed():
            self._writer.write(upload)

    @property
    def failure(self) -> StoreUnavailableError | None:
        """Why nothing can be written any more; None while all is well."""
        return self._writer.failure

    def check(self) -> None:
        """Return if what is written now would be kept, or there was but no room for it.

        Raises:
            StoreUnavailableError: it would not; the message says why.
        """
        if self.failure is not None:
            raise StoreUnavailableError(str(self.failure))
        self._folder.check()

    def check_writing(self) -> None:
        """Return if uploads are written, or refused but for want of room.

        Raises:
            StoreUnavailableError: they are not; the message says why.
        """
        self.check()
        if self._writer.trouble is not None:
            raise StoreUnavailableError(f"{self._folder.path} cannot be written: {self._writer.trouble}")

    def close(self) -> None:
        """Commit what waits, close the file, and remove it where it was temporary."""
        self._writer.close()
        self._close_files()

    def _close_files(self) -> None:
        for connection in self._open:
            with suppress(sqlite3.Error):  # of a disk that is gone
                connection.close()
        self._folder.close()
        if self._temporary:
            self._temporary.cleanup()


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that goes with this process, even if a signal ends it at this very moment."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        return tempfile.TemporaryDirectory(prefix="spanprofiles-")
    except OSError as error:
        raise DataDirectoryError(
            f"no folder for temporary files can be made ({error.strerror}): make room, or name a data directory"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


__all__ = ["FILE_NAME", "Batch", "Database"]
