"""What is read while the disk is too full for SQLite to open its file: questions are answered all the same."""

from __future__ import annotations

import sqlite3

from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreUnavailableError
from spanprofiles.embedded.store.schema import is_current, migrate


def makeshift_reader(folder: Folder, why: NoRoomError) -> StoreConnection:
    """Open a connection that needs no room on the disk.

    An empty store is read from memory. A file that was closed in order is read as it is: nobody writes into it. Of any
    other the newest data is in SQLite's log, which cannot be read without room.

    Args:
        folder: that of the store, which is locked.
        why: why the file could not be opened.

    Raises:
        StoreUnavailableError: the file cannot be read in this way.
    """
    if folder.is_empty:
        connection = _connected(":memory:")
        migrate(connection)
    elif folder.has_log:
        raise StoreUnavailableError(str(why))
    else:
        connection = _connected(f"{folder.path.absolute().as_uri()}?mode=ro&immutable=1")
        if not is_current(connection):
            connection.close()
            raise StoreUnavailableError(str(why))
    connection.execute("PRAGMA query_only = ON")
    connection.is_makeshift = True
    return connection


def _connected(name: str) -> StoreConnection:
    return sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False, factory=StoreConnection)
