"""Checks of a tree before it runs, with the real server's messages."""

from __future__ import annotations

from spanprofiles.embedded.patterns import PatternError, compile_pattern
from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.errors import TraceQLError
from spanprofiles.embedded.traceql.syntax import (
    Aggregate,
    Attribute,
    Binary,
    Comparison,
    Constant,
    Field,
    Filter,
    Group,
    Measure,
    Metrics,
    Pipeline,
    Ranking,
    Scalar,
    ScalarFilter,
    ScalarOperation,
    Select,
    SpansetOperation,
    Stage,
    Unary,
    references_span,
)

GROUPINGS_LIMIT = 5
"""How many attributes a metrics function groups by, at most: the limit of the real server."""
ONE_LABEL_MORE = frozenset({"avg_over_time", "histogram_over_time", "quantile_over_time"})
"""Functions whose series have a label of their own, which counts as one of them."""


def check_stage(stage: Stage) -> None:
    """See that a stage, and everything in it, makes sense.

    Raises:
        TraceQLError: it does not.
    """
    if isinstance(stage, Pipeline):
        for inner in stage.stages:
            check_stage(inner)
    elif isinstance(stage, Filter):
        check_field(stage.expression)
        if stage.expression.implied_type not in {values.ATTRIBUTE, values.BOOLEAN}:
            raise TraceQLError(f"span filter field expressions must resolve to a boolean: {stage}")
    elif isinstance(stage, SpansetOperation):
        check_stage(stage.left)
        check_stage(stage.right)
    elif isinstance(stage, ScalarFilter):
        _check_scalar_filter(stage)
    elif isinstance(stage, Aggregate):
        _check_scalar(stage)
    elif isinstance(stage, Group):
        if not references_span(stage.expression):
            raise TraceQLError(f"grouping field expressions must reference the span: {stage}")
        check_field(stage.expression)
    elif isinstance(stage, Select):
        for attribute in stage.attributes:
            check_field(attribute)
    elif isinstance(stage, Metrics):
        _check_metrics(stage)


def _check_metrics(stage: Metrics) -> None:
    first = stage.first
    if isinstance(first, Measure):
        reserved = 1 if first.name in ONE_LABEL_MORE else 0
        if len(first.by) > GROUPINGS_LIMIT - reserved:
            raise TraceQLError(f"metrics group by {len(first.by)} values not yet supported")
        for quantile in first.quantiles:
            if not 0 <= quantile <= 1:
                raise TraceQLError(f"quantile must be between 0 and 1: {quantile:g}")
    else:
        _check_comparison(first)
    for stage_of_series in stage.second:
        if isinstance(stage_of_series, Ranking) and stage_of_series.limit <= 0:
            raise TraceQLError("limit must be greater than 0")
    if stage.second and isinstance(first, Comparison):
        raise TraceQLError("`compare()` cannot be used with second stage functions")


def _check_comparison(comparison: Comparison) -> None:
    check_stage(comparison.selection)
    if comparison.top <= 0:
        raise TraceQLError("compare() top number of values must be integer greater than 0")
    start_ns, end_ns = comparison.start_ns, comparison.end_ns
    if start_ns == end_ns == 0:
        return
    if start_ns <= 0 or end_ns <= 0:
        raise TraceQLError("compare() timestamps must be positive integer unix nanoseconds")
    if end_ns <= start_ns:
        raise TraceQLError("compare() end timestamp must be greater than start timestamp")


def _check_types(operator: str, left: int, right: int, shown: object) -> None:
    if not values.matching(left, right):
        raise TraceQLError(f"binary operations must operate on the same type: {shown}")
    if not (operators.valid_for(operator, left) and operators.valid_for(operator, right)):
        raise TraceQLError(f"illegal operation for the given types: {shown}")


def _check_scalar_filter(stage: ScalarFilter) -> None:
    _check_scalar(stage.left)
    _check_scalar(stage.right)
    _check_types(stage.operator, stage.left.implied_type, stage.right.implied_type, stage)
    if not isinstance(stage.left, Aggregate):
        raise TraceQLError("scalar filter lhs of type (%v) not yet supported")
    if not isinstance(stage.right, Constant):
        raise TraceQLError("scalar filter rhs of type (%v) not yet supported")


def _check_scalar(scalar: Scalar) -> None:
    if isinstance(scalar, Pipeline):
        check_stage(scalar)
    elif isinstance(scalar, ScalarOperation):
        _check_scalar(scalar.left)
        _check_scalar(scalar.right)
        _check_types(scalar.operator, scalar.left.implied_type, scalar.right.implied_type, scalar)
    elif isinstance(scalar, Aggregate) and scalar.expression is not None:
        check_field(scalar.expression)
        kind = scalar.expression.implied_type
        if kind != values.ATTRIBUTE and kind not in values.NUMERIC:
            raise TraceQLError(f"aggregate field expressions must resolve to a number type: {scalar}")
        if not references_span(scalar.expression):
            raise TraceQLError(f"aggregate field expressions must reference the span: {scalar}")


def check_field(field: Field) -> None:
    """See that an expression's operators fit their operands.

    Raises:
        TraceQLError: one does not.
    """
    if isinstance(field, Binary):
        check_field(field.left)
        check_field(field.right)
        _check_types(field.operator, field.left.implied_type, field.right.implied_type, field)
        if field.operator in operators.REGULAR:
            _check_patterns(field)
    elif isinstance(field, Unary):
        check_field(field.operand)
        _check_unary(field)
    elif isinstance(field, Attribute):
        if field.parent:
            raise TraceQLError("parent not yet supported")
        if field.intrinsic and field.name == "parent":
            raise TraceQLError("intrinsic (parent) not yet supported")


def _check_patterns(field: Binary) -> None:
    right = field.right
    if not isinstance(right, Constant) or right.value[0] not in {values.STRING, values.STRING_ARRAY}:
        raise TraceQLError(f"invalid type for =~ or !~: {right}")
    patterns = (right.value[1],) if right.value[0] == values.STRING else right.value[1]
    for pattern in patterns:
        try:
            compile_pattern(pattern)
        except PatternError as error:
            raise TraceQLError(f"invalid regex: {right}: {error}") from error


def _check_unary(field: Unary) -> None:
    operand = field.operand
    if field.operator == operators.EXISTS_NOT and isinstance(operand, Attribute):
        if operand.intrinsic:
            raise TraceQLError(f"{operand}=nil is not valid because intrinsics cannot be nil")
        if operand == Attribute("service.name", "resource"):
            raise TraceQLError(f"{operand}=nil is not valid because resource.service.name cannot be nil")
    kind = operand.implied_type
    if kind == values.ATTRIBUTE:
        return
    fits = {
        operators.SUBTRACT: kind in values.NUMERIC,
        operators.NOT: kind == values.BOOLEAN,
    }
    if not fits.get(field.operator, True):
        raise TraceQLError(f"illegal operation for the given type: {field}")
