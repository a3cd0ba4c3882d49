"""Attributes as the store indexes them: a scope, a key, a type and a value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

# Scopes. INTRINSIC holds what a span has besides attributes, under TraceQL's names for it.
RESOURCE, SPAN, EVENT, LINK, INSTRUMENTATION, INTRINSIC = range(6)
# Types. OTHER marks a value that is no scalar (a map, bytes): its presence is known, its content is not searched.
STRING, INTEGER, FLOAT, BOOLEAN, OTHER = range(5)

Attribute = tuple[str, int, int, Any]
"""(key, scope, type, value), as the table `attributes` has it."""


def indexed(scope: int, pairs: Iterable[Any]) -> Iterator[Attribute]:
    """The rows under which OTLP attributes are found: a list has one for each of its members.

    Args:
        scope: one of the scopes above.
        pairs: OTLP `KeyValue` messages.
    """
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield pair.key, scope, STRING, value.string_value
        elif kind == "array_value":
            yield from _members(scope, pair.key, value.array_value.values)
        else:
            yield _scalar(scope, pair.key, kind, value)


def _members(scope: int, key: str, values: Any) -> Iterator[Attribute]:  # a protobuf container
    yield key, scope, OTHER, 0
    for value in values:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            yield key, scope, STRING, value.string_value
        elif kind != "array_value":
            yield _scalar(scope, key, kind, value)


def _scalar(scope: int, key: str, kind: str | None, value: Any) -> Attribute:  # an OTLP AnyValue
    if kind == "int_value":
        return key, scope, INTEGER, value.int_value
    if kind == "double_value":
        number = value.double_value
        return (key, scope, OTHER, 0) if math.isnan(number) else (key, scope, FLOAT, number)
    if kind == "bool_value":
        return key, scope, BOOLEAN, int(value.bool_value)
    return key, scope, OTHER, 0
