"""Making expressions, with those that need no span worked out at once, as the real server's parser does."""

from __future__ import annotations

from contextlib import suppress

from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.arithmetic import binary_value, unary_value
from spanprofiles.embedded.traceql.errors import EvaluationError, TraceQLError
from spanprofiles.embedded.traceql.syntax import Attribute, Binary, Constant, Field, Unary
from spanprofiles.embedded.traceql.validation import check_field

TRACE_ID = Attribute("trace:id", intrinsic=True)


def _without_zeros(beside: Field, field: Field) -> Field:
    """Take the leading zeros from a trace ID that is compared, as the spans' have lost theirs."""
    if beside == TRACE_ID and isinstance(field, Constant) and field.value[0] == values.STRING:
        return Constant((values.STRING, field.value[1].lstrip("0")))
    return field


def _folded(field: Binary | Unary) -> Field:
    # Only constants: what else needs no span could not be worked out before. Looking deeper at each step of a long
    # chain would take the square of its length.
    with suppress(TraceQLError, EvaluationError):
        if isinstance(field, Unary) and isinstance(field.operand, Constant):
            check_field(field)
            return Constant(unary_value(field.operator, field.operand.value))
        if isinstance(field, Binary) and isinstance(field.left, Constant) and isinstance(field.right, Constant):
            check_field(field)
            return Constant(binary_value(field.operator, field.left.value, field.right.value))
    return field


def binary_field(operator: str, left: Field, right: Field) -> Field:
    """Two expressions and an operator, or their value where no span is needed for it."""
    return _folded(Binary(operator, _without_zeros(right, left), _without_zeros(left, right)))


def unary_field(operator: str, operand: Field) -> Field:
    """Put an operator before an expression; give its value where no span is needed for it."""
    if operator in {operators.EXISTS, operators.EXISTS_NOT} and isinstance(operand, Constant):
        return Constant((values.BOOLEAN, unary_value(operator, operand.value)[1]))
    return _folded(Unary(operator, operand))
