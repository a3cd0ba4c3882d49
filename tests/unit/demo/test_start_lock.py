"""The file by which demos wait for one another: in a folder where everybody may put one of that name."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from spanprofiles.demo import start_lock
from spanprofiles.demo.start_lock import one_at_a_time


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(start_lock, "LONGEST_S", 0.05)
    return tmp_path / f"spanprofiles-demo-{os.getuid()}.lock"


def told() -> tuple[list[str], Callable[[str], None]]:
    lines: list[str] = []
    return lines, lines.append


def test_the_file_is_this_users_alone(lock: Path) -> None:
    with one_at_a_time():
        assert lock.stat().st_mode & 0o777 == 0o600


def test_another_demo_is_waited_for_but_not_for_ever(lock: Path) -> None:
    lines, tell = told()
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with one_at_a_time(tell):
            pass
    assert [line.split(":")[0] for line in lines] == [
        "another demo is starting",
        "it is still starting after 0.05 s",
    ]


def test_the_file_of_another_user_holds_nobody_up(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, tell = told()
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with one_at_a_time(tell):
            pass
    assert lines == []


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("precious"), os.mkfifo, Path.mkdir])
def test_what_is_no_plain_file_is_left_alone_and_holds_nobody_up(lock: Path, make: Callable[[Path], None]) -> None:
    precious = lock.with_name("precious")
    precious.write_text("precious")
    make(lock)
    lines, tell = told()
    with one_at_a_time(tell):
        pass
    assert (lines, precious.read_text()) == ([], "precious")
