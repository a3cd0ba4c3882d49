"""What TraceQL's operators make of values, with the results of Go's integers and floats."""

from __future__ import annotations

import math

import pytest

from spanprofiles.embedded.traceql.arithmetic import binary_value, unary_value
from spanprofiles.embedded.traceql.errors import EvaluationError
from spanprofiles.embedded.traceql.values import (
    ABSENT,
    BOOLEAN,
    DURATION,
    FALSE,
    FLOAT,
    INTEGER,
    INTEGER_ARRAY,
    NOTHING,
    STATUS,
    STRING,
    STRING_ARRAY,
    TRUE,
    Static,
    order,
)

LARGEST, LEAST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (LARGEST, "+", 1, LEAST),
        (LEAST, "-", 1, LARGEST),
        (2**62, "*", 2, LEAST),
        (7, "/", 2, 3),
        (-7, "/", 2, -3),
        (7, "/", -2, -3),
        (-7, "/", -2, 3),
        (LEAST, "/", -1, LEAST),
        (7, "%", 3, 1),
        (-7, "%", 3, -1),
        (7, "%", -3, 1),
        (2**60 + 1, "%", 2, 1),
        (-(2**60) - 1, "%", 2, -1),
        (LEAST, "%", -1, 0),
        (6, "%", 3, 0),
        (2, "^", 3, 9),  # as the real server computes it
        (1_000, "^", 1_000, LEAST),
    ],
)
def test_integers_are_divided_towards_zero_and_wrap_around(left: int, operator: str, right: int, expected: int) -> None:
    assert binary_value(operator, (INTEGER, left), (INTEGER, right)) == (INTEGER, expected)


@pytest.mark.parametrize("operator", ["/", "%"])
def test_an_integer_divided_by_zero_has_no_value(operator: str) -> None:
    with pytest.raises(EvaluationError, match="by zero"):
        binary_value(operator, (INTEGER, 1), (INTEGER, 0))


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1.0, "/", 4.0, 0.25),
        (1.0, "/", 0.0, math.inf),
        (-1.0, "/", 0.0, -math.inf),
        (1.0, "/", -0.0, -math.inf),
        (0.0, "/", 0.0, math.nan),
        (math.nan, "/", 0.0, math.nan),
        (7.5, "%", 2.0, 1.5),
        (1.0, "%", 0.0, math.nan),
        (2.0, "^", 10.0, 1_024.0),
        (10.0, "^", 1_000.0, math.inf),
        (-1.0, "^", 0.5, math.nan),
        (0.0, "^", -1.0, math.nan),
    ],
)
def test_floats_become_infinite_or_no_number(left: float, operator: str, right: float, expected: float) -> None:
    kind, value = binary_value(operator, (FLOAT, left), (FLOAT, right))
    assert kind == FLOAT
    assert value == expected or (math.isnan(value) and math.isnan(expected))


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ((DURATION, 5), "+", (INTEGER, 2), (FLOAT, 7.0)),
        ((INTEGER, 1), "<", (FLOAT, 1.5), TRUE),
        ((STRING, "a"), "<", (STRING, "é"), TRUE),
        ((STRING, "order"), "=~", (STRING, "or.*"), TRUE),
        ((STRING, "order"), "!~", (STRING, "or.*"), FALSE),
        (TRUE, "||", FALSE, TRUE),
        (TRUE, "&&", FALSE, FALSE),
        (NOTHING, "=", NOTHING, FALSE),
        (NOTHING, "!=", (INTEGER, 1), FALSE),
        ((STATUS, 2), "=", (INTEGER, 2), FALSE),
        ((STRING, "a"), "+", (STRING, "b"), FALSE),
        ((STRING, "1"), "=", (INTEGER, 1), FALSE),
        ((INTEGER, 1), "IN", (INTEGER, 1), FALSE),
    ],
)
def test_scalars_meet_by_their_types_or_are_false(left: Static, operator: str, right: Static, expected: Static) -> None:
    assert binary_value(operator, left, right) == expected


ONE_TWO: Static = (INTEGER_ARRAY, (1, 2))


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (ONE_TWO, "=", (INTEGER, 2), True),
        (ONE_TWO, "=", (INTEGER, 3), False),
        (ONE_TWO, "!=", (INTEGER, 2), False),
        (ONE_TWO, "!=", (INTEGER, 3), True),
        (ONE_TWO, ">", (INTEGER, 1), True),
        ((INTEGER, 1), "<", ONE_TWO, True),
        ((INTEGER, 2), "IN", ONE_TWO, True),
        ((INTEGER, 3), "NOT IN", ONE_TWO, True),
        ((STRING_ARRAY, ("ab", "c")), "=~", (STRING, "a."), True),
        ((STRING_ARRAY, ("ab", "c")), "!~", (STRING, "a."), False),
        ((STRING, "ab"), "MATCH ANY", (STRING_ARRAY, ("x", "a.")), True),
        ((STRING, "ab"), "MATCH NONE", (STRING_ARRAY, ("x", "y")), True),
    ],
)
def test_any_member_of_a_list_will_do_but_all_for_negations(
    left: Static, operator: str, right: Static, *, expected: bool
) -> None:
    assert binary_value(operator, left, right) == (BOOLEAN, expected)


@pytest.mark.parametrize(
    ("operator", "right", "message"),
    [
        ("+", (INTEGER, 1), "unsupported operation"),
        ("=", ONE_TWO, "a scalar and an array operand"),
        ("IN", (INTEGER, 1), "require array on the right side"),
    ],
)
def test_a_list_is_only_compared_and_only_with_single_values(operator: str, right: Static, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        binary_value(operator, ONE_TWO, right)


@pytest.mark.parametrize(
    ("operator", "operand", "expected"),
    [
        ("EXISTS", NOTHING, FALSE),
        ("EXISTS", (INTEGER, 0), TRUE),
        ("EXISTS NOT", ABSENT, TRUE),
        ("EXISTS NOT", (STRING, "x"), FALSE),
        ("!", TRUE, FALSE),
        ("-", (FLOAT, 1.5), (FLOAT, -1.5)),
        ("-", (DURATION, 5), (DURATION, -5)),
        ("-", (INTEGER, LEAST), (INTEGER, LEAST)),
    ],
)
def test_an_operator_before_a_value_gives_another(operator: str, operand: Static, expected: Static) -> None:
    assert unary_value(operator, operand) == expected


@pytest.mark.parametrize(("operator", "operand"), [("!", (INTEGER, 1)), ("-", (STRING, "x")), ("-", TRUE)])
def test_an_operator_before_a_value_of_the_wrong_type_fails(operator: str, operand: Static) -> None:
    with pytest.raises(EvaluationError, match="expected a"):
        unary_value(operator, operand)


@pytest.mark.parametrize(
    ("left", "right", "sign"),
    [
        ((INTEGER, 1), (FLOAT, 1.5), -1),
        ((FLOAT, 2.5), (INTEGER, 2), 1),
        ((INTEGER, 2), (FLOAT, 2.0), 0),
        ((STRING, "a"), (STRING, "b"), -1),
        ((STRING, "b"), (STRING, "a"), 1),
        ((STRING, "a"), (STRING, "a"), 0),
        ((FLOAT, 1.5), (FLOAT, 1.5), 0),
        (NOTHING, NOTHING, 0),
        (NOTHING, (INTEGER, 1), -1),
    ],
)
def test_values_of_all_types_have_an_order(left: Static, right: Static, sign: int) -> None:
    found = order(left, right)
    assert (found > 0) - (found < 0) == sign


@pytest.mark.parametrize(("left", "right"), [(-1.0, -3.25), (-3.25, 0.0), (-0.0, 0.0), (2.0, math.nan)])
def test_negative_floats_are_ordered_by_their_size_as_in_the_real_server(left: float, right: float) -> None:
    assert order((FLOAT, left), (FLOAT, right)) < 0 < order((FLOAT, right), (FLOAT, left))
