"""The data directory: made for this user alone, held by one process, and watched while it is held.

SQLite goes on writing into files that have no name any more. What was taken after somebody removed or replaced them
would be lost without a word, so their names are compared with what was opened, again and again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from spanprofiles.embedded.errors import DataDirectoryError

FILE_NAME, LOCK_NAME = "spanprofiles.sqlite", "lock"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
RETRY_AFTER_S = 5
"""How long senders are asked to wait if their data could not be stored."""

_BESIDE = ("-wal", "-shm")
_MAGIC = b"SQLite format 3\0"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_HIDDEN = {errno.EACCES, errno.EPERM}
# A file may end before the last pages that SQLite counts: those are in its log. Fewer bytes than these do not matter.
_SLACK_BYTES = 32 * 1024


class StoreUnavailableError(sqlite3.OperationalError):
    """Nothing can be stored or read at this time; the message says why."""


class StoreLostError(StoreUnavailableError):
    """The store's files are not what they were: nothing can be stored or read any more."""


class NoRoomError(StoreUnavailableError):
    """The disk is full: nothing can be opened until there is room."""


class Folder:
    """The directory of one store.

    Args:
        directory: where it is, or is to be made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self._lock: int | None = None
        self._file: int | None = None
        self._seen: dict[Path, tuple[int, int]] = {}
        self._size = 0

    def take(self) -> None:
        """Make the directory and the file if they are missing, and lock the directory.

        Raises:
            DataDirectoryError: another process has it, or it cannot be used.
            NoRoomError: the disk is full.
        """
        try:
            _make(self.directory)
            if self._lock is None:
                self._lock = _opened(self.directory / LOCK_NAME)
            self._hold()
            if self._file is None:
                # Before SQLite has them open: to close one of them would end its locks.
                for suffix in _BESIDE:
                    _shut(self.path.with_name(self.path.name + suffix))
                self._file = _opened(self.path)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise NoRoomError(f"data directory {self.directory}: {error.strerror}") from error
            raise DataDirectoryError(f"data directory {self.directory}: {error.strerror}") from error

    def _hold(self) -> None:
        try:
            fcntl.flock(self._lock or 0, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirectoryError(
                f"data directory {self.directory} is in use by another process: stop that one or use another directory"
            ) from error

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written."""
        return self._file is None or os.fstat(self._file).st_size == 0

    @property
    def has_log(self) -> bool:
        """Whether something waits in SQLite's log to be copied into the file."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size > 0
        except OSError:
            return False

    def watch(self) -> None:
        """Note which files were opened, for :meth:``check``."""
        names = [LOCK_NAME, FILE_NAME, *(FILE_NAME + suffix for suffix in _BESIDE)]
        self._seen = {}
        for path in (self.directory / name for name in names):
            with suppress(OSError):
                found = path.lstat()
                self._seen[path] = found.st_dev, found.st_ino
        self._size = os.fstat(self._file).st_size if self._file is not None else 0

    def check(self, data_bytes: int = 0) -> None:
        """Return if the files that were opened are there.

        Args:
            data_bytes: how large the data is by SQLite's count; 0 where that is not known.

        Raises:
            StoreLostError: one is gone, or another has its name, or its content is gone.
            StoreUnavailableError: they may not be read.
        """
        for path, known in self._seen.items():
            try:
                found = path.lstat()
            except OSError as error:
                if error.errno in _HIDDEN:
                    raise StoreUnavailableError(f"{path}: {error.strerror}") from error
                lost = path if self.directory.exists() else f"data directory {self.directory}"
                raise StoreLostError(f"{lost} was removed, or its disk is gone ({error.strerror})") from error
            if (found.st_dev, found.st_ino) != known:
                raise StoreLostError(f"{path} was replaced while it was in use")
        if self._seen and self._file is not None:
            self._check_content(self._file, data_bytes)

    def _check_content(self, file: int, data_bytes: int) -> None:
        try:
            magic, size = os.pread(file, len(_MAGIC), 0), os.fstat(file).st_size
        except OSError as error:
            raise StoreLostError(f"{self.path} cannot be read: {error.strerror}") from error
        if self._size and magic != _MAGIC:
            raise StoreLostError(f"{self.path} was emptied or overwritten while it was in use")
        if size < self._size and size + _SLACK_BYTES < data_bytes:
            raise StoreLostError(f"{self.path} was cut off while it was in use")
        if data_bytes:
            self._size = size

    def close(self) -> None:
        """Let go of the directory."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)
        self._file = self._lock = None


def is_full(error: Exception) -> bool:
    """Whether SQLite failed because there was no room, which it does not always call by its name."""
    return isinstance(error, NoRoomError) or any(
        words in str(error) for words in ("disk is full", "disk I/O error", "unable to open database file")
    )


def _make(directory: Path) -> None:
    """Make a directory, and those above it, for this user alone; leave one that is there as it is."""
    for missing in reversed([folder for folder in (directory, *directory.parents) if not folder.exists()]):
        missing.mkdir(DIRECTORY_MODE, exist_ok=True)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _opened(path: Path) -> int:
    """Open a file, made if it is missing, and shut it to other users.

    Raises:
        DataDirectoryError: it is something else than a plain file.
        OSError: it cannot be opened.
    """
    _check_plain(path)
    descriptor = os.open(path, _OPEN, FILE_MODE)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _no_plain_file(path)
        if found.st_mode & 0o077 and found.st_uid == os.geteuid() and found.st_nlink == 1:
            os.fchmod(descriptor, FILE_MODE)  # of an older release, or of another umask
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _shut(path: Path) -> None:
    """Shut a file to other users, if there is one."""
    if path.exists() or path.is_symlink():
        os.close(_opened(path))


def _check_plain(path: Path) -> None:
    """Return if a path is free or a plain file: a link could lead to any other file of this user.

    Raises:
        DataDirectoryError: it is neither.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise _no_plain_file(path)


def _no_plain_file(path: Path) -> DataDirectoryError:
    return DataDirectoryError(f"{path} is not a plain file: remove it, or use another data directory")
