"""Strings as Go writes them, which is how TraceQL and label selectors quote."""

from __future__ import annotations

import re

SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
LARGEST_BYTE, LARGEST_CHARACTER = 0xFF, 0x10FFFF


class StringLiteralError(Exception):
    """A quoted string has an escape that means nothing."""


def _unescape(match: re.Match[str]) -> str:
    body = match[1]
    if body in SIMPLE:
        return SIMPLE[body]
    if len(body) == 3 and body[0] in "01234567":
        number, largest = int(body, 8), LARGEST_BYTE
    elif len(body) > 1:
        number, largest = int(body[1:], 16), LARGEST_CHARACTER
    else:
        raise StringLiteralError(f"unknown escape sequence \\{body}")
    if number > largest or 0xD800 <= number < 0xE000:
        raise StringLiteralError(f"escape sequence \\{body} is no character")
    return chr(number)


def unquote(quoted: str) -> str:
    """Read a string in double, single or back quotes; the last are taken as they are.

    Raises:
        StringLiteralError: an escape means nothing.
    """
    inner = quoted[1:-1]
    return inner if quoted[0] == "`" or "\\" not in inner else ESCAPE.sub(_unescape, inner)


def quote(text: str) -> str:
    """Put a text in double quotes, so that ``unquote`` gives it back."""
    escaped = "".join(
        f"\\{character}" if character in '"\\' else character if character.isprintable() else f"\\U{ord(character):08x}"
        for character in text
    )
    return f'"{escaped}"'
