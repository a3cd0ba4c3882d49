"""Regular expressions in the syntax of the real servers (RE2), whose time is linear in the text."""

from __future__ import annotations

from typing import Any

import re2

from spanprofiles.embedded.cache import ByteCache

LENGTH_LIMIT = 4_096
"""How many characters a pattern may have."""
PROGRAM_BYTES = 256 * 1024
"""How much memory RE2 may take for one pattern; one that repeats repetitions needs more, and is refused."""
TEXT_LIMIT = 16 * 1024
"""How many characters of a text are matched: a pattern with many states needs half a second for that many."""
CACHE_BYTES = 16 * 1024 * 1024


class PatternError(Exception):
    """A text is no regular expression, or one that is too large; the message says which."""


class Pattern:
    """A compiled pattern, anchored at both ends as both servers anchor theirs."""

    __slots__ = ("_compiled",)

    def __init__(self, compiled: Any) -> None:  # re2 has no types
        self._compiled = compiled

    def matches(self, text: str) -> bool:
        """Whether the whole of a text matches; of one beyond the limit, only its beginning is read."""
        return self._compiled.fullmatch(text[:TEXT_LIMIT]) is not None


_compiled: ByteCache[str, Pattern] = ByteCache(CACHE_BYTES)


def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern.

    Raises:
        PatternError: it is no regular expression, or too large.
    """
    known = _compiled.get(pattern)
    if known is not None:
        return known
    if len(pattern) > LENGTH_LIMIT:
        raise PatternError(f"the regular expression is longer than {LENGTH_LIMIT} characters")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = PROGRAM_BYTES
    try:
        compiled = Pattern(re2.compile(pattern, options))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error
    _compiled.put(pattern, compiled, PROGRAM_BYTES)
    return compiled
