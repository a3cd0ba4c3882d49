"""The version of a file: a new one is made, an older one is migrated, and what cannot be read is left alone."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from spanprofiles.embedded.errors import CannotServeError, DataDirectoryError, NewerFileError
from spanprofiles.embedded.store import schema
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.retention import Limits
from spanprofiles.embedded.store.schema import OLDEST_VERSION, SCHEMA, current_version
from tests.unit.embedded.conftest import SpanFactory, applications_on
from tests.unit.embedded.test_profiles import SPAN, profile, pushed, sample, tree

LATER = (
    *schema.MIGRATIONS,
    "ALTER TABLE traces ADD COLUMN weight INTEGER NOT NULL DEFAULT 1",
    "UPDATE traces SET weight = weight + 1; CREATE INDEX traces_by_weight ON traces (weight);",
)
"""The steps that there are, and two to versions that are still to come."""
NEW = len(schema.MIGRATIONS)
WITHOUT_BACKLOG = "DROP TABLE backlog; DELETE FROM sqlite_sequence WHERE name = 'backlog'; PRAGMA user_version = 5;"
"""Makes a file of version 5 of one of version 6."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A directory with a file of the oldest version, which holds a trace and a profile."""
    database = Database(tmp_path)
    applications = applications_on(database)
    applications.export(SpanFactory("aa")("span", values={"key": "value"}))
    assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200
    database.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.executescript(WITHOUT_BACKLOG)
    return tmp_path


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {re.sub(r"\s+", " ", sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql}
    connection.close()
    return found


def without_comments(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql]
    return {re.sub(r"\s+", "", re.sub("--.*", "", sql)) for sql in found}


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def test_a_new_file_has_the_tables_of_the_schema_and_can_give_space_back(tmp_path: Path, file: Path) -> None:
    database = Database(tmp_path)
    assert database.reader().execute("PRAGMA auto_vacuum").fetchone() == (2,)
    database.close()
    assert version(file) == current_version()
    assert len(tables(file)) == len(re.findall("^CREATE ", SCHEMA.read_text(), re.MULTILINE)) + len({"sqlite_sequence"})


def test_an_older_file_is_migrated_step_by_step_with_all_it_holds(
    filled: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", LATER)
    database = Database(filled, Limits(age_s=3_600))
    applications = applications_on(database)
    assert set(applications.search('{ span.key = "value" }')) == {"aa"}
    assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (5, 5)
    assert database.reader().execute("SELECT weight FROM traces").fetchall() == [(2,)]
    applications.export(SpanFactory("bb")("span", values={"key": "value"}))
    assert set(applications.search('{ span.key = "value" }')) == {"aa", "bb"}
    database.close()
    assert version(file) == OLDEST_VERSION + len(LATER)


def test_a_file_of_the_oldest_version_gets_the_tables_of_a_new_one(filled: Path, file: Path, tmp_path: Path) -> None:
    assert version(file) == OLDEST_VERSION
    Database(filled).close()
    Database(tmp_path / "new").close()
    assert without_comments(file) == without_comments(tmp_path / "new" / FILE_NAME)


def test_a_file_between_two_versions_takes_only_the_steps_it_lacks(
    filled: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for steps in (LATER[: NEW + 1], LATER, LATER):
        monkeypatch.setattr(schema, "MIGRATIONS", steps)
        Database(filled).close()
        assert version(file) == OLDEST_VERSION + len(steps)
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT weight FROM traces").fetchall() == [(2,)]
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    filled: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(file)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*LATER, "UPDATE missing SET weight = 1"))
        with pytest.raises(DataDirectoryError, match="no such table: missing"):
            Database(filled)
    assert (tables(file), version(file)) == (before, OLDEST_VERSION)
    Database(filled).close()


@pytest.mark.parametrize(
    ("number", "error", "advice"),
    [
        (current_version() + 1, NewerFileError, "use a newer program or another data directory"),
        (OLDEST_VERSION - 1, DataDirectoryError, "which no release wrote: use another data directory"),
    ],
)
def test_a_file_of_a_version_that_cannot_be_read_is_refused_and_left_alone(
    tmp_path: Path, file: Path, number: int, error: type[CannotServeError], advice: str
) -> None:
    other = sqlite3.connect(file)
    other.execute(f"PRAGMA user_version = {number}")
    other.close()
    with pytest.raises(error, match=advice):
        Database(tmp_path)
    assert (tables(file), version(file)) == (set(), number)
