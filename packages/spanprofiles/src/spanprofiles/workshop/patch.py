"""Unified diffs: how solutions and wrong attempts are written down, and how a solution is shown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@.*")
_FILE = re.compile(r"--- (?:a/)?(\S+).*\n\+\+\+ (?:b/)?(\S+).*\n")
_NOTHING = "/dev/null"


class PatchError(ValueError):
    """A text is no unified diff, or does not fit the files; the message says where."""


@dataclass(frozen=True)
class _Hunk:
    start: int  # index of the first of the old lines
    old: tuple[str, ...]
    new: tuple[str, ...]


def patched(files: Mapping[str, str], patch: str) -> dict[str, str]:
    """Return the files that a patch changes or makes, as they are after it.

    Args:
        files: the text of each file, by its path.
        patch: a unified diff; whatever stands before its first ``---`` is left alone.

    Raises:
        PatchError: it does not fit exactly, or is no unified diff.
    """
    parts = list(_FILE.finditer(patch))
    if not parts:
        raise PatchError("there is no '--- a/FILE' with a '+++ b/FILE' below it")
    result: dict[str, str] = {}
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        old, new = part[1], part[2]
        name = old if new == _NOTHING else new
        body = patch[part.end() : following.start() if following else len(patch)]
        before = "" if old == _NOTHING else result.get(name, files.get(name, ""))
        lines = before.splitlines()
        for hunk in reversed(list(_hunks(body.splitlines(), name))):
            end = hunk.start + len(hunk.old)
            if tuple(lines[hunk.start : end]) != hunk.old:
                raise PatchError(f"{name}: the lines from {hunk.start + 1} are not those of the patch")
            lines[hunk.start : end] = hunk.new
        result[name] = "".join(f"{line}\n" for line in lines)
    return result


def difference(name: str, before: str, after: str) -> str:
    """Return what turns one text of a file into another, as a unified diff; empty where they are the same."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _hunks(lines: list[str], name: str) -> Iterator[_Hunk]:
    place = 0
    while place < len(lines):
        head = _HUNK.fullmatch(lines[place])
        if head is None:
            if lines[place].strip() and not lines[place].startswith(("diff ", "index ", "\\")):
                raise PatchError(f"{name}: {lines[place]!r} is not a line of a unified diff")
            place += 1
            continue
        first, olds, news = int(head[1]), int(head[2] or 1), int(head[3] or 1)
        old: list[str] = []
        new: list[str] = []
        place += 1
        while (len(old) < olds or len(new) < news) and place < len(lines):
            sign, line = lines[place][:1] or " ", lines[place][1:]
            if sign in " -":
                old.append(line)
            if sign in " +":
                new.append(line)
            if sign not in " +-\\":
                break
            place += 1
        if (len(old), len(new)) != (olds, news):
            raise PatchError(f"{name}: a part has not as many lines as its head says: {head[0]}")
        yield _Hunk(first - 1 if olds else first, tuple(old), tuple(new))
