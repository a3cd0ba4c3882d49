"""What happens to the data directory from outside: nothing is taken that would be lost, and nothing hangs."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from spanprofiles.embedded.errors import DataDirectoryError
from spanprofiles.embedded.store import writer
from spanprofiles.embedded.store.database import FILE_NAME, Database
from spanprofiles.embedded.store.folder import LOCK_NAME, StoreUnavailableError
from spanprofiles.embedded.store.retention import Retention
from tests.support.clocks import eventually
from tests.support.conformance.pair import Pair, announced
from tests.support.embedded.stores import Rows, rows_of
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on
from tests.unit.embedded.test_process import export_of, free_ports, start
from tests.unit.embedded.test_profiles import SPAN, profile, pushed, sample, tree
from tests.unit.embedded.test_survival import JSON_TYPE, large_export

pytestmark = pytest.mark.slow

FILES = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", LOCK_NAME)
END_S = 30.0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """New files would be open to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


# ---- who may read it ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("open_umask")
def test_a_new_directory_and_all_its_files_are_this_users_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "above" / "data")
    database.write(Rows("some", 3))
    assert [mode(path) for path in (tmp_path / "above", tmp_path / "above" / "data")] == [0o700, 0o700]
    assert {path.name: mode(path) for path in database.directory.iterdir()} == dict.fromkeys(FILES, 0o600)
    database.close()
    assert {mode(path) for path in database.directory.iterdir()} == {0o600}


@pytest.mark.usefixtures("open_umask")
def test_a_temporary_directory_is_this_users_alone_too() -> None:
    database = Database(None)
    assert mode(database.directory) == 0o700
    assert {mode(path) for path in database.directory.iterdir()} == {0o600}
    database.close()


@pytest.mark.usefixtures("open_umask")
def test_the_files_of_an_older_release_are_shut_and_its_directory_is_left_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir(0o750)
    Database(directory).close()
    for path in directory.iterdir():
        path.chmod(0o644)
    (directory / f"{FILE_NAME}-wal").touch(0o644)

    database = Database(directory)
    assert mode(directory) == 0o750
    assert {path.name: mode(path) for path in directory.iterdir()} == dict.fromkeys(FILES, 0o600)
    database.close()


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hang(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("nowhere"))


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    path.mkdir()


def listener(path: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [link, hang, fifo, folder, listener])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_plain_file_is_refused_and_what_a_link_leads_to_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path, Path], None]
) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    target.chmod(0o644)
    directory = tmp_path / "data"
    directory.mkdir()
    monkeypatch.chdir(directory)
    make(directory / name, target)

    with pytest.raises(DataDirectoryError, match=f"{name} is not a plain file"):
        Database(directory)

    assert (target.read_text(), mode(target)) == ("precious", 0o644)
    assert not (tmp_path / "nowhere").exists()


# ---- files that go, or change ---------------------------------------------------------------------------------------


def remove_all(directory: Path) -> None:
    shutil.rmtree(directory)


def move_away(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))


def make_anew(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


def replace_file(directory: Path) -> None:
    shutil.copy(directory / FILE_NAME, directory / "copy")
    (directory / "copy").rename(directory / FILE_NAME)


def empty_file(directory: Path) -> None:
    os.truncate(directory / FILE_NAME, 0)


def overwrite(directory: Path) -> None:
    (directory / FILE_NAME).write_bytes(b"\xa5" * 2**20)


def remove(name: str) -> Callable[[Path], None]:
    def removed(directory: Path) -> None:
        (directory / name).unlink()

    removed.__name__ = f"remove_{name}"
    return removed


LOSSES = [remove_all, move_away, make_anew, replace_file, empty_file, overwrite, *map(remove, FILES)]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda loss: loss.__name__)
def test_what_is_sent_after_the_files_are_gone_is_refused_and_readiness_denied(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    failures: list[Exception] = []
    database = Database(tmp_path / "data", on_failure=failures.append)
    applications = applications_on(database)
    applications.export(SpanFactory("aa")("work"))

    lose(database.directory)

    for client in (applications.tempo, applications.pyroscope):
        answer = client.get("/ready")
        assert (answer.status_code, "data" in answer.text) == (503, True)
        assert int(answer.headers["Retry-After"]) > 0
    answer = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 503
    with pytest.raises(sqlite3.Error, match="data"):
        database.write(Rows("lost", 1))
    assert [type(failure) for failure in failures] == [type(database.failure)]
    database.close()


def test_a_file_that_is_cut_off_is_noticed(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    database.write(Rows("many", 20_000))
    database.reader().execute("PRAGMA wal_checkpoint(PASSIVE)")
    database.write(Rows("more", 1))
    os.truncate(database.path, database.path.stat().st_size // 2)

    with pytest.raises(sqlite3.Error):
        database.write(Rows("lost", 1))
    eventually(lambda: database.failure is not None)
    assert "cut off" in str(database.failure) or "malformed" in str(database.failure)
    database.close()


def test_an_idle_writer_notices_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LOOK_S", 0.01)
    failed = threading.Event()
    database = Database(tmp_path / "data", on_failure=lambda _: failed.set())
    remove_all(database.directory)
    assert failed.wait(END_S)
    assert "was removed" in str(database.failure)
    database.close()


def test_a_directory_that_is_used_and_not_touched_stays_well(database: Database) -> None:
    for number in range(10):
        database.write(Rows(f"batch {number}", 500))
        database.reader().execute("PRAGMA wal_checkpoint(PASSIVE)")
        database.check()
    assert database.failure is None


def test_no_second_file_is_made_where_the_first_was(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    (database.path).unlink()
    with pytest.raises(StoreUnavailableError):
        database.reader()
    assert not database.path.exists()
    database.close()


def test_files_that_may_not_be_looked_at_for_a_while_refuse_uploads_for_as_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> os.stat_result:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    applications = applications_on(database)
    with monkeypatch.context() as denying:
        denying.setattr(Path, "lstat", denied)
        with pytest.raises(StoreUnavailableError, match="Permission denied"):
            database.write(Rows("refused", 1))
        assert applications.tempo.get("/ready").status_code == 503
    database.write(Rows("kept", 1))
    assert (rows_of(database.reader(), "refused"), rows_of(database.reader(), "kept")) == (0, 1)
    assert applications.tempo.get("/ready").status_code == 200


def test_without_a_file_descriptor_a_question_is_to_be_asked_again(database: Database) -> None:
    applications = applications_on(database)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, before[1]))
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        answer = applications.tempo.get("/api/search?q={}")
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert applications.search("{ }") == {}


# ---- a writer that fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["begin_group", "end_group", "work", "recall"])
@pytest.mark.parametrize("error", [RuntimeError("unforeseen"), MemoryError(), SystemExit(3)])
def test_a_writer_that_fails_in_any_part_answers_all_that_wait(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    error: BaseException,
) -> None:
    failed = threading.Event()
    database = Database(tmp_path / "data", on_failure=lambda _: failed.set())

    def fail(*_: object) -> None:
        raise error

    def fail_to_write(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    if part == "recall":  # it comes after a group that could not be written
        monkeypatch.setattr(Retention, "end_group", fail_to_write)
    monkeypatch.setattr(Retention, part, fail)
    outcomes: list[Exception] = []

    def write() -> None:
        try:
            database.write(Rows("lost", 1))
        except sqlite3.Error as told:
            outcomes.append(told)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(END_S)
    assert failed.wait(END_S)
    with pytest.raises(sqlite3.Error, match="can no longer be written"):
        database.write(Rows("later", 1))
    if part != "work":  # which comes after what was written
        assert len(outcomes) == len(threads)
    assert applications_on(database).tempo.get("/ready").status_code == 503
    assert "the store's writer failed" in caplog.text
    database.close()


def test_a_group_that_could_not_be_written_is_no_failure_of_the_writer(database: Database) -> None:
    class Full(Rows):
        def write(self, connection: sqlite3.Connection) -> None:
            super().write(connection)
            connection.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
            raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.write(Full("lost", 1))
    database.write(Rows("kept", 1))
    assert (rows_of(database.reader(), "lost"), rows_of(database.reader(), "kept")) == (0, 1)
    database.check()


def test_what_is_written_after_the_end_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    database.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        database.write(Rows("late", 1))


# ---- the process ----------------------------------------------------------------------------------------------------


def test_the_process_ends_with_a_message_when_its_directory_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    process = start(*free_ports(), "--data-dir", str(directory))
    pair = Pair(process, dict(line.split() for line in announced(process)[:-1]))
    assert pair.send("otlp-http", "POST", "/v1/traces", export_of(1, 2), JSON_TYPE)[0] == 200

    shutil.rmtree(directory)
    status, body = pair.send("otlp-http", "POST", "/v1/traces", export_of(2, 2), JSON_TYPE)
    assert (status, b"was removed" in body) == (503, True)
    assert pair.send("pyroscope", "GET", "/ready")[0] == 503
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("error: ")
    assert "was removed" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not directory.exists()


def test_a_signal_while_it_starts_leaves_no_temporary_directory_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spanprofiles.embedded", *free_ports()]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE)
    while process.poll() is None and not any(tmp_path.glob("spanprofiles-*")):
        time.sleep(0.001)  # between two looks
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=END_S)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


# ---- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB and 12 files, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=12", "spanprofiles-test", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill_bytes(disk: Path) -> Callable[[], None]:
    """Leave no byte free; gives what makes room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return filler.unlink


def fill_names(disk: Path) -> Callable[[], None]:
    """Leave no place for another file."""
    made: list[Path] = []
    try:
        while True:
            made.append(disk / f"filler {len(made)}")
            made[-1].touch(exist_ok=False)
    except OSError:
        pass

    def make_room() -> None:
        for path in made:
            path.unlink(missing_ok=True)

    return make_room


def test_a_full_disk_for_temporary_files_is_told_with_what_to_do(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    fill_names(small_disk)
    with pytest.raises(DataDirectoryError, match=r"No space left on device.*make room, or name a data directory"):
        Database(None)


@pytest.mark.parametrize("fill", [fill_bytes, fill_names])
def test_a_full_disk_prevents_no_start_and_uploads_are_taken_once_there_is_room(
    small_disk: Path, fill: Callable[[Path], Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    make_room = fill(small_disk)
    database = Database(small_disk / "data")
    applications = applications_on(database)
    assert "uploads are refused until there is room" in caplog.text

    answer = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert applications.search("{ }") == {}
    assert applications.tempo.get("/ready").status_code == 200

    make_room()
    eventually(lambda: pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200)
    assert tree(applications, spanSelector=[SPAN])["main>leaf"] == (5, 5)
    database.close()


@pytest.mark.parametrize("fill", [fill_bytes, fill_names])
def test_what_is_kept_is_read_though_the_disk_is_full_at_the_start(
    small_disk: Path, fill: Callable[[Path], Callable[[], None]]
) -> None:
    before = Database(small_disk / "data")
    applications_on(before).export(SpanFactory("aa")("work"))
    before.close()
    make_room = fill(small_disk)

    database = Database(small_disk / "data")
    applications = applications_on(database)
    assert applications.search("{ }") == {"aa": ["work"]}
    refused = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
    assert refused.status_code == 503
    make_room()
    eventually(lambda: pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200)
    applications.export(SpanFactory("bb")("more"))
    assert applications.search("{ }") == {"aa": ["work"], "bb": ["more"]}
    database.close()


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A file system, and what makes it fail: after that it can be read alone, as after a fault of a real disk."""
    place, image = tmp_path / "disk", tmp_path / "image"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * 2**20)
    make = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if make is None:
        pytest.skip("there is no program mkfs.ext4")
    subprocess.run([make, "-q", "-F", str(image)], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this user may not mount a file as a disk: {mounted.stderr.decode().strip()}")

    def fail() -> None:
        subprocess.run(["mount", "-o", "remount,abort", str(place)], check=True)

    yield place, fail
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_can_only_be_read_from_now_on_loses_nothing_that_was_taken(
    failing_disk: tuple[Path, Callable[[], None]],
) -> None:
    disk, fail = failing_disk
    database = Database(disk / "data")
    applications = applications_on(database)
    applications.export(SpanFactory("aa")("work"))
    assert applications.search("{ }") == {"aa": ["work"]}
    fail()

    for _ in range(2):
        refused = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
        assert (refused.status_code, "could not be stored" in refused.text) == (503, True)
        assert pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 503
    for application in (applications.tempo, applications.pyroscope):
        ready = application.get("/ready")
        assert (ready.status_code, "cannot be written" in ready.text) == (503, True)
    assert applications.search("{ }") == {"aa": ["work"]}
    database.close()


def four_traces(applications: Applications) -> list[str]:
    """Send four traces of some 50 kB; gives the first digits of their IDs."""
    names = [f"{number:02x}" for number in range(1, 5)]
    for name in names:
        applications.export(SpanFactory(name)("x" * 50_000))
    return names


def test_what_was_taken_at_the_last_moment_is_not_passed_over_on_a_full_disk(small_disk: Path) -> None:
    database = Database(small_disk / "data")
    applications = applications_on(database)
    names = four_traces(applications)
    make_room = fill_bytes(small_disk)
    answer = applications.tempo.get("/api/search", query_string={"q": "{ }"})
    if answer.status_code == 503:  # nobody asked before the disk was full: some may be kept and not yet indexed
        assert "the latest uploads are kept and cannot be indexed yet" in answer.text
        assert answer.headers["Retry-After"]
        make_room()
    eventually(lambda: applications.tempo.get("/api/search", query_string={"q": "{ }"}).status_code == 200)
    assert sorted(applications.search("{ }")) == names
    database.close()


def test_a_checkpoint_for_which_there_is_no_room_loses_nothing_and_is_made_up_for(small_disk: Path) -> None:
    database = Database(small_disk / "data")
    applications = applications_on(database)
    names = four_traces(applications)
    assert sorted(applications.search("{ }")) == names
    before = database.path.stat().st_size
    make_room = fill_bytes(small_disk)
    without_room = pytest.raises(sqlite3.OperationalError, match=r"full|disk I/O error")
    with closing(sqlite3.connect(database.path)) as other, without_room:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert database.path.stat().st_size - before < 50_000
    assert sorted(applications.search("{ }")) == names
    refused = applications.otlp.post("/v1/traces", data=large_export(1), content_type="application/json")
    assert refused.status_code == 503

    make_room()
    eventually(lambda: pushed(applications, profile(sample("leaf", "main", value=5, span_id=SPAN))) == 200)
    database.close()
    again = Database(small_disk / "data")
    assert sorted(applications_on(again).search("{ }")) == names
    again.close()
