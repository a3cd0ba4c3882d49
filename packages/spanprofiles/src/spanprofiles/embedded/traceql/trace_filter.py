"""From a query to a filter over traces, which passes a superset of the traces that answer it.

A query's comparisons become questions to the index of attributes by trace; ``&&`` and ``||`` become AND and OR. What
the index cannot answer (negations, durations of single spans, arithmetic) is left out, since every trace that passes is
evaluated afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

from spanprofiles.embedded import indexed_attributes as index
from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.trace_filters import (
    EVERY_TRACE,
    NO_TRACE,
    Comparison,
    HasAttribute,
    HasSpanId,
    HasTraceId,
    LastsLonger,
    TraceFilter,
    all_of,
    any_of,
)
from spanprofiles.embedded.traceql import operators, syntax, values
from spanprofiles.embedded.traceql.conditions import Condition, conditions_of
from spanprofiles.embedded.traceql.fetcher import BLANK_EVENT, BLANK_LINK, RESOURCE_COLUMNS, SPAN_COLUMNS
from spanprofiles.embedded.traceql.predicates import test_of
from spanprofiles.embedded.traceql.syntax import (
    Attribute,
    Binary,
    Constant,
    Field,
    Filter,
    Pipeline,
    SpansetOperation,
    Stage,
    Unary,
)

SCOPES = {
    syntax.RESOURCE: (index.RESOURCE,),
    syntax.SPAN: (index.SPAN,),
    syntax.EVENT: (index.EVENT,),
    syntax.LINK: (index.LINK,),
    syntax.INSTRUMENTATION: (index.INSTRUMENTATION,),
    syntax.ANY: (index.SPAN, index.RESOURCE),
}
TYPES = {
    values.STRING: index.STRING,
    values.INTEGER: index.INTEGER,
    values.FLOAT: index.FLOAT,
    values.BOOLEAN: index.BOOLEAN,
    values.STATUS: index.INTEGER,
}
INDEXED = frozenset({"name", "status", "event:name", "instrumentation:name", "instrumentation:version"})
EMPTY_WHERE_ABSENT = frozenset({"statusMessage", "rootName", "rootServiceName"})
COMPARISONS: dict[str, Comparison] = {
    operators.GREATER: ">",
    operators.GREATER_EQUAL: ">=",
    operators.LESS: "<",
    operators.LESS_EQUAL: "<=",
}
SHOWN_WHERE_ABSENT = frozenset({*SPAN_COLUMNS, *RESOURCE_COLUMNS, *BLANK_EVENT, *BLANK_LINK})
LONGER = frozenset({operators.GREATER, operators.GREATER_EQUAL})
TRACE_ID_DIGITS, SPAN_ID_DIGITS = 32, 16


def trace_filter(pipeline: Pipeline, deadline: Deadline) -> TraceFilter:
    """Make the filter of a query, whose tests look at the deadline."""
    conditions = conditions_of(pipeline).first
    kinds = {_numeric_kind(condition) for condition in conditions if not condition.attribute.intrinsic}
    is_mixed = values.NIL in kinds or {values.INTEGER, values.FLOAT} <= kinds
    return _Filters(_shown_where_absent(conditions), deadline, is_mixed=is_mixed).stage(pipeline)


def _numeric_kind(condition: Condition) -> int | None:
    """Return the type of the numbers that a condition lets through, NIL for any; None where it lets no number through.

    It lets them through for the other attributes of the query, too (see ``levels``).
    """
    if condition.operand is None:
        return values.NIL
    kind = values.ELEMENT_OF.get(condition.operand[0], condition.operand[0])
    return kind if kind in values.NUMERIC else None


def _shown_where_absent(conditions: Iterable[Condition]) -> frozenset[str]:
    """Find the attributes that a query sees on spans without them: the index cannot speak for those."""
    return frozenset(
        condition.attribute.name
        for condition in conditions
        if condition.operator == operators.EXISTS_NOT
        or (not condition.operator and condition.attribute.name in SHOWN_WHERE_ABSENT)
    )


class _Filters:
    """Makes the filter of one query.

    Args:
        doubtful: attributes that the index cannot speak for.
        deadline: of the query.
        is_mixed: whether integers are compared with floats, since the query lets both through.
    """

    def __init__(self, doubtful: frozenset[str], deadline: Deadline, *, is_mixed: bool) -> None:
        self._deadline = deadline
        self._doubtful = doubtful
        self._is_mixed = is_mixed

    def stage(self, stage: Stage) -> TraceFilter:
        """Make the filter of a stage."""
        if isinstance(stage, Pipeline):
            return all_of([self.stage(inner) for inner in stage.stages])
        if isinstance(stage, Filter):
            return self._field(stage.expression)
        if isinstance(stage, SpansetOperation):
            left, right = self.stage(stage.left), self.stage(stage.right)
            if stage.operator == operators.OR:
                return any_of((left, right))
            return right if stage.operator.startswith("!") else all_of((left, right))
        return EVERY_TRACE

    def _field(self, expression: Field) -> TraceFilter:
        if isinstance(expression, Constant):
            return EVERY_TRACE if expression.value == values.TRUE else NO_TRACE
        if isinstance(expression, Unary):
            operand = expression.operand
            exists = expression.operator == operators.EXISTS and isinstance(operand, Attribute)
            return self._comparison(Condition(operand, operators.EXISTS)) if exists else EVERY_TRACE  # type: ignore[arg-type]  # an attribute, as was seen
        if not isinstance(expression, Binary):
            return EVERY_TRACE
        if expression.operator == operators.AND:
            return all_of((self._field(expression.left), self._field(expression.right)))
        if expression.operator == operators.OR:
            return any_of((self._field(expression.left), self._field(expression.right)))
        left, right, operator = expression.left, expression.right, expression.operator
        if isinstance(right, Attribute) and operator in operators.EQUALITY:
            left, right = right, left
        if isinstance(left, Attribute) and isinstance(right, Constant) and operator in operators.BOOLEAN_RESULT:
            return self._comparison(Condition(left, operator, right.value))
        return EVERY_TRACE

    def _comparison(self, condition: Condition) -> TraceFilter:
        attribute = condition.attribute
        if attribute.name in self._doubtful:
            return EVERY_TRACE
        if not attribute.intrinsic:
            scopes = SCOPES[attribute.scope]
            return _attribute(condition, attribute.name, scopes, self._deadline, loose=self._is_mixed)
        if attribute.name in {"trace:id", "span:id"} and condition.operator in {operators.EQUAL, operators.IN}:
            return _identifiers(condition)
        if attribute.name in INDEXED:
            return _attribute(condition, attribute.name, (index.INTRINSIC,), self._deadline)
        if attribute.name in EMPTY_WHERE_ABSENT:
            return _of_text(condition, attribute.name, (index.INTRINSIC,), self._deadline)
        if attribute.name in {"duration", "traceDuration"} and condition.operator in LONGER and condition.operand:
            return LastsLonger(COMPARISONS[condition.operator], condition.operand[1])
        return EVERY_TRACE


def _of_text(condition: Condition, key: str, scopes: tuple[int, ...], deadline: Deadline) -> TraceFilter:
    """Filter by a text that is empty where it is not in the index."""
    operand = condition.operand
    if (
        operand is None
        or values.ELEMENT_OF.get(operand[0], operand[0]) != values.STRING
        or test_of(condition, deadline)("")
    ):
        return EVERY_TRACE
    return _attribute(condition, key, scopes, deadline)


def _identifiers(condition: Condition) -> TraceFilter:
    assert condition.operand is not None  # noqa: S101  # equality has an operand
    kind, content = condition.operand
    texts = content if kind == values.STRING_ARRAY else (content,)
    of_trace = condition.attribute.name == "trace:id"
    digits = TRACE_ID_DIGITS if of_trace else SPAN_ID_DIGITS
    found = []
    for text in texts:
        try:
            found.append(bytes.fromhex(text.rjust(digits, "0")) if len(text) <= digits else b"")
        except ValueError:
            found.append(b"")
    return HasTraceId(tuple(found)) if of_trace else HasSpanId(tuple(found))


def _attribute(
    condition: Condition, key: str, scopes: tuple[int, ...], deadline: Deadline, *, loose: bool = False
) -> TraceFilter:
    if condition.operand is None:
        return HasAttribute(key, scopes)
    kind, content = condition.operand
    element = values.ELEMENT_OF.get(kind, kind)
    if element not in TYPES:
        return EVERY_TRACE if condition.attribute.intrinsic else NO_TRACE
    types = (index.INTEGER, index.FLOAT) if loose and element in values.NUMERIC else (TYPES[element],)
    if condition.operator in {operators.EQUAL, operators.IN}:
        members = tuple(content) if kind in values.ELEMENT_OF else (content,)
        return HasAttribute(key, scopes, types, members)
    if condition.operator in COMPARISONS and kind in values.NUMERIC:
        return HasAttribute(key, scopes, types, bound=(COMPARISONS[condition.operator], content))
    return HasAttribute(key, scopes, types, test=test_of(condition, deadline))
