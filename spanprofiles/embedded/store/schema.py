"""The tables, and how an older file becomes a current one."""

from __future__ import annotations

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

MIGRATIONS: tuple[str, ...] = (TRACES + PROFILES,)
"""One script for each version of the file, oldest first; a file's version is the number of scripts it has seen."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file, empty or old, to the current schema, each step whole or not at all.

    Raises:
        NewerFileError: the file is of a later version than this program knows.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise NewerFileError(
            f"the data is of version {version}, this program knows versions up to {len(MIGRATIONS)}:"
            " use a newer program or another data directory"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
