r"""Text of somebody else made fit to be printed: on terminals, in logs and reports, and in what a CI reads of them.

Names in telemetry and words of servers are whatever their senders chose. A terminal obeys control characters in them,
a reader is misled by characters that turn the direction of writing or cannot be seen, and a CI takes a line of its
log for a command. Each of those is shown as an escape, such as ``\x1b``.

Sources: ``ActionCommand`` of github.com/actions/runner (``::name`` at the start of a line, behind white space or not;
``##[name`` wherever it stands in one), Azure Pipelines' ``##vso[`` and TeamCity's ``##teamcity[``.
"""

from __future__ import annotations

import re

#: A name that is longer is cut, characters.
LONGEST_NAME = 300

#: A line that is longer is cut, characters.
LONGEST_LINE = 5_000

_ELLIPSIS = "…"
_COMMAND_ANYWHERE = re.compile(r"#(?=#\w*\[)")
_COMMAND_AT_START = re.compile(r"^((?:[^\S\n]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)  # a style may stand before it
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_SPACES = frozenset("\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")


def printable(text: str, limit: int | None = LONGEST_NAME) -> str:
    r"""Return a text in one line, with whatever cannot be seen as an escape.

    That are control characters, line breaks among them; what turns the direction of writing, has no width or no
    assigned meaning; halves of surrogate pairs; and the beginning of what a CI takes for a command.

    >>> printable("shop\x1b[2J")
    'shop\\x1b[2J'

    Args:
        text: whatever somebody chose.
        limit: how many characters to show; None for all. What is cut ends with an ellipsis.
    """
    cut = limit is not None and len(text) > limit
    shown = text[:limit] if cut else text
    if not shown.isprintable():
        shown = "".join(
            character if character.isprintable() or character in _SPACES else _escape(character) for character in shown
        )
        cut = cut or (limit is not None and len(shown) > limit)
    if cut and limit is not None:
        shown = shown[: max(0, limit - 1)] + _ELLIPSIS
    return without_commands(shown)


def visible(text: str) -> str:
    r"""Return a text for a page or a picture, with whatever cannot be seen as an escape; its lines stay as they are.

    Such are characters that turn the direction of writing, have no width or no meaning, control characters, and halves
    of surrogate pairs. Nothing is cut, and a CI does not read pages.

    >>> visible("a\u202eb")
    'a\\u202eb'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _SPACES or character in "\n\t" else _escape(character)
        for character in text
    )


def printable_lines(text: str, limit: int | None = LONGEST_LINE) -> str:
    """Return a text of several lines with each of them made printable; colours are left out.

    Args:
        text: for instance the log of a program.
        limit: how many characters of a line to show; None for all.
    """
    return "\n".join(printable(_STYLE.sub("", line), limit) for line in text.split("\n"))


def without_commands(text: str) -> str:
    """Return a text in which no line is a command to a CI that reads it; other than that it is as it was.

    This is for text that is put together, and may have styles: a name can come to the start of a line there.
    """
    if "##" in text:
        text = _COMMAND_ANYWHERE.sub(r"\\x23", text)
    return _COMMAND_AT_START.sub(r"\1\\x3a", text) if "::" in text else text


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
