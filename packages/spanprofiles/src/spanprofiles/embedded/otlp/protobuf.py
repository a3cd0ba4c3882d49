"""Exports in protobuf, counted before their messages are made: two bytes can make an object of hundreds.

Source: https://protobuf.dev/programming-guides/encoding/. Damaged data is left to its parser, which also bounds how
deeply messages may be nested, at 100.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.export_errors import ExportError, check_count
from spanprofiles.embedded.limits import MESSAGE_BYTES, MESSAGES, SPANS

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
CONTINUES = 0x80
SPANS_DEPTH = 3


def decode_protobuf(body: bytes, expect: Callable[[int], None]) -> ExportTraceServiceRequest:
    """Decode an export.

    Args:
        body: the export in protobuf.
        expect: called with about how many bytes of memory the export needs, before it uses them; what it raises
            ends the work.

    Raises:
        ExportError: it is not an export, or has too much in it.
    """
    expect(len(body) + MESSAGE_BYTES * count_messages(body))
    export = ExportTraceServiceRequest()
    try:
        export.ParseFromString(body)
    except DecodeError as error:
        raise ExportError(f"proto: cannot parse the export request: {error}") from error
    return export


class Shape:
    """The fields of a message that make objects.

    Attributes:
        inner: by field number, the shape of a message, or None for a text that may come many times.
    """

    def __init__(self) -> None:
        self.inner: dict[int, Shape | None] = {}


def _shape(descriptor: Descriptor, known: dict[str, Shape], tags: set[int]) -> Shape:
    """Find the shape of a message, and add the first bytes of its fields' tags."""
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    shape = known[descriptor.full_name] = Shape()
    for field in descriptor.fields:
        if field.message_type is None and not (field.is_repeated and field.type in _TEXTS):
            continue
        tag = field.number << 3 | BYTES
        tags.add(tag if tag < CONTINUES else tag & 0x7F)
        message = field.message_type
        shape.inner[field.number] = None if message is None else _shape(message, known, tags)
    return shape


_TEXTS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
_TAGS: set[int] = set()
_EXPORT = _shape(ExportTraceServiceRequest.DESCRIPTOR, {}, _TAGS)
# A tag may be written with more bytes than it needs; then its first has the bit that says so.
_TAG_BYTES = bytes(sorted(_TAGS | {tag | CONTINUES for tag in _TAGS}))


def count_messages(body: bytes) -> int:
    """Count the messages in an export.

    Returns:
        How many there are at most.

    Raises:
        ExportError: there are too many of them.
    """
    _count(body, SPANS_DEPTH, SPANS, "spans, or groups of them,")
    bound = len(body) - len(body.translate(None, _TAG_BYTES))
    return bound if bound <= MESSAGES else _count(body, len(body), MESSAGES, "messages")


def _count(body: bytes, depth: int, limit: int, what: str) -> int:
    """How many messages there are, as far as the data makes sense, and down to some depth."""
    count, position, end = 0, 0, len(body)
    shape = _EXPORT
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
