"""Answers in JSON, made in pieces: the deadline is checked between two pieces, and their total size is limited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from spanprofiles.embedded.deadline import Deadline

ANSWER_BYTES = 64 * 1024 * 1024
"""How large an answer may get."""


FEW, LONG = 16, 4_096
"""How many members of a list, with the commas between, or how many characters of one are written at once."""


PLAIN = frozenset({str, int, float, bool, list, type(None)})


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
        """Write a value as JSON, which counts once.

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
        if _is_plain(value):
            yield self._take(_plain(value))
        elif isinstance(value, Written):
            yield value
        elif isinstance(value, Members):
            yield self._take(value)
        elif isinstance(value, dict):
            waiting: list[str] = []
            before = "{"
            for name, member in value.items():
                waiting.append(f"{before}{_plain(name)}:")
                before = ","
                if _is_plain(member):
                    waiting.append(_plain(member))
                    if len(waiting) < FEW and len(waiting[-1]) < LONG:
                        continue
                    yield self._take("".join(waiting))
                else:
                    yield self._take("".join(waiting))
                    yield from self._pieces(member)
                waiting.clear()
            yield self._take("".join((*waiting, "}")))
        else:
            yield from self._listed(value)

    def _listed(self, members: Iterator[Any]) -> Iterator[str]:
        waiting: list[str] = []
        before = "["
        for member in members:
            waiting.append(before)
            before = ","
            if not _is_plain(member):
                yield "".join(waiting)
                waiting.clear()
                yield from self._pieces(member)
                continue
            waiting.append(self._take(_plain(member)))
            if len(waiting) >= FEW or len(waiting[-1]) >= LONG:
                yield "".join(waiting)
                waiting.clear()
        yield "".join((*waiting, "[]" if before == "[" else "]"))


def _is_plain(value: Any) -> bool:
    """Whether nothing in a value is written by itself; told by exact types, since it is asked of every span."""
    kind = type(value)
    if kind is not dict:
        return kind in PLAIN
    for member in value.values():  # noqa: SIM110  # a generator costs more than all that it is asked
        if type(member) not in PLAIN and not _is_plain(member):
            return False
    return True


_plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
