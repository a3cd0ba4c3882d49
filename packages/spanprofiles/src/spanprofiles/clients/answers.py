"""Reads the answers of servers that are not trusted, with limits on size, inflated size and nesting."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

#: The largest answer that is read, bytes, compressed and inflated alike.
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024

#: As much of the answer to a refused request is read, bytes: its first words are shown.
LARGEST_REFUSAL_BYTES = 16 * 1024

#: How many objects and lists an answer in JSON may have: each takes far more room than its two brackets.
MOST_JSON_PARTS = 1_000_000

#: How deep they may be inside one another.
DEEPEST_JSON = 256

#: The longest number, digits: those of the largest of 64 bits.
LONGEST_INTEGER = 20

_PIECE_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_ENCODINGS = {"": None, "identity": None, "gzip": _GZIP, "x-gzip": _GZIP}
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class AnswerError(Exception):
    """The answer cannot be used; the message says why, in words that continue "the answer"."""


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        url: what was asked, without credentials and query.
        status_code: the HTTP status.
        headers: the names do not depend on case.
        content: the body, inflated.
    """

    url: str
    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body.

        Raises:
            AnswerError: it is not JSON, or it is larger, deeper or odder than any real server's answer.
        """
        return _parsed(self.content, self.headers.get("content-type", "no content type"))


def body(pieces: Iterable[bytes], encoding: str, limit: int = LARGEST_ANSWER_BYTES, *, cut: bool = False) -> bytes:
    """Put a body together, inflated where it is compressed.

    Args:
        pieces: the body as it arrives.
        encoding: the header ``Content-Encoding``; gzip alone is asked for.
        limit: the largest size, bytes.
        cut: whether to cut off what exceeds the limit, instead of failing.

    Raises:
        AnswerError: it is too large, damaged, or in another encoding.
    """
    named = encoding.strip().lower()
    if named not in _ENCODINGS:
        raise AnswerError(f"is encoded as {encoding!r}, which was not asked for")
    bits = _ENCODINGS[named]
    found = bytearray()
    for piece in pieces if bits is None else _inflated(pieces, bits):
        found += piece
        if len(found) > limit and cut:
            break
        if len(found) > limit:
            raise AnswerError(f"is larger than {limit} bytes")
    return bytes(found[:limit])


def _inflated(pieces: Iterable[bytes], bits: int) -> Iterator[bytes]:
    """Inflate piece by piece: a piece of a thousandth of the size never becomes the whole at once."""
    inflating = zlib.decompressobj(bits)
    fresh = True
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if inflating.eof:  # one compressed file behind the other
                    inflating, fresh = zlib.decompressobj(bits), True
                fresh = False
                yield inflating.decompress(rest, _PIECE_BYTES)
                rest = inflating.unused_data if inflating.eof else inflating.unconsumed_tail
    except zlib.error as error:
        raise AnswerError(f"is not what it says it is encoded as: {error}") from error
    if not fresh and not inflating.eof:
        raise AnswerError("ends in the middle of its compressed data")


def _parsed(content: bytes, kind: str) -> Any:
    parts = content.count(b"{") + content.count(b"[")
    if parts > MOST_JSON_PARTS:
        raise AnswerError(f"has {parts} objects and lists, more than {MOST_JSON_PARTS}")
    try:
        parsed = json.loads(
            content.decode("utf-8-sig"),
            parse_constant=_no_number,
            parse_int=_integer,
            parse_float=_fraction,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise AnswerError(f"is not UTF-8 ({kind}): {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise AnswerError(f"is not JSON ({kind})") from error
    except RecursionError as error:
        raise AnswerError(_TOO_DEEP) from error
    if parts > DEEPEST_JSON and _depth(content) > DEEPEST_JSON:
        raise AnswerError(_TOO_DEEP)
    return parsed


_TOO_DEEP = f"has objects or lists more than {DEEPEST_JSON} deep inside one another"


def _depth(valid: bytes) -> int:
    """Return how deep the parts of a text, which is known to be JSON, are inside one another."""
    brackets = _STRING.sub(b"", valid).translate(None, _BUT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _no_number(text: str) -> Any:
    raise AnswerError(f"has {text}, which is not a number")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > LONGEST_INTEGER:
        raise AnswerError(f"has a number of {len(text)} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise AnswerError("has a number that is larger than any")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise AnswerError(f"has {twice!r} twice in one object")
    return found
