"""The data directory: whose it is, what keeps it from being used, and how the loss of its files is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.store import folder
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.folder import Folder, NoRoomError, StoreLostError, is_full
from spanprofiles.embedded.store.schema import current_version, is_current


def refused_by(directory: Path, error: type[Exception]) -> str:
    with pytest.raises(error) as refused:
        Folder(directory).take()
    return str(refused.value)


def test_a_data_directory_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert refused_by(tmp_path / "file", DataDirectoryError) == f"data directory {tmp_path / 'file'}: Not a directory"
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "lock").symlink_to(tmp_path / "file")
    words = f"{linked / 'lock'} is not a plain file: remove it, or use another data directory"
    assert refused_by(linked, DataDirectoryError) == words
    held = Folder(tmp_path / "held")
    held.take()
    assert (held.is_empty, held.has_log) == (True, False)
    assert refused_by(tmp_path / "held", DataDirectoryError) == (
        f"data directory {tmp_path / 'held'} is in use by another process: stop that one or use another directory"
    )
    held.close()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(folder, "_opened", lambda _: (_ for _ in ()).throw(full))
    assert refused_by(tmp_path / "full", NoRoomError) == (
        f"data directory {tmp_path / 'full'}: No space left on device"
    )


def test_a_data_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "above" / "data"
    directory.mkdir(parents=True)
    (directory / "lock").write_text("")
    (directory / "lock").chmod(0o644)
    held = Folder(directory)
    held.take()
    held.close()
    assert [path.stat().st_mode & 0o777 for path in sorted(directory.iterdir())] == [0o600, 0o600]
    made = Folder(tmp_path / "more" / "data")
    made.take()
    made.close()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "more", tmp_path / "more" / "data")] == [0o700] * 2


def watched(directory: Path) -> Folder:
    held = Folder(directory)
    held.take()
    held.path.write_bytes(b"SQLite format 3\0" + bytes(100_000))
    held.watch()
    held.check()
    return held


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda held: held.path.unlink(), "{path} was removed, or its disk is gone (No such file or directory)"),
        (lambda held: held.directory.rename(held.directory.with_name("elsewhere")),
         "data directory {directory} was removed, or its disk is gone (No such file or directory)"),
        (lambda held: (held.path.rename(held.path.with_name("old")), held.path.touch()),
         "{path} was replaced while it was in use"),
        (lambda held: held.path.write_bytes(b"nonsense" * 20_000),
         "{path} was emptied or overwritten while it was in use"),
        (lambda held: held.path.write_bytes(b""), "{path} was emptied or overwritten while it was in use"),
        (lambda held: held.path.write_bytes(b"SQLite format 3\0"), "{path} was cut off while it was in use"),
    ],
)  # fmt: skip
def test_files_that_are_lost_while_they_are_in_use_are_named(
    tmp_path: Path, damage: Callable[[Folder], object], words: str
) -> None:
    held = watched(tmp_path / "data")
    damage(held)
    with pytest.raises(StoreLostError) as lost:
        held.check(200_000)
    assert str(lost.value) == words.format(path=held.path, directory=held.directory)
    held.close()


def test_a_file_may_be_as_short_as_its_log_explains(tmp_path: Path) -> None:
    held = watched(tmp_path / "data")
    held.path.write_bytes(b"SQLite format 3\0" + bytes(50_000 - 16))
    held.check(50_000 + 32 * 1024)
    held.path.write_bytes(b"SQLite format 3\0" + bytes(40_000 - 16))
    with pytest.raises(StoreLostError):
        held.check(40_001 + 32 * 1024)
    held.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NoRoomError("x"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.OperationalError("disk I/O error"), True),
        (sqlite3.OperationalError("unable to open database file"), True),
        (sqlite3.OperationalError("database is locked"), False),
    ],
)
def test_a_full_disk_is_known_by_sqlites_words_for_it(error: Exception, *, expected: bool) -> None:
    assert is_full(error) is expected


def test_a_file_is_current_where_it_has_the_version_that_is_written(database: Database) -> None:
    assert is_current(database.reader())
    with sqlite3.connect(":memory:") as other:
        assert not is_current(other)
        other.execute(f"PRAGMA user_version = {current_version()}")
        assert is_current(other)
    other.close()
