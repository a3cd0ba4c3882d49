"""Names and values of attributes, as the index has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from spanprofiles.embedded.indexed_attributes import INTRINSIC
from spanprofiles.embedded.store.traces import BLOCK_BITS, TRACES_IN_BLOCK

VALUES_LIMIT = 20_000

Bounds = tuple["int | None", "int | None"]
"""The start and end of a window of time, ns since the epoch; None for no bounds."""
# The newest first, since that is what most questions are about: one trace is enough.
_IN_WINDOW = (
    " AND EXISTS (SELECT 1 FROM attribute_blocks b JOIN traces t"  # noqa: S608  # numbers
    f" ON t.id BETWEEN b.block << {BLOCK_BITS} AND (b.block << {BLOCK_BITS}) + {TRACES_IN_BLOCK - 1}"
    f" AND b.traces >> (t.id & {TRACES_IN_BLOCK - 1}) & 1"
    " WHERE b.attribute = a.id AND t.end_ns >= ? AND t.start_ns <= ? ORDER BY b.block DESC LIMIT 1)"
)


def _in_window(bounds: Bounds) -> tuple[str, Bounds | tuple[()]]:
    """Write SQL over ``attributes a``, and its arguments, for those of a trace that the window touches."""
    return ("", ()) if bounds[0] is None else (_IN_WINDOW, bounds)


def names(connection: sqlite3.Connection, bounds: Bounds = (None, None)) -> dict[int, list[str]]:
    """Read the names of attributes by scope (see ``indexed_attributes``), sorted; in a window or ever."""
    found: dict[int, list[str]] = {}
    where, arguments = _in_window(bounds)
    for scope, key in connection.execute(
        "SELECT DISTINCT scope, key FROM attributes WHERE scope != ? ORDER BY key", (INTRINSIC,)
    ).fetchall():
        is_there = (
            not where
            or connection.execute(
                f"SELECT 1 FROM attributes a WHERE key = ? AND scope = ?{where} LIMIT 1",  # noqa: S608  # written above
                (key, scope, *arguments),
            ).fetchone()
        )
        if is_there:
            found.setdefault(scope, []).append(key)
    return found


def values(
    connection: sqlite3.Connection, key: str, scopes: Sequence[int], bounds: Bounds = (None, None)
) -> list[tuple[int, Any]]:
    """Read the (type, value) pairs of an attribute in some scopes, each once; in a window or ever."""
    marks = ", ".join("?" * len(scopes))
    where, arguments = _in_window(bounds)
    return connection.execute(
        f"SELECT DISTINCT type, value FROM attributes a WHERE key = ? AND scope IN ({marks}){where} LIMIT ?",  # noqa: S608  # marks, and what is written above
        (key, *scopes, *arguments, VALUES_LIMIT),
    ).fetchall()


def some_trace_lacks(connection: sqlite3.Connection, key: str, bounds: Bounds = (None, None)) -> bool:
    """Whether a trace has no intrinsic of this name, such as one whose root has not come; in a window or ever."""
    where = "" if bounds[0] is None else "end_ns >= ? AND start_ns <= ? AND"
    found = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM traces WHERE {where} id NOT IN (SELECT trace FROM trace_attributes"  # noqa: S608  # written above
        " WHERE attribute IN (SELECT id FROM attributes WHERE key = ? AND scope = ?)))",
        (*(bounds if where else ()), key, INTRINSIC),
    ).fetchone()
    return bool(found[0])
