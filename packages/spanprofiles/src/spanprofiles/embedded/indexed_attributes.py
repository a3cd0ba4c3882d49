"""Attributes as they are indexed: a key, a scope, a type and a value. The store keeps them, TraceQL asks for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

# Scopes. INTRINSIC holds what a span has besides attributes, under TraceQL's names for it.
RESOURCE, SPAN, EVENT, LINK, INSTRUMENTATION, INTRINSIC = range(6)
# Types. OTHER marks a value that is not a scalar (a map, bytes): its presence is known, its content is not searched.
STRING, INTEGER, FLOAT, BOOLEAN, OTHER = range(5)

LIST_TAG = b"\x2a"
"""How a list begins where it is the value of a serialized attribute."""

IndexedAttribute = tuple[str, int, int, Any]
"""(key, scope, type, value), as the table ``attributes`` has it."""


def span_attribute(raw: bytes) -> IndexedAttribute:
    """Make the row under which a span's attribute is found.

    Args:
        raw: the attribute, serialized; its value is no list.
    """
    pair = KeyValue.FromString(raw)
    value = pair.value
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return pair.key, SPAN, STRING, value.string_value
    return _scalar(SPAN, pair.key, kind, value)


def may_be_list(raw: bytes) -> bool:
    """Whether the value of a serialized attribute may be a list, which has several rows."""
    return LIST_TAG in raw


def indexed(scope: int, pairs: Iterable[KeyValue]) -> Iterator[IndexedAttribute]:
    """Make the rows under which attributes are found: a list has one for each of its members."""
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield pair.key, scope, STRING, value.string_value
        elif kind == "array_value":
            yield from _members(scope, pair.key, value.array_value.values)
        else:
            yield _scalar(scope, pair.key, kind, value)


def _members(scope: int, key: str, values: Iterable[AnyValue]) -> Iterator[IndexedAttribute]:
    yield key, scope, OTHER, 0
    for value in values:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield key, scope, STRING, value.string_value
        elif kind != "array_value":
            yield _scalar(scope, key, kind, value)


def _scalar(scope: int, key: str, kind: str | None, value: AnyValue) -> IndexedAttribute:
    if kind == "int_value":
        return key, scope, INTEGER, value.int_value
    if kind == "double_value":
        number = value.double_value
        return (key, scope, OTHER, 0) if math.isnan(number) else (key, scope, FLOAT, number)
    if kind == "bool_value":
        return key, scope, BOOLEAN, int(value.bool_value)
    return key, scope, OTHER, 0
