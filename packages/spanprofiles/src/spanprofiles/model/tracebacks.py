"""Finds the tracebacks in what a program printed: Python's own, those of a crash in C, Java's, Node's and Go's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_PYTHON = re.compile(r"(?P<before>.*?)(?P<group>\+ Exception Group )?Traceback \(most recent call last\):\s*")
_CHAINED = re.compile(
    r"\s*(The above exception was the direct cause of|During handling of the above exception, another exception)"
)
_FATAL = re.compile(r"Fatal Python error: |Windows fatal exception: ")
_FATAL_GOES_ON = re.compile(r"\s|$|Python runtime state: |(Current )?[Tt]hread 0x|Extension modules: |<")
_AT = re.compile(r"\s+at \S")  # Java, Node, .NET
_AT_GOES_ON = re.compile(r"\s+at \S|\s+\.\.\. \d+|Caused by: |\s+Suppressed: ")
_GO = re.compile(r"panic: |fatal error: |goroutine \d+ \[")
_GO_GOES_ON = re.compile(r"panic: |fatal error: |goroutine \d+ \[|\[signal |\s|$|\S+\(.*\)|created by |exit status ")

_LONGEST = 5_000  # lines


def tracebacks(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each traceback with the error it ends with, in the order in which they were printed.

    An error that came while another was handled, or because of it, is one traceback with that other.
    """
    found, place = [], 0
    while place < len(lines):
        begin, end = _from(lines, place)
        if end > place:
            found.append(tuple(_without_empty_end(lines[begin:end])))
        place = max(end, place + 1)
    return found


def _from(lines: Sequence[str], place: int) -> tuple[int, int]:
    """Return where the traceback that shows at this line begins, and where it ends: here, where there is none."""
    line = lines[place]
    python = _PYTHON.fullmatch(line)
    if python is not None:
        return place, _end_of_python(lines, place, python)
    if _FATAL.match(line):
        return place, _while(lines, place, _FATAL_GOES_ON.match)
    if _AT.match(line) and place:  # the error stands above it
        return place - 1, _while(lines, place, _AT_GOES_ON.match)
    if _GO.match(line):
        return place, _while(lines, place, _GO_GOES_ON.match)
    return place, place


def _end_of_python(lines: Sequence[str], begin: int, match: re.Match[str]) -> int:
    before, is_group = match["before"], bool(match["group"])  # a supervisor's prefix, or indentation
    rest = [line.removeprefix(before) for line in lines[begin : begin + _LONGEST]]
    end = _while(rest, 0, re.compile(r"[\s|+]" if is_group else r"\s").match)
    end += not is_group and end < len(rest)  # the error itself
    # one that came of it: an empty line, a sentence, an empty line, and its own traceback
    for sentence in range(end, min(end + 2, len(rest))):
        if _CHAINED.match(rest[sentence]):
            for next_one in range(sentence + 1, min(sentence + 3, len(rest))):
                following = _PYTHON.fullmatch(lines[begin + next_one])
                if following is not None:
                    return _end_of_python(lines, begin + next_one, following)
    return begin + end


def _while(lines: Sequence[str], begin: int, goes_on: Callable[[str], object]) -> int:
    end = begin + 1
    while end < len(lines) and goes_on(lines[end]):
        end += 1
    return end


def _without_empty_end(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept
