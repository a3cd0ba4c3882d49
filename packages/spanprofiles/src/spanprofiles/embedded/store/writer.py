"""The thread that writes: batches that wait at the same time are committed together, and each gets an answer.

It opens the store, and tries again if the disk was full. It ends only when it is closed: after a failure that it cannot
mend it refuses all batches, and reports the failure so that the process can end.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from spanprofiles.embedded.errors import CannotServeError
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreLostError, StoreUnavailableError
from spanprofiles.embedded.store.retention import Retention

QUEUE_LIMIT = 256
FULL_S = 0.01
"""How often to look whether there is a place in the queue, if it is full."""
RETRY_S = 1.0
LOOK_S = 1.0
JOIN_S = 30.0
# What SQLite says of a full disk. Its error codes are not told before Python 3.11.
_NO_ROOM = "database or disk is full"
logger = logging.getLogger("spanprofiles.embedded")


class Batch(Protocol):
    """What one request wants written: all of it, or nothing."""

    def write(self, connection: StoreConnection) -> None:
        """Write the batch in the transaction under way."""

    def forget(self) -> None:
        """Drop whatever was remembered of rows that were rolled back."""


class Opened(NamedTuple):
    """What the writer works with."""

    connection: StoreConnection
    retention: Retention


class Outcome:
    """What became of a batch: one thread waits for it, and the writer settles it once.

    It is a lock that the writer opens. The condition of a ``Future`` takes several, and each is an occasion for
    threads to get in each other's way.

    Attributes:
        is_settled: whether it is known.
    """

    def __init__(self) -> None:
        self.is_settled = False
        self._error: BaseException | None = None
        self._closed = threading.Lock()
        self._closed.acquire()

    def settle(self, error: BaseException | None = None) -> None:
        """Tell who waits that the batch is committed, or why it is not."""
        self._error = error
        self.is_settled = True
        self._closed.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the outcome; tell whether it is known."""
        return self._closed.acquire(timeout=timeout_s)

    def check(self) -> None:
        """Return if the batch is committed, or raise what kept it from being."""
        if self._error is not None:
            raise self._error


Waiting = list[tuple[Batch, Outcome]]


class Writer:
    """One thread, one connection.

    Args:
        open_store: gives what to work with; may raise NoRoomError, to be asked again.
        folder: where the files are.
        on_failure: called once, from the thread, when nothing can be written any more.

    Attributes:
        failure: why nothing can be written any more; None while all is well.
        unopened: why the store is not open yet; None when it is.
        trouble: why the last upload was not written, where that was not for want of room; None since one was.
    """

    def __init__(
        self,
        open_store: Callable[[], Opened],
        folder: Folder,
        on_failure: Callable[[StoreUnavailableError], None] = lambda _: None,
    ) -> None:
        self._open_store = open_store
        self._folder = folder
        self._on_failure = on_failure
        self.failure: StoreUnavailableError | None = None
        self.unopened: NoRoomError | None = None
        self.trouble: sqlite3.Error | None = None
        self._opened: Opened | None = None
        self._next_try_s = 0.0
        self._ended = False
        self._queue: queue.SimpleQueue[tuple[Batch, Outcome] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)

    def start(self) -> None:
        """Open the store, unless the disk is full, and begin to write.

        Raises:
            CannotServeError: the store cannot be opened.
        """
        self._try_to_open()
        if self.unopened is not None:
            logger.warning("%s: uploads are refused until there is room", self.unopened)
        self._thread.start()

    def write(self, batch: Batch) -> None:
        """Write a batch and wait until it is committed.

        Raises:
            sqlite3.Error: it could not be written, and nothing of it is kept.
        """
        outcome = Outcome()
        while True:
            self._check_alive()
            if self._queue.qsize() < QUEUE_LIMIT:
                self._queue.put((batch, outcome))
                break
            time.sleep(FULL_S)
        while not outcome.wait(LOOK_S):
            self._check_alive()
        outcome.check()

    def _check_alive(self) -> None:
        if self.failure is not None:
            raise StoreUnavailableError(str(self.failure))
        if not self._thread.is_alive():
            raise StoreUnavailableError("the store is closed")

    def close(self) -> None:
        """Commit what waits, and end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(JOIN_S)

    def _try_to_open(self) -> None:
        self._next_try_s = time.monotonic() + RETRY_S
        try:
            self._opened = self._open_store()
            self.unopened = None
        except NoRoomError as error:
            self.unopened = error

    def _run(self) -> None:
        try:
            while not self._ended:
                self._go_on()
        except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            self._fail(error)
            while not self._ended:
                self._refuse(self._next_group(None), self.failure or error)

    def _go_on(self) -> None:
        """Write what waits, and do what is to be done beside it."""
        opened = self._opened
        patience = opened.retention.patience if opened else self._next_try_s - time.monotonic()
        waiting = self._next_group(max(0.0, min(patience, LOOK_S)))
        try:
            if opened is None and time.monotonic() >= self._next_try_s:
                self._try_to_open()
                opened = self._opened
                if opened is not None:
                    logger.warning("there is room again: uploads are taken")
            if opened is None:
                self._refuse(waiting, self.unopened or StoreUnavailableError("the store is not open"))
                return
            if waiting or self.trouble is not None:
                self._write_group(opened, waiting)
            if not self._ended:
                opened.retention.work()
                if not waiting:  # else it was looked at when the group was written
                    self._check(opened)
        except BaseException as error:
            self._fail(error)
            self._refuse(waiting, self.failure or error)
            raise

    def _check(self, opened: Opened) -> None:
        """Return if the files are there.

        Raises:
            StoreLostError: they are not.
        """
        try:
            self._folder.check(opened.retention.file_bytes)
        except StoreLostError:
            raise
        except StoreUnavailableError:  # senders are told, and it may be mended
            return

    def _fail(self, error: BaseException) -> None:
        """Note that nothing can be written any more, once."""
        if self.failure is not None:
            return
        if isinstance(error, StoreLostError):
            self.failure = error
        elif isinstance(error, CannotServeError):  # another process was faster, when there was room again
            self.failure = StoreLostError(str(error))
        else:
            if not isinstance(error, sqlite3.Error):
                logger.error("the store's writer failed", exc_info=error)
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self.failure = StoreLostError(f"{self._folder.path} can no longer be written: {words}")
        self._on_failure(self.failure)

    @staticmethod
    def _refuse(waiting: Waiting, error: BaseException) -> None:
        told = error if isinstance(error, sqlite3.Error) else StoreUnavailableError(str(error))
        for batch, outcome in waiting:
            if not outcome.is_settled:
                with suppress(Exception):
                    batch.forget()
                outcome.settle(told)

    def _next_group(self, patience: float | None) -> Waiting:
        """Take what waits to be written; note whether nothing will come after it.

        Args:
            patience: how long to wait for it, s; None waits without end.
        """
        waiting: Waiting = []
        try:
            item = self._queue.get_nowait() if patience == 0 else self._queue.get(timeout=patience)
            while item is not None:
                waiting.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return waiting
        self._ended = True
        return waiting

    def _write_group(self, opened: Opened, waiting: Waiting) -> None:
        connection, retention = opened
        written: list[Outcome] = []
        try:
            self._folder.check()
            connection.execute("BEGIN IMMEDIATE")
            used = retention.begin_group()
            for batch, outcome in waiting:
                if _write_one(connection, batch, outcome):
                    written.append(outcome)
            retention.end_group(used)
            file_bytes = retention.file_bytes  # after the commit SQLite would have to look at the file again
            connection.execute("COMMIT")
            self._folder.check(file_bytes)
            self.trouble = None
        except sqlite3.Error as error:  # no room, most often
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._check(opened)
            if isinstance(error, StoreLostError):
                raise
            retention.recall()
            self.trouble = None if _NO_ROOM in str(error) else error
            self._refuse(waiting, error)
            return
        for outcome in written:
            outcome.settle()


def _write_one(connection: StoreConnection, batch: Batch, outcome: Outcome) -> bool:
    connection.execute("SAVEPOINT batch")
    try:
        batch.write(connection)
    except Exception as error:  # one bad batch must not spoil the others'
        if not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO batch")
        connection.execute("RELEASE batch")
        batch.forget()
        outcome.settle(error)
        return False
    connection.execute("RELEASE batch")
    return True
