"""The tables, and how an older file becomes a current one."""

from __future__ import annotations

import re
import sqlite3

from spanprofiles.embedded.errors import NewerFileError

TRACES = """
-- Attributes are kept once for each value. `scope` and `type` are the codes of spanprofiles.embedded.store.attributes.
CREATE TABLE attributes (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    scope INTEGER NOT NULL,
    type INTEGER NOT NULL,
    value NOT NULL,
    UNIQUE (key, scope, type, value)
);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL UNIQUE,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL
);
-- Which traces hold an attribute anywhere: what a search starts from.
CREATE TABLE trace_attributes (
    attribute INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    PRIMARY KEY (attribute, trace)
) WITHOUT ROWID;
-- Resources and scopes as they came in (serialized OTLP, schema URL behind it), kept once.
CREATE TABLE resources (
    id INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    schema_url TEXT NOT NULL,
    UNIQUE (payload, schema_url)
);
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    schema_url TEXT NOT NULL,
    UNIQUE (payload, schema_url)
);
-- A span: its intrinsics as columns, and the whole of it as it came in (serialized OTLP).
CREATE TABLE spans (
    id INTEGER PRIMARY KEY,
    trace INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (span_id, kind, trace)
);
CREATE INDEX spans_of_trace ON spans (trace);
"""

PROFILES = """
-- `labels` is the canonical JSON of the series' labels, sorted by name.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    labels TEXT NOT NULL UNIQUE,
    profile_type TEXT NOT NULL
);
-- A frame is one function at one line; `details` is the JSON of [name, system name, file, line].
CREATE TABLE frames (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    details TEXT NOT NULL UNIQUE
);
-- `frames` is an array of 32-bit frame numbers, root first.
CREATE TABLE stacks (
    id INTEGER PRIMARY KEY,
    frames BLOB NOT NULL UNIQUE
);
-- A profile of one series; `entries` is an array of 64-bit pairs (stack, value).
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    total INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX profiles_by_series ON profiles (series, time_ms);
-- The part of a profile that belongs to one span of one trace; either may be absent.
CREATE TABLE span_samples (
    id INTEGER PRIMARY KEY,
    profile INTEGER NOT NULL,
    series INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    span_id BLOB,
    trace_id BLOB,
    total INTEGER NOT NULL,
    entries BLOB NOT NULL
);
CREATE INDEX span_samples_by_span ON span_samples (span_id) WHERE span_id IS NOT NULL;
CREATE INDEX span_samples_by_trace ON span_samples (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX span_samples_by_series ON span_samples (series, time_ms);
"""

# The tables whose rows are removed when they are old, and how they are made: a number is never given twice, since
# numbers are remembered. `seen` is the bucket of the latest use of a row that many others refer to.
REBUILT = {
    "attributes": "key TEXT NOT NULL, scope INTEGER NOT NULL, type INTEGER NOT NULL, value NOT NULL,"
    " UNIQUE (key, scope, type, value)",
    "traces": "trace_id BLOB NOT NULL UNIQUE, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL",
    "resources": "payload BLOB NOT NULL, schema_url TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 1,"
    " UNIQUE (payload, schema_url)",
    "scopes": "payload BLOB NOT NULL, schema_url TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 1,"
    " UNIQUE (payload, schema_url)",
    "series": "labels TEXT NOT NULL UNIQUE, profile_type TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 1",
    "frames": "name TEXT NOT NULL, details TEXT NOT NULL UNIQUE, seen INTEGER NOT NULL DEFAULT 1",
    "stacks": "frames BLOB NOT NULL UNIQUE, seen INTEGER NOT NULL DEFAULT 1",
    "profiles": "series INTEGER NOT NULL, time_ms INTEGER NOT NULL, total INTEGER NOT NULL, entries BLOB NOT NULL",
    "span_samples": "profile INTEGER NOT NULL, series INTEGER NOT NULL, time_ms INTEGER NOT NULL, span_id BLOB,"
    " trace_id BLOB, total INTEGER NOT NULL, entries BLOB NOT NULL",
}


def _rebuild(table: str, columns: str) -> str:
    kept = ", ".join(["id", *re.findall(r"(?:^|, )(?!seen|UNIQUE)(\w+) ?", columns)])
    return f"""
ALTER TABLE {table} RENAME TO old_{table};
CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns});
INSERT INTO {table} ({kept}) SELECT {kept} FROM old_{table} ORDER BY id;
DROP TABLE old_{table};
"""  # noqa: S608  # of the table above


RETENTION = (
    "".join(_rebuild(table, columns) for table, columns in REBUILT.items())
    + """
CREATE INDEX profiles_by_series ON profiles (series, time_ms);
CREATE INDEX span_samples_by_span ON span_samples (span_id) WHERE span_id IS NOT NULL;
CREATE INDEX span_samples_by_trace ON span_samples (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX span_samples_by_series ON span_samples (series, time_ms);
-- What arrived from a time on (s since the epoch) has these numbers or greater; `bytes` is how much the file grew.
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_s INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    profile INTEGER NOT NULL,
    span_sample INTEGER NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0
);
-- What an older file has counts as arrived when it was migrated.
INSERT INTO arrivals (time_s, trace, profile, span_sample) VALUES (CAST(strftime('%s', 'now') AS INTEGER), 1, 1, 1);
"""
)

MIGRATIONS: tuple[str, ...] = (TRACES + PROFILES, RETENTION)
"""One script for each version of the file, oldest first; a file's version is the number of scripts it has seen."""


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether a file is of the version that this program writes."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version == len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file, empty or old, to the current schema, all steps of it or none.

    Raises:
        NewerFileError: the file is of a later version than this program knows.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise NewerFileError(
            f"the data is of version {version}, this program knows versions up to {len(MIGRATIONS)}:"
            " use a newer program or another data directory"
        )
    if version < len(MIGRATIONS):
        scripts = "".join(MIGRATIONS[version:])
        connection.executescript(f"BEGIN IMMEDIATE; {scripts} PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;")
