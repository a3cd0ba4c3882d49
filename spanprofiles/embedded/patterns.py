"""Regular expressions in the syntax of the real servers (RE2), whose time is linear in the text."""

from __future__ import annotations

import functools
from typing import Any

import re2


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:  # re2 has no types
    """Compile a pattern; it is to be used with `fullmatch`, since both servers anchor theirs.

    Raises:
        re2.error: it is no regular expression, or too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    return re2.compile(pattern, options)
