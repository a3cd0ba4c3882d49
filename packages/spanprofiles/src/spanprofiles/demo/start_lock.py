"""Makes demos start one at a time: two that look for free ports at the same moment would find the same ones."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spanprofiles.linking import Waiting

#: How long a demo waits for another one to have started, s.
LONGEST_S = 60.0


@contextmanager
def one_at_a_time(tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Wait until no other demo of this user is starting, and make others wait for this one.

    Nobody waits if the lock file cannot be opened or belongs to another user. Nobody waits longer than
    :data:`LONGEST_S`, since the other demo may have been suspended.

    Args:
        tell: called with a line if there is another demo.
    """
    path = Path(tempfile.gettempdir()) / f"spanprofiles-demo-{os.getuid()}.lock"
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        if _is_ours(file):
            _lock(file, tell)
        yield
    finally:
        os.close(file)


def _is_ours(file: int) -> bool:
    """Tell whether a file is this user's: anybody can put one into a common folder and lock it for ever."""
    found = os.fstat(file)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _lock(file: int, tell: Callable[[str], None]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell("another demo is starting: waiting for it, so as not to take its ports")
        for _ in Waiting(LONGEST_S).attempts():
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
        tell(f"it is still starting after {LONGEST_S:g} s: going on without waiting")
