"""Names and values of attributes, as the index has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from spanprofiles.embedded.indexed_attributes import INTRINSIC

VALUES_LIMIT = 20_000


def names(connection: sqlite3.Connection) -> dict[int, list[str]]:
    """Read the names of attributes by scope (see ``indexed_attributes``), sorted."""
    found: dict[int, list[str]] = {}
    for scope, key in connection.execute(
        "SELECT DISTINCT scope, key FROM attributes WHERE scope != ? ORDER BY key", (INTRINSIC,)
    ):
        found.setdefault(scope, []).append(key)
    return found


def values(
    connection: sqlite3.Connection, key: str, scopes: Sequence[int], limit: int = VALUES_LIMIT
) -> list[tuple[int, Any]]:
    """Read the (type, value) pairs of an attribute in some scopes, each once."""
    marks = ", ".join("?" * len(scopes))
    return connection.execute(
        f"SELECT DISTINCT type, value FROM attributes WHERE key = ? AND scope IN ({marks}) LIMIT ?",  # noqa: S608  # marks alone
        (key, *scopes, limit),
    ).fetchall()


def some_trace_lacks(connection: sqlite3.Connection, key: str) -> bool:
    """Whether there is a trace without an intrinsic of this name, such as one whose root has not come."""
    found = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM traces WHERE id NOT IN (SELECT trace FROM trace_attributes"
        " WHERE attribute IN (SELECT id FROM attributes WHERE key = ? AND scope = ?)))",
        (key, INTRINSIC),
    ).fetchone()
    return bool(found[0])
