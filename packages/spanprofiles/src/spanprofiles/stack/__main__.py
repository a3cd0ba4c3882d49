"""``python3 -m spanprofiles.stack up`` and ``down``, in the root of the repository."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from spanprofiles.stack.commands import Commands
from spanprofiles.stack.errors import StackError
from spanprofiles.stack.lifecycle import down, up
from spanprofiles.stack.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_USAGE = "usage: python3 -m spanprofiles.stack up|down"
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
# what a CI looks for anywhere in a line, and at its start
_COMMAND = re.compile(r"#(?=#\w*\[)")
_COMMAND_AT_START = re.compile(r"^(\s*):(?=:)")


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code.

    Returns:
        0 where it worked, 1 where it did not, 2 where it was called wrongly, 130 where it was interrupted.
    """
    actions = {"up": up, "down": down}
    if len(arguments) != 1 or arguments[0] not in actions:
        _say(_USAGE)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same clean-up as for Ctrl-C
    directory = Path.cwd()
    try:
        settings = read_settings(directory, os.environ)
        actions[arguments[0]](Commands(directory, os.environ), settings, lambda line: _say(line, sys.stdout))
    except StackError as error:
        _say(f"make {arguments[0]}: {error}")
        return 1
    except KeyboardInterrupt:
        _say(f"make {arguments[0]}: interrupted")
        return 130
    return 0


def _say(text: str, stream: TextIO | None = None) -> None:
    out = sys.stderr if stream is None else stream
    out.write("\n".join(map(_printable, text.split("\n"))) + "\n")
    out.flush()


def _printable(line: str) -> str:
    """Return a line, perhaps of a container's log, without what a terminal obeys or a CI takes for a command."""
    plain = _STYLE.sub("", line)
    if not plain.isprintable():
        plain = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in plain
        )
    return _COMMAND_AT_START.sub(r"\1\\x3a", _COMMAND.sub(r"\\x23", plain))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
