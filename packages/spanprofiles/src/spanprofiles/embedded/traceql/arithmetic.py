"""What operators make of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spanprofiles.embedded.patterns import compile_pattern
from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.errors import EvaluationError
from spanprofiles.embedded.traceql.operators import ARRAY_OPERATION, FLIPPED, valid_for
from spanprofiles.embedded.traceql.values import (
    BOOLEAN,
    DURATION,
    ELEMENT_OF,
    FALSE,
    FLOAT,
    INTEGER,
    NIL,
    NUMERIC,
    STRING,
    Static,
    as_float,
    equal,
    matching,
)

INTEGER_SIZE = 2**64
LARGEST_INTEGER = 2**63


def wrapped(number: int) -> int:
    """Wrap an integer around as 64 bits do."""
    return (number + LARGEST_INTEGER) % INTEGER_SIZE - LARGEST_INTEGER


ORDER: dict[str, Callable[[Any, Any], bool]] = {
    operators.GREATER: lambda left, right: left > right,
    operators.GREATER_EQUAL: lambda left, right: left >= right,
    operators.LESS: lambda left, right: left < right,
    operators.LESS_EQUAL: lambda left, right: left <= right,
}


def _divide_integers(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return wrapped(quotient if (left < 0) == (right < 0) else -quotient)


def _modulo_integers(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("modulo by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _integer_power(left: int, right: int) -> int:
    # The real server takes the operands the other way round, and so `2 ^ 3` is 9 there.
    power = _float_power(float(right), float(left))
    return wrapped(int(power)) if math.isfinite(power) else -LARGEST_INTEGER


INTEGERS: dict[str, Callable[[int, int], int]] = {
    operators.ADD: lambda left, right: wrapped(left + right),
    operators.SUBTRACT: lambda left, right: wrapped(left - right),
    operators.MULTIPLY: lambda left, right: wrapped(left * right),
    operators.DIVIDE: _divide_integers,
    operators.MODULO: _modulo_integers,
    operators.POWER: _integer_power,
}


def _float_divide(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _float_modulo(left: float, right: float) -> float:
    try:
        return math.fmod(left, right)
    except ValueError:
        return math.nan


def _float_power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan


FLOATS: dict[str, Callable[[float, float], float]] = {
    operators.ADD: lambda left, right: left + right,
    operators.SUBTRACT: lambda left, right: left - right,
    operators.MULTIPLY: lambda left, right: left * right,
    operators.DIVIDE: _float_divide,
    operators.MODULO: _float_modulo,
    operators.POWER: _float_power,
}


def _nothing() -> None:
    """Look at no clock."""


def binary_value(operator: str, left: Static, right: Static, check: Callable[[], None] = _nothing) -> Static:
    """Evaluate an operation; false where its operands' types do not go together.

    Args:
        operator: one of the binary operators.
        left: one operand.
        right: the other.
        check: called before each regular expression is matched, which may take long.

    Raises:
        EvaluationError: it has none, such as a division by zero.
    """
    kind, other = left[0], right[0]
    if not matching(kind, other) or not (valid_for(operator, kind) and valid_for(operator, other)):
        return FALSE
    if kind in ELEMENT_OF or other in ELEMENT_OF:
        return _array_value(operator, left, right, check)
    if operator in ARRAY_OPERATION:
        return FALSE
    return _scalar_value(operator, left, right, check)


def _scalar_value(operator: str, left: Static, right: Static, check: Callable[[], None]) -> Static:
    """Evaluate an operation on two values that are no arrays, whose types go together and with the operator."""
    kind, other = left[0], right[0]
    if operator == operators.EQUAL:
        return BOOLEAN, equal(left, right)
    if operator == operators.NOT_EQUAL:
        return BOOLEAN, NIL not in {kind, other} and not equal(left, right)
    if kind == STRING:
        if operator in ORDER:
            return BOOLEAN, ORDER[operator](left[1].encode(), right[1].encode())
        check()
        return BOOLEAN, compile_pattern(right[1]).matches(left[1]) == (operator == operators.MATCHES)
    if kind == BOOLEAN:
        return BOOLEAN, (left[1] and right[1]) if operator == operators.AND else (left[1] or right[1])
    if operator in ORDER:
        return BOOLEAN, ORDER[operator](left[1], right[1])
    if kind == INTEGER and other == INTEGER:
        return INTEGER, INTEGERS[operator](left[1], right[1])
    return FLOAT, FLOATS[operator](as_float(left), as_float(right))


def _array_value(operator: str, left: Static, right: Static, check: Callable[[], None]) -> Static:
    """Compare with an array: any member will do, except that ``!=`` and ``!~`` must hold for all of them."""
    if operator not in operators.BOOLEAN_RESULT:
        raise EvaluationError("unsupported operation")
    if left[0] in ELEMENT_OF and right[0] in ELEMENT_OF:
        raise EvaluationError("array operators must consist of a scalar and an array operand")
    flipped = False
    if operator in ARRAY_OPERATION:
        operator = ARRAY_OPERATION[operator]
        scalar, array = left, right
        if array[0] not in ELEMENT_OF:
            raise EvaluationError("array operators require array on the right side")
    elif left[0] in ELEMENT_OF:
        array, scalar = left, right
        flipped = operator in {operators.MATCHES, operators.MATCHES_NOT}
        operator = FLIPPED.get(operator, operator)
    else:
        scalar, array = left, right
    element = ELEMENT_OF[array[0]]
    results = []
    for member in array[1]:
        first, second = ((element, member), scalar) if flipped else (scalar, (element, member))
        fits = matching(first[0], second[0]) and valid_for(operator, first[0]) and valid_for(operator, second[0])
        results.append(fits and _scalar_value(operator, first, second, check)[1] is True)
    every = operator in {operators.NOT_EQUAL, operators.MATCHES_NOT}
    return BOOLEAN, all(results) if every else any(results)


def unary_value(operator: str, operand: Static) -> Static:
    """Evaluate an operator before an operand.

    Raises:
        EvaluationError: the operand has the wrong type.
    """
    kind, content = operand
    if operator == operators.EXISTS:
        return BOOLEAN, kind != NIL
    if operator == operators.EXISTS_NOT:
        return BOOLEAN, operand == values.ABSENT
    if operator == operators.NOT:
        if kind != BOOLEAN:
            raise EvaluationError("expected a boolean")
        return BOOLEAN, not content
    if kind not in NUMERIC:
        raise EvaluationError("expected a numeric")
    return (kind, -content) if kind == FLOAT else (kind if kind == INTEGER else DURATION, wrapped(-content))
