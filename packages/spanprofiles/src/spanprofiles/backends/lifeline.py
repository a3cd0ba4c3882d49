"""Makes sure that no process outlives the program that started it, however that program ends.

A program that is killed stops nothing, and neither does pytest on SIGTERM. So a small process, :mod:`.watcher`, runs
while there is anything to stop. It holds one end of a pipe, and when the other end is closed, it ends what is left.
(The kernel's parent-death signal does not help: it follows the thread that started the process.)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from spanprofiles.backends.interruptions import ignored

_WATCHER = Path(__file__).with_name("watcher.py")
_GOODBYE_S = 10.0


class Lifeline:
    """The pipe of this process to its watcher, which is there while groups are tied to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._watcher: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Have the watcher run before a process is started within: none is untied for as long as that takes.

        If the process cannot be started and nothing is tied, the watcher ends again.
        """
        with self._lock, contextlib.suppress(OSError):
            self._watch()
        try:
            yield
        except OSError:
            with self._lock:
                if not self._groups:
                    self._close()
            raise

    def tie(self, group: int) -> None:
        """Have a process group ended when this process is gone. If no watcher can start, nothing ends it."""
        with self._lock, contextlib.suppress(OSError):
            self._groups.add(group)
            if not self._watch():
                self._say({group})

    def let_go(self, group: int) -> None:
        """Report that a group was stopped, since its number may be reused. After the last one the watcher ends."""
        with self._lock:
            if group not in self._groups:
                return
            self._groups.discard(group)
            with contextlib.suppress(OSError):
                self._say({group}, "-")
            if not self._groups:
                self._close()

    def close(self) -> None:
        """Let the watcher end the groups that are left, and then itself."""
        with self._lock, ignored():
            self._groups.clear()
            self._close()

    def forget(self) -> None:
        """Start afresh in a forked child, whose parent's groups and watcher are not its own.

        The child's copy of the pipe is closed. While it is open, the watcher cannot see the parent's end.
        """
        watcher = self._watcher
        self.__init__()  # type: ignore[misc]  # the lock may be held by a thread that is not in the child
        if watcher is not None:
            if watcher.stdin is not None:
                watcher.stdin.close()
            watcher.returncode = 0  # not this process's child, so there is nothing to wait for

    def _watch(self) -> bool:
        """Start the watcher, name all groups to it, and return whether that was needed."""
        if self._watcher is not None and self._watcher.poll() is not None:  # somebody killed it
            self._close()
        if self._watcher is not None:
            return False
        self._watcher = _started()
        self._say(self._groups)
        return True

    def _say(self, groups: set[int], what: str = "+") -> None:
        if self._watcher is not None and self._watcher.stdin is not None:
            self._watcher.stdin.write("".join(f"{what}{group}\n" for group in groups).encode())

    def _close(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is None or watcher.stdin is None:
            return
        with contextlib.suppress(OSError):
            watcher.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watcher.wait(_GOODBYE_S)


def _started() -> subprocess.Popen[bytes]:
    # Isolated and without site-packages: it starts in milliseconds, and nothing of the app's environment reaches it.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_WATCHER)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


lifeline = Lifeline()
"""This process's."""

atexit.register(lifeline.close)
os.register_at_fork(after_in_child=lifeline.forget)
