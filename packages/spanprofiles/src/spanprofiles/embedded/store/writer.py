"""The thread that writes: what waits at the same time is committed together, and each who waits gets an answer.

Small uploads are kept as they came. They are indexed when no more come, when there are many, or when somebody asks.

The thread opens the store, and tries again if the disk was full. It ends only when it is closed: after a failure that
it cannot mend it refuses everything, and reports the failure so that the process can end.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import NamedTuple, TypeAlias

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.errors import CannotServeError
from spanprofiles.embedded.store.backlog import Backlog, KeptUpload, Step
from spanprofiles.embedded.store.batch import Batch
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreLostError, StoreUnavailableError
from spanprofiles.embedded.store.outcome import Outcome
from spanprofiles.embedded.store.retention import Retention

QUEUE_LIMIT = 256
FULL_S = 0.01
"""How often to look whether there is a place in the queue, if it is full."""
RETRY_S = 1.0
ASK_S = 0.1
"""How often who asks looks at the clock."""
LOOK_S = 1.0
JOIN_S = 30.0
QUIET_S = 0.2
"""After so long without an upload, those that were kept are indexed."""
# What SQLite says of a full disk. Its error codes are not told before Python 3.11.
_NO_ROOM = "database or disk is full"
logger = logging.getLogger("spanprofiles.embedded")


class Opened(NamedTuple):
    """What the writer works with."""

    connection: StoreConnection
    retention: Retention
    backlog: Backlog


class Question(Enum):
    """In the queue it stands for somebody who asks: what was acknowledged before is indexed first."""

    ASKED = "asked"


Item: TypeAlias = "Batch | KeptUpload | Question"
Waiting = list[tuple[Item, Outcome]]


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
        self._asked: list[tuple[int, Outcome]] = []
        self._quiet_at_s = self._not_before_s = 0.0
        self._stuck: StoreUnavailableError | None = None
        self._ended = False
        self._queue: queue.SimpleQueue[tuple[Item, Outcome] | None] = queue.SimpleQueue()
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

    def write(self, item: Batch | KeptUpload) -> None:
        """Write a batch, or keep an upload as it came, and wait until that is committed.

        Raises:
            sqlite3.Error: it could not be written, and nothing of it is kept.
        """
        outcome = Outcome()
        while True:
            self._check_alive()
            if self._queue.qsize() < QUEUE_LIMIT:
                self._queue.put((item, outcome))
                break
            time.sleep(FULL_S)
        while not outcome.wait(LOOK_S):
            self._check_alive()
        outcome.check()

    @property
    def is_behind(self) -> bool:
        """Whether there are uploads that were acknowledged and are not indexed yet."""
        return self._opened is not None and not self._opened.backlog.is_empty

    @property
    def is_far_behind(self) -> bool:
        """Whether there are many of them."""
        return self._opened is not None and self._opened.backlog.is_half_full

    def catch_up(self, deadline: Deadline) -> None:
        """Wait until what was acknowledged is indexed.

        Raises:
            StoreUnavailableError: it cannot be written to the tables that are read, most often for want of room.
            QueryTooLongError: the deadline passed before.
        """
        if not self.is_behind:
            return
        outcome = Outcome()
        self._queue.put((Question.ASKED, outcome))
        while not outcome.wait(ASK_S):
            deadline.check()
            if self.failure is not None or not self._thread.is_alive():
                return
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
            if self._opened is not None:
                self._index_all(self._opened)
        except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            self._fail(error)
            while not self._ended:
                self._refuse(self._next_group(None), self.failure or error)
        finally:
            self._answer(sys.maxsize)

    def _go_on(self) -> None:
        """Write what waits, and do what is to be done beside it."""
        opened = self._opened
        patience = self._patience(opened) if opened else self._next_try_s - time.monotonic()
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
            uploads = [pair for pair in waiting if pair[0] is not Question.ASKED]
            if opened.retention.is_bucket_due:  # what arrived until now is dated by the bucket that is open
                self._index_all(opened)
            if uploads or self.trouble is not None:
                self._write_group(opened, uploads)
            if uploads:
                self._quiet_at_s = time.monotonic() + QUIET_S
            self._asked += [(opened.backlog.last, outcome) for item, outcome in waiting if item is Question.ASKED]
            self._index(opened)
            if not self._ended:
                opened.retention.work()
                if not waiting:  # else it was looked at when the group was written
                    self._check(opened)
        except BaseException as error:
            self._fail(error)
            self._refuse(waiting, self.failure or error)
            raise

    def _patience(self, opened: Opened) -> float:
        """For how long to wait for uploads and questions before there is something else to do, s."""
        patience_s = opened.retention.patience
        if opened.backlog.is_empty:
            return patience_s
        return min(patience_s, self._index_at_s(opened.backlog) - time.monotonic())

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
        self._answer(sys.maxsize)
        self._on_failure(self.failure)

    @staticmethod
    def _refuse(waiting: Waiting, error: BaseException) -> None:
        told = error if isinstance(error, sqlite3.Error) else StoreUnavailableError(str(error))
        for item, outcome in waiting:
            if not outcome.is_settled:
                if not isinstance(item, (KeptUpload, Question)):
                    with suppress(Exception):
                        item.forget()
                outcome.settle(told)

    def _next_group(self, patience: float | None) -> Waiting:
        """Take what waits to be written or answered; note whether nothing will come after it.

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
        written: list[Outcome] = []

        def write() -> None:
            kept = [(item, outcome) for item, outcome in waiting if isinstance(item, KeptUpload)]
            if kept:
                opened.backlog.keep([upload for upload, _ in kept])
                written.extend(outcome for _, outcome in kept)
            for item, outcome in waiting:
                if not isinstance(item, (KeptUpload, Question)) and _write_one(opened.connection, item, outcome):
                    written.append(outcome)

        try:
            self._commit(opened, write)
        except StoreLostError:
            raise
        except sqlite3.Error as error:
            self._refuse(waiting, error)
            return
        for outcome in written:
            outcome.settle()

    def _commit(self, opened: Opened, work: Callable[[], None], *, opens_bucket: bool = True) -> None:
        """Do some work in a transaction.

        Args:
            opened: what to work with.
            work: writes something.
            opens_bucket: whether it is new, and so belongs to another bucket if one is due.

        Raises:
            StoreLostError: the files are not what they were.
            sqlite3.Error: it could not be written, most often for want of room, and nothing of it is kept.
        """
        connection, retention, backlog = opened
        try:
            self._folder.check()
            connection.execute("BEGIN IMMEDIATE")
            used = retention.begin_group() if opens_bucket else retention.used_bytes
            work()
            retention.end_group(used)
            file_bytes = retention.file_bytes  # after the commit SQLite would have to look at the file again
            connection.execute("COMMIT")
            self._folder.check(file_bytes)
            self.trouble = None
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._check(opened)
            if isinstance(error, StoreLostError):
                raise
            retention.recall()
            backlog.recall()
            self.trouble = None if _NO_ROOM in str(error) else error
            raise

    def _index(self, opened: Opened) -> None:
        """Index some of what was kept, if it is time to, and tell those who asked for it."""
        backlog = opened.backlog
        if not backlog.is_empty and time.monotonic() >= self._index_at_s(backlog):
            self._index_step(opened)
        self._answer(backlog.indexed)
        if self._stuck is not None:
            self._answer(backlog.last, self._stuck)

    def _index_all(self, opened: Opened) -> None:
        """Index everything that was kept, as far as there is room for it."""
        while not opened.backlog.is_empty and time.monotonic() >= self._not_before_s:
            self._index_step(opened)

    def _index_at_s(self, backlog: Backlog) -> float:
        """Return when the next step is due, s of ``time.monotonic``."""
        is_wanted = bool(self._asked) or backlog.is_full
        return max(self._not_before_s, 0.0 if is_wanted else self._quiet_at_s)

    def _answer(self, number: int, error: StoreUnavailableError | None = None) -> None:
        """Tell those who asked for no more than the upload of this number that it is indexed, or why it is not."""
        for asked, outcome in self._asked:
            if asked <= number:
                outcome.settle(error)
        self._asked = [pair for pair in self._asked if pair[0] > number]

    def _index_step(self, opened: Opened) -> None:
        """Index some of what was kept, or note when to try again."""
        backlog = opened.backlog
        steps: list[Step] = []

        def work() -> None:
            step = backlog.index_some()
            if step is not None:
                steps.append(step)

        try:
            self._commit(opened, work, opens_bucket=False)
        except StoreLostError:
            raise
        except sqlite3.Error as error:
            for batch in [batch for step in steps for batch in step.batches]:
                batch.forget()
            self._stuck = StoreUnavailableError(f"the latest uploads are kept and cannot be indexed yet: {error}")
            self._not_before_s = time.monotonic() + RETRY_S
            logger.warning("%s", self._stuck)
            return
        self._stuck = None
        for step in steps:
            backlog.finish(step)
        if not steps:  # who indexes them is about to be there
            self._not_before_s = time.monotonic() + FULL_S


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
