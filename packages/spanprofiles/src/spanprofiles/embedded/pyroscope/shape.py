"""How many messages data has, told before they are made: a few bytes can make many objects.

Source: https://protobuf.dev/programming-guides/encoding/. Data that is too small to matter is not counted, and damaged
data is left to its parser.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from spanprofiles.embedded.proto.pprof_pb2 import ProfileLists, ProfileTables
from spanprofiles.embedded.pyroscope.limits import (
    JSON_VALUES_LIMIT,
    LINES_LIMIT,
    MESSAGES_LIMIT,
    PROFILES_LIMIT,
    PUSH_LABELS_LIMIT,
    SAMPLE_LABELS_LIMIT,
    SAMPLE_TYPES_LIMIT,
    SAMPLES_LIMIT,
    STRINGS_LIMIT,
    TABLE_LIMIT,
)

COUNTED_FROM_BYTES = 32 * 1024
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
CONTINUES = 0x80
VARINT_BYTES = 10
SERIES = LABELS = 1
PROFILES = 2
TABLES = (
    ("sample_type", "sample types", SAMPLE_TYPES_LIMIT),
    # the limits of samples and their labels are reported with the profile's own labels, by the code that knows them
    ("sample", "samples", 4 * SAMPLES_LIMIT),
    ("mapping", "mappings", TABLE_LIMIT),
    ("location", "locations", TABLE_LIMIT),
    ("function", "functions", TABLE_LIMIT),
    ("string_table", "strings", STRINGS_LIMIT),
    ("comment", "comments", TABLE_LIMIT),
)
INNER = (
    ("sample", "label", "labels", 4 * SAMPLE_LABELS_LIMIT),
    ("location", "line", "lines", LINES_LIMIT),
)


class ShapeError(Exception):
    """Data has more messages than are taken; the message says of which."""


def check_profile_shape(data: bytes) -> None:
    """See that a profile's tables are not too long, nor the lists in their members.

    It is read as messages whose members are bytes, which takes little more than the data itself.

    Raises:
        ShapeError: one is.
    """
    if len(data) < COUNTED_FROM_BYTES:
        return
    try:
        tables = ProfileTables.FromString(data)
        for table, words, limit in TABLES:
            _check(len(getattr(tables, table)), limit, f"{words} in a profile")
        inner = ProfileLists.FromString(data)
    except DecodeError:
        return
    for table, member, words, limit in INNER:
        counts = [len(getattr(row, member)) for row in getattr(inner, table)]
        _check(max(counts, default=0), limit, f"{words} in one {table}")
        _check(sum(counts), MESSAGES_LIMIT, f"{words} in all its {table}s")


def check_push_shape(data: bytes) -> None:
    """See that a push does not have too many series, labels or profiles.

    Raises:
        ShapeError: it has.
    """
    if len(data) < COUNTED_FROM_BYTES:
        return
    series = labels = profiles = 0
    for number, start, end in _members(data, 0, len(data)):
        series += number == SERIES
        _check(series, PROFILES_LIMIT, "series in a push")
        for inner, _, _ in _members(data, start, end) if number == SERIES else ():
            labels += inner == LABELS
            profiles += inner == PROFILES
            _check(labels, PUSH_LABELS_LIMIT, "labels in a push")
            _check(profiles, PROFILES_LIMIT, "profiles in a push")


def check_json_shape(data: bytes) -> None:
    """See that JSON does not have too many values: each comes first in an object or a list, or after a comma.

    Raises:
        ShapeError: it has.
    """
    _check(sum(map(data.count, (b"{", b"[", b","))), JSON_VALUES_LIMIT, "values in the JSON")


def _check(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise ShapeError(f"there are more than {limit} {what}")


def _members(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each length-delimited field, as far as the data makes sense."""
    while position < end:
        tag, position = _varint(data, position, end)
        kind = tag & 7
        if kind == BYTES:
            length, position = _varint(data, position, end)
            if position + length > end:
                return
            yield tag >> 3, position, position + length
            position += length
        elif kind == VARINT:
            _, position = _varint(data, position, end)
        elif kind == FIXED_64:
            position += 8
        elif kind == FIXED_32:
            position += 4
        # what is left are the marks around a group, whose fields count like those beside it


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Read a number; return it with the position behind it."""
    number = 0
    for shift in range(0, 7 * VARINT_BYTES, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < CONTINUES:
            break
    return number, position
