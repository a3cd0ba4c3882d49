"""The one rewriting the real server makes: chains of comparisons of one attribute become one with a list.

``.a = "x" || .a = "y"`` becomes ``.a IN [x, y]``, and likewise for ``!=`` with ``&&``, ``=~`` with ``||`` and ``!~``
with ``&&``. It matters to answers, since a query without ``||`` is fetched differently (see ``conditions``).
"""

from __future__ import annotations

import dataclasses

from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.syntax import (
    Aggregate,
    Attribute,
    Binary,
    Constant,
    Field,
    Filter,
    Group,
    Pipeline,
    ScalarFilter,
    SpansetOperation,
    Stage,
    Unary,
)

RULES = (
    (operators.OR, operators.EQUAL, operators.IN, False),
    (operators.AND, operators.NOT_EQUAL, operators.NOT_IN, False),
    (operators.OR, operators.MATCHES, operators.MATCHES_ANY, True),
    (operators.AND, operators.MATCHES_NOT, operators.MATCHES_NONE, True),
)


def rewrite_stage(stage: Stage) -> Stage:
    """Rewrite every expression in a stage."""
    if isinstance(stage, Pipeline):
        return Pipeline(tuple(rewrite_stage(inner) for inner in stage.stages))
    if isinstance(stage, SpansetOperation):
        return SpansetOperation(stage.operator, rewrite_stage(stage.left), rewrite_stage(stage.right))
    if isinstance(stage, (Filter, Group)):
        return dataclasses.replace(stage, expression=rewrite_field(stage.expression))
    if isinstance(stage, ScalarFilter) and isinstance(stage.left, Aggregate) and stage.left.expression is not None:
        aggregate = Aggregate(stage.left.name, rewrite_field(stage.left.expression))
        return dataclasses.replace(stage, left=aggregate)
    return stage


def rewrite_field(field: Field) -> Field:
    """Rewrite every such chain in an expression."""
    if isinstance(field, Unary):
        return Unary(field.operator, rewrite_field(field.operand))
    if not isinstance(field, Binary):
        return field
    rewritten: Field = Binary(field.operator, rewrite_field(field.left), rewrite_field(field.right))
    for rule in RULES:
        rewritten = _apply(rewritten, *rule)
    return rewritten


def _apply(field: Field, outer: str, scalar: str, listed: str, only_strings: bool) -> Field:  # a row of RULES
    if not isinstance(field, Binary) or field.operator != outer:
        return field
    left, right = _comparison(field.left, scalar, listed), _comparison(field.right, scalar, listed)
    if left is None or right is None or left[0] != right[0]:
        return field
    first, second = left[1], right[1]
    kind = values.ELEMENT_OF.get(first[0], first[0])
    if kind != values.ELEMENT_OF.get(second[0], second[0]) or kind not in values.ARRAY_OF:
        return field
    if only_strings and kind != values.STRING:
        return field
    members = _members(first) + _members(second)
    return Binary(listed, left[0], Constant((values.ARRAY_OF[kind], members)))


def _members(value: values.Static) -> tuple[object, ...]:
    return value[1] if value[0] in values.ELEMENT_OF else (value[1],)


def _comparison(field: Field, *wanted: str) -> tuple[Attribute, values.Static] | None:
    if not isinstance(field, Binary) or field.operator not in wanted:
        return None
    for attribute, constant in ((field.left, field.right), (field.right, field.left)):
        if isinstance(attribute, Attribute):
            return (attribute, constant.value) if isinstance(constant, Constant) else None
    return None
