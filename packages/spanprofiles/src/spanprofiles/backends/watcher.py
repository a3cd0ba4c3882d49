"""A program that ends process groups when the program that started them is gone. It imports nothing of the package.

Its standard input has a line for each group: ``+GROUP`` when it was started, ``-GROUP`` when it has been stopped. The
process that started the groups holds the other end of the pipe, and the kernel closes that end however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

END_TIMEOUT_S = 3.0
"""How long a group has between SIGTERM and SIGKILL, s."""

_PAUSE_S = 0.05
_STATE, _GROUP, _START_TIME = 0, 2, 19  # of what follows the name in /proc/PID/stat, proc(5)
_ENDED = "ZX"


def left_over(lines: Iterable[str]) -> dict[int, str]:
    """Read to the end, and return the groups that were not stopped, each with the start time of its leader."""
    groups: dict[int, str] = {}
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups[group] = began(group)
        else:
            groups.pop(group, None)
    return groups


def end(groups: dict[int, str]) -> None:
    """Ask groups to end (SIGTERM), and kill those that have not after :data:`END_TIMEOUT_S`.

    A group whose number is another's by now is left alone.
    """
    remaining = [group for group, start in groups.items() if began(group) in ("", start)]
    remaining = [group for group in remaining if _signalled(group, signal.SIGTERM)]
    deadline = time.monotonic() + END_TIMEOUT_S
    while remaining and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        alive = _alive()
        remaining = [group for group in remaining if (_signalled(group, 0) if alive is None else group in alive)]
    for group in remaining:
        _signalled(group, signal.SIGKILL)


def began(group: int) -> str:
    """Return when the leader of a group began, as Linux counts it; empty if there is none, or no Linux."""
    return _stat(Path(f"/proc/{group}"))[_START_TIME]


def _alive() -> set[int] | None:
    """Return the groups with a running process; None if that is not known."""
    seen = [_stat(process) for process in Path("/proc").glob("[0-9]*")]
    return {int(fields[_GROUP]) for fields in seen if fields[_STATE] and fields[_STATE] not in _ENDED} if seen else None


def _stat(process: Path) -> list[str]:
    """Return the fields after the name; empty ones if there is no such process, or no Linux."""
    try:
        return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return [""] * (_START_TIME + 1)


def _signalled(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # it ends by its pipe, or not in time
        signal.signal(number, signal.SIG_IGN)
    end(left_over(sys.stdin))
