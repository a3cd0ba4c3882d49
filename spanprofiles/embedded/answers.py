"""Answers in JSON, made in pieces: between two pieces the clock is looked at, and all of them have a limit of size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from spanprofiles.embedded.deadline import Deadline

ANSWER_BYTES = 64 * 1024 * 1024
"""How large an answer may get."""


class AnswerTooLargeError(Exception):
    """An answer would be larger than it may; the message is what it is answered with."""


class Written(str):
    """JSON that is written already."""

    __slots__ = ()


class Members(str):
    """JSON of several members of a list, with commas between; it is counted when it is written."""

    __slots__ = ()


class JsonWriter:
    """Writes the JSON of one answer.

    A generator in it becomes a list, each member a piece of its own, made only when its turn comes.

    Args:
        deadline: of the query.
        limit: how many characters all that it writes may have.
    """

    def __init__(self, deadline: Deadline, limit: int = ANSWER_BYTES) -> None:
        self._deadline = deadline
        self._limit = limit
        self._left = limit

    def written(self, value: Any) -> Written:
        """The JSON of a value, which counts once.

        Raises:
            QueryTooLongError: the deadline passed.
            AnswerTooLargeError: with all that was written before it is too large.
        """
        return Written("".join(self._counted(value)))

    def check_size(self, size: int) -> None:
        """Count what is written elsewhere.

        Raises:
            AnswerTooLargeError: with all that was written before it is too large.
        """
        self._left -= size
        if self._left < 0:
            raise AnswerTooLargeError(
                f"the answer is larger than {self._limit} bytes: ask for less at once, by a narrower query, a smaller"
                " limit or less time"
            )

    def _counted(self, value: Any) -> Iterator[str]:
        for piece in self._pieces(value):
            yield piece
            self._deadline.check()

    def _take(self, piece: str) -> str:
        self.check_size(len(piece))
        return piece

    def _pieces(self, value: Any) -> Iterator[str]:
        if isinstance(value, Written):
            yield value
        elif isinstance(value, Members):
            yield self._take(value)
        elif isinstance(value, Iterator):
            yield from self._listed(value)
        elif _has_parts(value):
            before = "{"
            for name, member in value.items():
                yield self._take(f"{before}{_plain(name)}:")
                yield from self._pieces(member)
                before = ","
            yield "}"
        else:
            yield self._take(_plain(value))

    def _listed(self, members: Iterator[Any]) -> Iterator[str]:
        yield "["
        is_first = True
        for member in members:
            if not is_first:
                yield ","
            is_first = False
            yield from self._pieces(member)
        yield "]"


def _has_parts(value: Any) -> bool:
    """Whether a value is an object, not empty, that has a part which is written by itself."""
    return isinstance(value, dict) and any(
        isinstance(member, (Written, Iterator)) or _has_parts(member) for member in value.values()
    )


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
