"""What of a query is pushed down to the fetching of spans.

Source: the behaviour of Tempo 3.0.3: a query's comparisons with constants are conditions; where all of them must hold
(no ``||``, no operation between spansets, no aggregate) spans are dropped that miss one, and else those that meet none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.syntax import (
    Aggregate,
    Attribute,
    Binary,
    Constant,
    Field,
    Filter,
    Group,
    Measure,
    Metrics,
    Pipeline,
    ScalarFilter,
    Select,
    SpansetOperation,
    Stage,
    Unary,
)
from spanprofiles.embedded.traceql.values import Static

START = Attribute("spanStartTime", intrinsic=True)
STRUCTURE = Attribute("structure", intrinsic=True)
"""Two that no query can name: the start of a span, and its place in the trace's tree, for an operator."""
ALWAYS_GIVEN = tuple(Attribute(name, intrinsic=True) for name in ("trace:id", "span:id", "duration"))


@dataclass(frozen=True)
class Condition:
    """An attribute that is wanted, and the comparison it has to pass; NONE takes it as it is."""

    attribute: Attribute
    operator: str = operators.NONE
    operand: Static | None = None


@dataclass
class Conditions:
    """The conditions of a query.

    Attributes:
        first: those by which spans are fetched.
        every: whether a span has to meet all of them.
        second: what is read of the spans that remained.
    """

    first: list[Condition] = field(default_factory=list)
    every: bool = True
    second: list[Condition] = field(default_factory=list)


def conditions_of(pipeline: Pipeline) -> Conditions:
    """Find the conditions of a whole query."""
    found = Conditions()
    _pipeline(pipeline, found)
    contradicted = _contradicted(found.first)
    if contradicted:
        found.first = [condition for condition in found.first if condition.attribute not in contradicted]
        found.first += [Condition(attribute) for attribute in contradicted]
    last = pipeline.stages[-1] if pipeline.stages else None
    if isinstance(last, Metrics) and isinstance(last.first, Measure):
        _add_attributes(last.first, found.first, found.second, every=found.every)
    return found


def _add_attributes(measure: Measure, first: list[Condition], second: list[Condition], *, every: bool) -> None:
    """Ask for the attributes that a metrics function takes and groups by; a search shows them."""
    if measure.attribute is not None and not _has(measure.attribute, first, second):
        second.append(Condition(measure.attribute))
    # What a condition excludes is not seen by an average, while the other functions read it once more.
    alone = every or measure.name == "avg_over_time"
    for attribute in measure.by:
        if not _has(attribute, first if alone else (), second):
            second.append(Condition(attribute))


def _has(attribute: Attribute, *conditions: list[Condition] | tuple[()]) -> bool:
    return any(condition.attribute == attribute for some in conditions for condition in some)


def _contradicted(conditions: list[Condition]) -> dict[Attribute, None]:
    """Find the attributes that are compared by ``=`` and by ``!=`` with the same value: they are taken as they are."""
    excluded: dict[Attribute, list[Static]] = {}
    for condition in conditions:
        if condition.operator == operators.NOT_EQUAL and condition.operand is not None:
            excluded.setdefault(condition.attribute, []).append(condition.operand)
    if not excluded:
        return {}
    return {
        condition.attribute: None
        for condition in conditions
        if condition.operator == operators.EQUAL
        and condition.operand is not None
        and condition.operand in excluded.get(condition.attribute, ())
    }


def _pipeline(pipeline: Pipeline, found: Conditions) -> None:
    selected = False
    for stage in pipeline.stages:
        if selected:
            later = Conditions()
            _stage(stage, later)
            known = {condition.attribute for condition in found.first + found.second if not condition.operator}
            found.second += [condition for condition in later.first + later.second if condition.attribute not in known]
        else:
            _stage(stage, found)
        selected = selected or isinstance(stage, Select)


def _stage(stage: Stage, found: Conditions) -> None:
    if isinstance(stage, Filter):
        _field(stage.expression, found)
        _filter_of_all(stage, found)
    elif isinstance(stage, SpansetOperation):
        if stage.operator in operators.STRUCTURAL:
            found.first.append(Condition(STRUCTURE, stage.operator))
        _stage(stage.left, found)
        _stage(stage.right, found)
        found.every = False
    elif isinstance(stage, ScalarFilter):
        assert isinstance(stage.left, Aggregate)  # noqa: S101  # it was validated
        _stage(stage.left, found)
    elif isinstance(stage, Aggregate):
        found.every = False
        if stage.expression is not None:
            _field(stage.expression, found)
    elif isinstance(stage, Group):
        _field(stage.expression, found)
        found.every = False
    elif isinstance(stage, Select):
        found.second += [Condition(attribute) for attribute in stage.attributes]
    elif isinstance(stage, Pipeline):
        _pipeline(stage, found)


def _filter_of_all(stage: Filter, found: Conditions) -> None:
    """``{ }`` wants every span: something is asked for that every span has."""
    if isinstance(stage.expression, Constant) and stage.expression.value == values.TRUE:
        known = any(
            condition.attribute == STRUCTURE or (condition.attribute.intrinsic and not condition.operator)
            for condition in found.first
        )
        if not known:
            found.first.append(Condition(START))


def _field(expression: Field, found: Conditions) -> None:
    if isinstance(expression, Attribute):
        found.first.append(Condition(expression))
    elif isinstance(expression, Unary):
        _unary(expression, found)
    elif isinstance(expression, Binary):
        _binary(expression, found)


def _unary(expression: Unary, found: Conditions) -> None:
    operand = expression.operand
    if isinstance(operand, Attribute) and expression.operator in {operators.EXISTS, operators.EXISTS_NOT}:
        found.first.append(Condition(operand, expression.operator))
    else:
        # As in the real server a negation does not turn the condition inside it round, and so finds little.
        _field(operand, found)


def _binary(expression: Binary, found: Conditions) -> None:
    left, right, operator = expression.left, expression.right, expression.operator
    if isinstance(left, Constant) and isinstance(right, Constant):
        return
    if isinstance(left, Constant) and isinstance(right, Attribute):
        left, right = right, left
    if isinstance(left, Attribute) and isinstance(right, Constant):
        logical = operator in {operators.AND, operators.OR} and right.value[0] == values.BOOLEAN
        if operator not in operators.BOOLEAN_RESULT or logical:
            found.first.append(Condition(left))
        else:
            found.first.append(Condition(left, operator, right.value))
        return
    if isinstance(left, (Attribute, Constant)):
        _field(left, found)
        _field(right, found)
        return
    _field(left, found)
    _field(right, found)
    found.every = found.every and operator != operators.OR
