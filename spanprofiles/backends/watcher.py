"""Run as a program of its own: ends process groups when the pipe that names them is closed before they were let go.

Standard input has a line for each: ``+GROUP`` when it is there, ``-GROUP`` when it has been stopped. The other end of
the pipe is held by whoever started the groups, and the kernel closes it however that one ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PATIENCE_S = 3.0
"""How long a group has between SIGTERM and SIGKILL, s."""

_LOOK_S = 0.05
_START_TIME = 19  # of what follows the name in /proc/PID/stat, proc(5)


def left_over(lines: Iterable[str]) -> dict[int, str]:
    """Return the groups that were named and not let go, when there are no more lines, and when their leaders began."""
    groups: dict[int, str] = {}
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups[group] = began(group)
        else:
            groups.pop(group, None)
    return groups


def end(groups: dict[int, str]) -> None:
    """Ask groups to end (SIGTERM), and kill those that have not after :data:`PATIENCE_S`.

    One whose number has become another's since is left alone.
    """
    remaining = [group for group, start in groups.items() if began(group) in ("", start)]
    remaining = [group for group in remaining if _signalled(group, signal.SIGTERM)]
    deadline = time.monotonic() + PATIENCE_S
    while remaining and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        remaining = [group for group in remaining if _signalled(group, 0)]
    for group in remaining:
        _signalled(group, signal.SIGKILL)


def began(group: int) -> str:
    """Return when the leader of a group began, as Linux counts it; nothing where there is none, or no Linux."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{group}/stat").read_text(errors="replace").rpartition(")")[2].split()[_START_TIME]
    return ""


def _signalled(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    end(left_over(sys.stdin))
