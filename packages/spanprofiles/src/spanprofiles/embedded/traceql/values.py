"""TraceQL's values: a type and a plain Python value, and how they compare, print and become JSON."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

# A value is a tuple (type, value): spans are evaluated by the hundred thousand, and tuples are what is quickest.
Static = tuple[int, Any]

(
    NIL,
    SPANSET,
    ATTRIBUTE,
    INTEGER,
    FLOAT,
    STRING,
    BOOLEAN,
    INTEGER_ARRAY,
    FLOAT_ARRAY,
    STRING_ARRAY,
    BOOLEAN_ARRAY,
    DURATION,
    STATUS,
    KIND,
) = range(14)

ARRAY_OF = {INTEGER: INTEGER_ARRAY, FLOAT: FLOAT_ARRAY, STRING: STRING_ARRAY, BOOLEAN: BOOLEAN_ARRAY}
ELEMENT_OF = {array: element for element, array in ARRAY_OF.items()}
NUMERIC = frozenset({INTEGER, FLOAT, DURATION})

NOTHING: Static = (NIL, None)
TRUE: Static = (BOOLEAN, True)
FALSE: Static = (BOOLEAN, False)
ABSENT: Static = (STRING, "nil")
"""What the real storage layer gives for an attribute with a column of its own that a span does not have."""

STATUS_NAMES = {0: "unset", 1: "ok", 2: "error"}
KIND_NAMES = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUS_CODES = {name: code for code, name in STATUS_NAMES.items()}
KIND_CODES = {name: code for code, name in KIND_NAMES.items()}


def matching(left: int, right: int) -> bool:
    """Whether values of two types may meet in a binary operation, whatever the operator."""
    if ATTRIBUTE in {left, right} or left == right:
        return True
    if left in NUMERIC and right in NUMERIC:
        return True
    if NIL in {left, right}:
        return True
    return matching_element(left, right)


def matching_element(left: int, right: int) -> bool:
    """Whether one type is an array whose elements match the other."""
    if left in ELEMENT_OF:
        return matching(ELEMENT_OF[left], right)
    return right in ELEMENT_OF and matching(ELEMENT_OF[right], left)


def as_float(value: Static) -> float:
    """Convert a number to a float; NaN where it is none."""
    return float(value[1]) if value[0] in NUMERIC else math.nan


def equal(left: Static, right: Static) -> bool:
    """Whether two values are equal; nil equals nothing, not even itself."""
    kind, other = left[0], right[0]
    if NIL in {kind, other}:
        return False
    if kind in NUMERIC and other in NUMERIC:
        return bool(left[1] == right[1])
    return kind == other and bool(left[1] == right[1])


def _bits(number: float) -> int:
    """Return a float's bits as an integer with a sign, by which the real server orders floats: -2 is after -1."""
    bits: int = struct.unpack(">q", struct.pack(">d", number))[0]
    return bits


def order(left: Static, right: Static) -> int:
    """Negative, zero or positive as the left value is less than, equal to or greater than the right."""
    if left[0] != right[0] and left[0] in NUMERIC and right[0] in NUMERIC:
        first, second = as_float(left), as_float(right)
        return (first > second) - (first < second)
    if left[0] != right[0]:
        return left[0] - right[0]
    if left[0] == NIL:
        return 0
    if left[0] == FLOAT:
        first, second = _bits(left[1]), _bits(right[1])
        return int(first > second) - int(first < second)
    return int(left[1] > right[1]) - int(left[1] < right[1])


_UNITS = ((3_600_000_000_000, "h"), (60_000_000_000, "m"))


def duration_text(nanoseconds: int) -> str:
    """Write a duration as Go prints it: ``1h2m3.5s``, ``1.5ms``, ``0s``."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
        return "0s"
    text = ""
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count or text:
            text += f"{count}{unit}"
    return f"{sign}{text}{_decimal(rest, 1_000_000_000)}s"


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    if not rest:
        return str(whole)
    digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}"


def float_text(number: float) -> str:
    """Write a float as TraceQL prints it: always with a point or an exponent."""
    if math.isnan(number):
        return "NaN.0"
    if math.isinf(number):
        return "+Inf.0" if number > 0 else "-Inf.0"
    shortest = Decimal(repr(number))
    exponent = shortest.adjusted()
    if not shortest or -4 <= exponent < 6:
        text = f"{shortest:f}"
        return text if "." in text else f"{text}.0"
    digits = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    mantissa = digits[0] + (f".{digits[1:]}" if digits[1:] else "")
    return f"{'-' if number < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def text_of(value: Static, *, quoted: bool = False) -> str:
    """Write a value as TraceQL does; strings in back quotes where ``quoted``."""
    kind, content = value
    if kind == STRING:
        return f"`{content}`" if quoted else str(content)
    if kind == NIL:
        return "nil"
    if kind == BOOLEAN:
        return "true" if content else "false"
    if kind == FLOAT:
        return float_text(content)
    if kind == DURATION:
        return duration_text(content)
    if kind == STATUS:
        return STATUS_NAMES.get(content, f"status({content})")
    if kind == KIND:
        return KIND_NAMES.get(content, f"kind({content})")
    if kind in ELEMENT_OF:
        element = ELEMENT_OF[kind]
        return f"[{', '.join(text_of((element, member), quoted=element == STRING) for member in content)}]"
    return str(content)


def json_value(value: Static) -> dict[str, Any]:
    """Write a value as OTLP's ``AnyValue`` in JSON."""
    kind, content = value
    if kind == INTEGER:
        return {"intValue": str(content)}
    if kind == FLOAT:
        if math.isfinite(content):
            return {"doubleValue": content}
        return {"doubleValue": "NaN" if math.isnan(content) else "Infinity" if content > 0 else "-Infinity"}
    if kind == BOOLEAN:
        return {"boolValue": content}
    if kind in ELEMENT_OF:
        members = [json_value((ELEMENT_OF[kind], member)) for member in content]
        return {"arrayValue": {"values": members} if members else {}}
    return {"stringValue": text_of(value)}


TYPE_NAMES = {
    INTEGER: "int",
    FLOAT: "float",
    BOOLEAN: "bool",
    STRING: "string",
    DURATION: "duration",
    STATUS: "keyword",
    KIND: "keyword",
}
"""The types of tag values as Tempo's API names them."""
