"""The text of log lines: what strangers send stays in its line, steers no terminal, and is no command to a CI."""

from __future__ import annotations

import logging
import re
from types import TracebackType

from spanprofiles.embedded.settings import LOG_FORMAT

# what a CI looks for anywhere in a line, and at its start
_COMMAND = re.compile(r"#(?=#\w*\[)")
_COMMAND_AT_START = re.compile(r"^(\s*):(?=:)")
_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def escaped(text: str) -> str:
    """Put a text in one line, with escapes in the place of what cannot be seen."""
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in text
        )
    return _COMMAND_AT_START.sub(r"\1\\x3a", _COMMAND.sub(r"\\x23", text))


class LineFormatter(logging.Formatter):
    """Writes a message in one line; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the library's name
        """Format the line without a traceback."""
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  # the library's name
        """Format the traceback."""
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))


def log_to_standard_error() -> None:
    """Let all loggers of this process write there."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(LOG_FORMAT))
    logging.basicConfig(handlers=[handler])
