"""The messages of an export, counted before they are made: two bytes can make an object of hundreds.

Source: https://protobuf.dev/programming-guides/encoding/. Damaged data is left to its parser, which also bounds how
deeply messages may be nested, at 100.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from spanprofiles.embedded.export_errors import check_count
from spanprofiles.embedded.limits import JSON_VALUES, MESSAGES

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
CONTINUES = 0x80


class Shape:
    """The fields of a message that make objects.

    Attributes:
        inner: by field number, the shape of a message, or None for a text that may come many times.
    """

    def __init__(self) -> None:
        self.inner: dict[int, Shape | None] = {}


_TEXTS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def _shape(descriptor: Any, known: dict[str, Shape], tags: set[int]) -> Shape:
    """Find the shape of a message, and add the first bytes of its fields' tags."""
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    shape = known[descriptor.full_name] = Shape()
    for field in descriptor.fields:
        if field.message_type is None and not (field.is_repeated and field.type in _TEXTS):
            continue
        tag = field.number << 3 | BYTES
        tags.add(tag & 0x7F)
        message = field.message_type
        shape.inner[field.number] = None if message is None else _shape(message, known, tags)
    return shape


class MessageCounter:
    """Counts the messages in one kind of export.

    Args:
        kind: the export's message.

    Attributes:
        tag_bytes: the bytes with which a message in it can begin.
    """

    def __init__(self, kind: type[Message]) -> None:
        tags: set[int] = set()
        self._shape = _shape(kind.DESCRIPTOR, {}, tags)
        # A tag may be written with more bytes than it needs; then its first has the bit that says so.
        self.tag_bytes = bytes(sorted(tags | {tag | CONTINUES for tag in tags}))

    def count(self, body: bytes) -> int:
        """Count the messages.

        Returns:
            How many there are at most.

        Raises:
            ExportError: there are too many of them.
        """
        bound = self.bound(body)
        return bound if bound <= MESSAGES else self.check(body, len(body), MESSAGES, "messages")

    def bound(self, body: bytes) -> int:
        """Return how many messages there are at most, told by the bytes with which one can begin."""
        return len(body) - len(body.translate(None, self.tag_bytes))

    def check(self, body: bytes, depth: int, limit: int, what: str) -> int:
        """Count the messages down to some depth, as far as the data makes sense.

        Raises:
            ExportError: there are more than the limit.
        """
        count, position, end = 0, 0, len(body)
        shape = self._shape
        outer: list[tuple[int, Shape]] = []
        try:
            while True:
                while position >= end:
                    if not outer:
                        return count
                    end, shape = outer.pop()
                tag, position = _varint(body, position)
                kind = tag & 7
                if kind == BYTES:
                    length, position = _varint(body, position)
                    if tag >> 3 in shape.inner:
                        count += 1
                        check_count(count, limit, what)
                        inner = shape.inner[tag >> 3]
                        if inner is not None and len(outer) + 1 < depth and position + length <= end:
                            outer.append((end, shape))
                            end, shape = position + length, inner
                            continue
                    position += length
                elif kind == VARINT:
                    _, position = _varint(body, position)
                elif kind == FIXED_64:
                    position += 8
                elif kind == FIXED_32:
                    position += 4
                # what is left are the marks around a group, whose fields count like those beside it
        except IndexError:
            return count


def count_values(body: bytes) -> int:
    """Count the values in an export: each comes first in an object or a list, or after a comma.

    Returns:
        How many there are at most.

    Raises:
        ExportError: there are too many of them.
    """
    count = sum(map(body.count, (b"{", b"[", b",")))
    check_count(count, JSON_VALUES, "values")
    return count


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """Read a number; return it with the position behind it."""
    number = shift = 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < CONTINUES:
            return number, position
        shift += 7
