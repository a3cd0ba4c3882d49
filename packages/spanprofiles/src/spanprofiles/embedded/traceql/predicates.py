"""Tests of single values that the fetching of spans makes, from the conditions of a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.patterns import compile_pattern
from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.arithmetic import ORDER
from spanprofiles.embedded.traceql.conditions import Condition

Test = Callable[[Any], bool]


def always(_: object) -> bool:
    """Pass every value."""
    return True


def test_of(condition: Condition, deadline: Deadline) -> Test:
    """The test a condition makes of a value of its operand's type; conditions of existence pass every value.

    Args:
        condition: the condition.
        deadline: of the query, checked before each regular expression is matched.
    """
    if condition.operand is None:
        return always
    kind, operand = condition.operand
    operator = operators.ARRAY_OPERATION.get(condition.operator, condition.operator)
    members = operand if kind in values.ELEMENT_OF else (operand,)
    if operator == operators.EQUAL:
        return members.__contains__ if len(members) > 1 else lambda value: bool(value == members[0])
    if operator == operators.NOT_EQUAL:
        return lambda value: value not in members
    if operator in {operators.MATCHES, operators.MATCHES_NOT}:
        patterns = [compile_pattern(member) for member in members]
        wanted = operator == operators.MATCHES
        return lambda value: any(pattern.matches(value) for pattern in deadline.watch(patterns)) == wanted
    compare = ORDER[operator]
    if kind == values.STRING:
        encoded = operand.encode()
        return lambda value: compare(value.encode(), encoded)
    # A query may compare ``instrumentation:name`` with anything, though it is text.
    return lambda value: not isinstance(value, str) and compare(value, operand)


def column_test(conditions: list[Condition], deadline: Deadline) -> Test:
    """Make the test of a column with several conditions: one of them has to pass."""
    tests = [test_of(condition, deadline) for condition in conditions]
    if always in tests:
        return always
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)
