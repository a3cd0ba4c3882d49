"""The engine's half of a search: the pipeline, evaluated on the spans that were fetched of a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.traceql import operators, syntax, values
from spanprofiles.embedded.traceql.arithmetic import ORDER, binary_value, unary_value, wrapped
from spanprofiles.embedded.traceql.errors import EvaluationError
from spanprofiles.embedded.traceql.fetcher import Found, SpanView
from spanprofiles.embedded.traceql.relations import related
from spanprofiles.embedded.traceql.syntax import (
    Aggregate,
    Attribute,
    Binary,
    Coalesce,
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
from spanprofiles.embedded.traceql.values import FALSE, NOTHING, TRUE, Static

CHEAP = 16
"""How many spans an expression is evaluated on between two looks at the clock."""
Evaluated = Callable[[SpanView], Static]
MULTIPLE = "spanset operators are not supported for multiple spansets per trace. consider using coalesce()"


@dataclass(frozen=True)
class Spanset:
    """Spans of one trace, and what aggregates and groupings said of them."""

    spans: list[SpanView]
    attributes: tuple[tuple[str, Static], ...] = ()
    scalar: Static = field(default=NOTHING)


Staged = Callable[[list[Spanset]], list[Spanset]]


def _first(found: Found, wanted: Attribute) -> Static | None:
    for attribute, value in found:
        if attribute == wanted:
            return value
    return None


def _named(found: Found, name: str) -> Static | None:
    for attribute, value in found:
        if attribute.name == name:
            return value
    return None


def lookup(attribute: Attribute) -> Evaluated:
    """Make an attribute a function of a span: a scoped one is found on its level, others by name through the levels."""
    levels: dict[str, Callable[[SpanView], Found]] = {
        syntax.RESOURCE: lambda view: view.resource,
        syntax.SPAN: lambda view: view.span,
        syntax.EVENT: lambda view: view.event,
        syntax.LINK: lambda view: view.link,
        syntax.INSTRUMENTATION: lambda view: view.scope,
    }
    if attribute.scope:
        level = levels[attribute.scope]
        return lambda view: _first(level(view), attribute) or NOTHING
    if attribute.intrinsic:
        if attribute.name in {"nestedSetLeft", "nestedSetRight", "nestedSetParent"}:
            return lambda view: _first(view.span, attribute) or (values.INTEGER, 0)

        def intrinsic(view: SpanView) -> Static:
            for found in (view.span, view.trace, view.event, view.link, view.scope):
                value = _first(found, attribute)
                if value is not None:
                    return value
            return NOTHING

        return intrinsic

    def named(view: SpanView) -> Static:
        for found in (view.span, view.resource, view.event, view.link, view.scope):
            value = _named(found, attribute.name)
            if value is not None:
                return value
        return NOTHING

    return named


def field_of(expression: Field, deadline: Deadline) -> Evaluated:
    """Make an expression a function of a span."""
    if isinstance(expression, Constant):
        constant = expression.value
        return lambda _: constant
    if isinstance(expression, Attribute):
        return lookup(expression)
    if isinstance(expression, Unary):
        operator, operand = expression.operator, field_of(expression.operand, deadline)
        return lambda view: unary_value(operator, operand(view))
    return _binary(expression, deadline)


def _binary(expression: Binary, deadline: Deadline) -> Evaluated:
    operator = expression.operator
    left, right = field_of(expression.left, deadline), field_of(expression.right, deadline)
    if operator not in {operators.AND, operators.OR}:
        return lambda view: binary_value(operator, left(view), right(view), deadline.check)
    if isinstance(expression.right, Attribute):
        # As in the real server its absence decides against the span, whatever the left side says.
        return lambda view: binary_value(operator, left(view), right(view))
    decisive = FALSE if operator == operators.AND else TRUE

    def logical(view: SpanView) -> Static:
        first = left(view)
        return decisive if first == decisive else binary_value(operator, first, right(view))

    return logical


def _filter(stage: Filter, deadline: Deadline) -> Staged:
    condition = field_of(stage.expression, deadline)

    def run(spansets: list[Spanset]) -> list[Spanset]:
        kept = []
        for spanset in deadline.watch(spansets):
            spans = [view for view in deadline.watch(spanset.spans, CHEAP) if condition(view) == TRUE]
            if spans:
                kept.append(replace(spanset, spans=spans))
        return kept

    return run


def _group(stage: Group, deadline: Deadline) -> Staged:
    expression, name = field_of(stage.expression, deadline), str(stage)

    def run(spansets: list[Spanset]) -> list[Spanset]:
        grouped = []
        for spanset in deadline.watch(spansets):
            groups: dict[Static, list[SpanView]] = {}
            for view in deadline.watch(spanset.spans, CHEAP):
                groups.setdefault(expression(view), []).append(view)
            grouped += [
                Spanset(spans, (*spanset.attributes, (name, value)), spanset.scalar) for value, spans in groups.items()
            ]
        return grouped

    return run


def _coalesce(spansets: list[Spanset]) -> list[Spanset]:
    return [Spanset([view for spanset in spansets for view in spanset.spans])]


def _sum(found: list[Static]) -> Static:
    kind, total = found[0]
    if kind in values.NUMERIC:
        for other, number in found[1:]:
            if other == kind:
                total = total + number if kind == values.FLOAT else wrapped(total + number)
    return kind, total


def _average(found: list[Static]) -> Static:
    kind, total = _sum(found)
    if kind == values.DURATION:
        size = abs(total) // len(found)
        return kind, size if total >= 0 else -size
    if kind in values.NUMERIC:
        # The real server reads an integer's sum as one without a sign.
        return values.FLOAT, (total % 2**64 if kind == values.INTEGER else total) / len(found)
    return kind, total


def _largest(found: list[Static]) -> Static:
    best = found[0]
    for value in found[1:]:
        if values.order(value, best) > 0:
            best = value
    return best


def _smallest(found: list[Static]) -> Static:
    best = found[0]
    for value in found[1:]:
        if values.order(value, best) < 0:
            best = value
    return best


AGGREGATES: dict[str, Callable[[list[Static]], Static]] = {
    "sum": _sum,
    "avg": _average,
    "max": _largest,
    "min": _smallest,
}


def _aggregate(stage: Aggregate, deadline: Deadline) -> Staged:
    name = str(stage)
    expression = field_of(stage.expression, deadline) if stage.expression is not None else None

    def run(spansets: list[Spanset]) -> list[Spanset]:
        done = []
        for spanset in deadline.watch(spansets):
            if expression is None:
                scalar: Static = (values.INTEGER, len(spanset.spans))
            else:
                views = deadline.watch(spanset.spans, CHEAP)
                found = [value for value in map(expression, views) if value[0] != values.NIL]
                if not found:
                    continue
                scalar = AGGREGATES[stage.name](found)
            done.append(Spanset(spanset.spans, (*spanset.attributes, (name, scalar)), scalar))
        return done

    return run


def _compare(operator: str, left: Static, right: Static) -> bool:
    """Compare what an aggregate gave with a number."""
    if not values.matching(left[0], right[0]):
        return False
    if operator == operators.EQUAL:
        return values.equal(left, right)
    if operator == operators.NOT_EQUAL:
        return not values.equal(left, right)
    return ORDER[operator](values.as_float(left), values.as_float(right))


def _scalar_filter(stage: ScalarFilter, deadline: Deadline) -> Staged:
    assert isinstance(stage.left, Aggregate) and isinstance(stage.right, Constant)  # noqa: S101, PT018  # it was validated
    aggregate, operator, operand = _aggregate(stage.left, deadline), stage.operator, stage.right.value
    return lambda spansets: [spanset for spanset in aggregate(spansets) if _compare(operator, spanset.scalar, operand)]


def _united(left: list[Spanset], right: list[Spanset]) -> list[SpanView]:
    """Unite the spans of both sides, each once, those of the smaller side first."""
    sides = sorted(([view for spanset in side for view in spanset.spans] for side in (right, left)), key=len)
    return list({id(view): view for side in sides for view in side}.values())


def _operation(stage: SpansetOperation, deadline: Deadline) -> Staged:
    left_side, right_side = stage_of(stage.left, deadline), stage_of(stage.right, deadline)
    operator = stage.operator

    def spans(left: list[Spanset], right: list[Spanset]) -> list[SpanView]:
        if operator == operators.AND:
            return _united(left, right) if left and right else []
        if operator == operators.OR:
            return _united(left, right)
        if not right:
            return []
        if len(left) > 1 or len(right) > 1:
            raise EvaluationError(MULTIPLE)
        return related(operator, left[0].spans if left else [], right[0].spans, deadline)

    def run(spansets: list[Spanset]) -> list[Spanset]:
        done = []
        for spanset in deadline.watch(spansets):
            found = spans(left_side([spanset]), right_side([spanset]))
            if found:
                done.append(replace(spanset, spans=found))
        return done

    return run


def stage_of(stage: Stage, deadline: Deadline) -> Staged:
    """Make a stage a function of spansets, which gives up at the deadline."""
    if isinstance(stage, Pipeline):
        stages = [stage_of(inner, deadline) for inner in stage.stages]

        def run(spansets: list[Spanset]) -> list[Spanset]:
            for inner in stages:
                if not spansets:
                    break
                spansets = inner(spansets)
            return spansets

        return run
    if isinstance(stage, Filter):
        return _filter(stage, deadline)
    if isinstance(stage, SpansetOperation):
        return _operation(stage, deadline)
    if isinstance(stage, ScalarFilter):
        return _scalar_filter(stage, deadline)
    if isinstance(stage, Aggregate):
        return _aggregate(stage, deadline)
    if isinstance(stage, Group):
        return _group(stage, deadline)
    return _coalesce if isinstance(stage, Coalesce) else lambda spansets: spansets
