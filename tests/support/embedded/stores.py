"""Batches of a store, and what indexes its uploads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from spanprofiles.embedded.store.backlog import KeptUpload
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.schema import migrate

KIND = "test"


def in_memory() -> StoreConnection:
    """Return an empty store that is no file, open for writing."""
    opened = sqlite3.connect(":memory:", isolation_level=None, factory=StoreConnection)
    migrate(opened)
    return opened


class Rows:
    """A batch of so many attributes, which may fail at its end, or wait before it."""

    def __init__(self, name: str, count: int, *, fails: bool = False) -> None:
        self.name = name
        self.count = count
        self.fails = fails
        self.forgot = False

    def write(self, connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO attributes (key, scope, type, value) VALUES (?, 0, 0, ?)",
            [(self.name, number) for number in range(self.count)],
        )
        if self.fails:
            raise ValueError(self.name)

    def forget(self) -> None:
        self.forgot = True


def rows_of(connection: sqlite3.Connection, name: str) -> int:
    count: int = connection.execute("SELECT count(*) FROM attributes WHERE key = ?", (name,)).fetchone()[0]
    return count


class Uploads:
    """A batch that writes an attribute for each upload."""

    def __init__(self, payloads: Sequence[bytes], *, before: Callable[[Sequence[bytes]], None]) -> None:
        self.payloads = payloads
        self.before = before
        self.forgot = False

    def write(self, connection: StoreConnection) -> None:
        connection.executemany(
            "INSERT INTO attributes (key, scope, type, value) VALUES ('upload', 0, 0, ?)",
            [(payload.decode(),) for payload in self.payloads],
        )
        self.before(self.payloads)

    def forget(self) -> None:
        self.forgot = True


class Indexer:
    """Indexes uploads, and remembers which came together.

    Attributes:
        before: called with the payloads of each batch at its end; what it raises fails the batch.
    """

    def __init__(self) -> None:
        self.batches: list[Uploads] = []
        self.before: Callable[[Sequence[bytes]], None] = lambda _: None

    def __call__(self, uploads: Sequence[KeptUpload]) -> Uploads:
        self.batches.append(Uploads([upload.payload for upload in uploads], before=self.before))
        return self.batches[-1]


def keep(database: Database, *payloads: str) -> None:
    for payload in payloads:
        database.keep(KeptUpload(KIND, 0, payload.encode()))
