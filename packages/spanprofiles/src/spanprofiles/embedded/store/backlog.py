"""Uploads that are kept as they came, and acknowledged, before they are put into the tables that queries read.

To keep an upload takes a fraction of the time that it takes to index it, and to index many together takes less than to
index each. So a burst is taken in quickly. A query waits until everything that was acknowledged before it is indexed.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from spanprofiles.embedded.limits import BACKLOG_BYTES, BACKLOG_STEP_BYTES
from spanprofiles.embedded.store.batch import Batch
from spanprofiles.embedded.store.bulk_insert import BulkInsert
from spanprofiles.embedded.store.connection import StoreConnection

_NEW_UPLOADS = BulkInsert("backlog", ("kind", "time_ns", "payload"))
_FIRST = "SELECT id, kind, time_ns, payload FROM backlog WHERE id > ? ORDER BY id"
_REST = "SELECT coalesce(max(id), 0), coalesce(sum(length(payload)), 0) FROM backlog WHERE id > ?"
logger = logging.getLogger("spanprofiles.embedded")


class KeptUpload(NamedTuple):
    """An upload as it came.

    Attributes:
        kind: what it is: who indexes it.
        time_ns: when it arrived, ns since the epoch.
        payload: its content.
    """

    kind: str
    time_ns: int
    payload: bytes


Indexer = Callable[[Sequence[KeptUpload]], Batch]
"""Makes a batch of uploads of one kind, which were checked before they were acknowledged."""


class Step(NamedTuple):
    """Uploads that are indexed in one transaction.

    Attributes:
        last: the number of the latest of them.
        size_bytes: how large they were.
        batches: what was written of them.
    """

    last: int
    size_bytes: int
    batches: Sequence[Batch]


class Backlog:
    """The uploads that are to be indexed, in the order of their arrival.

    The writer's thread alone calls its methods; any thread may look how much there is.

    Args:
        connection: the writer's.
        indexers: by the kind of their uploads. An upload that has none yet waits, and so do those after it.

    Attributes:
        last: the number of the latest upload that was kept.
        indexed: the number of the latest upload that was indexed.
        size_bytes: how much is to be indexed.
    """

    def __init__(self, connection: StoreConnection, indexers: Mapping[str, Indexer]) -> None:
        self._connection = connection
        self._indexers = indexers
        self.last = self.indexed = self.size_bytes = 0
        self.recall()

    def recall(self) -> None:
        """Read from the file how much there is, after a start or a rollback."""
        last, self.size_bytes = self._connection.execute(_REST, (self.indexed,)).fetchone()
        self.last = last or self.indexed

    @property
    def is_empty(self) -> bool:
        """Whether everything is indexed."""
        return self.indexed >= self.last

    @property
    def is_full(self) -> bool:
        """Whether some of it should be indexed before more is kept."""
        return self.size_bytes >= BACKLOG_BYTES

    @property
    def is_half_full(self) -> bool:
        """Whether what takes longer to keep and to index than to index at once should not be kept."""
        return 2 * self.size_bytes >= BACKLOG_BYTES

    def keep(self, uploads: Sequence[KeptUpload]) -> None:
        """Keep uploads as they came, in the transaction under way."""
        self.last = _NEW_UPLOADS.numbers(self._connection, uploads)[-1]
        self.size_bytes += sum(len(upload.payload) for upload in uploads)

    def index_some(self) -> Step | None:
        """Index those that came first, in the transaction under way; ``finish`` is called once that is committed.

        Returns:
            What was indexed; None where nothing can be.

        Raises:
            sqlite3.OperationalError: the file cannot be written.
        """
        last, size_bytes, uploads = self._first()
        if not uploads:
            return None
        batches: list[Batch] = []
        try:
            for kind, group in groupby(uploads, key=lambda upload: upload.kind):
                self._index(kind, list(group), batches)
            self._connection.execute("DELETE FROM backlog WHERE id <= ?", (last,))
        except BaseException:
            for batch in batches:
                batch.forget()
            raise
        return Step(last, size_bytes, batches)

    def finish(self, step: Step) -> None:
        """Note that a step is committed."""
        self.indexed = step.last
        self.size_bytes -= step.size_bytes

    def _first(self) -> tuple[int, int, list[KeptUpload]]:
        """Read the uploads that come next: the number of the latest of them, and how large they are."""
        last = size = 0
        uploads: list[KeptUpload] = []
        rows = self._connection.execute(_FIRST, (self.indexed,))
        for number, kind, time_ns, payload in rows:
            if kind not in self._indexers or (uploads and size + len(payload) > BACKLOG_STEP_BYTES):
                break
            last = number
            size += len(payload)
            uploads.append(KeptUpload(kind, time_ns, payload))
        rows.close()
        return last, size, uploads

    def _index(self, kind: str, uploads: Sequence[KeptUpload], batches: list[Batch]) -> None:
        """Index uploads of one kind together; if that fails, each by itself.

        Args:
            kind: that of all of them.
            uploads: what is to be indexed.
            batches: what was begun to be written of uploads; added to.

        Raises:
            sqlite3.OperationalError: the file cannot be written.
        """
        connection = self._connection
        connection.execute("SAVEPOINT uploads")
        try:
            batches.append(self._indexers[kind](uploads))
            batches[-1].write(connection)
        except MemoryError as error:  # of Python or of SQLite: there may be enough the next time
            raise sqlite3.OperationalError("out of memory") from error
        except Exception as error:
            if not connection.in_transaction or isinstance(error, sqlite3.OperationalError):
                raise
            connection.execute("ROLLBACK TO uploads")
            connection.execute("RELEASE uploads")
            for batch in batches:
                batch.forget()
            if len(uploads) == 1:
                logger.exception("an upload of %s was acknowledged, cannot be indexed, and is lost", kind)
            else:
                for upload in uploads:
                    self._index(kind, [upload], batches)
        else:
            connection.execute("RELEASE uploads")
