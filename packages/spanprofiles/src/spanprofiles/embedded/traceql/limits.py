"""How large a query may be. What is within these limits is parsed, checked and planned in a fraction of a second."""

from __future__ import annotations

from typing import Any

from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.errors import TraceQLError
from spanprofiles.embedded.traceql.syntax import (
    Aggregate,
    Binary,
    Coalesce,
    Comparison,
    Constant,
    Filter,
    Group,
    Metrics,
    Pipeline,
    Ranking,
    ScalarFilter,
    ScalarOperation,
    Select,
    SpansetOperation,
    Threshold,
    Unary,
)

LENGTH_LIMIT = 128 * 1024
"""Characters of a query: the limit of the real server (``max_query_expression_size_bytes``)."""
TOKENS_LIMIT = 5_000
"""Names, values, operators and signs of a query."""
NESTING_LIMIT = 50
"""Brackets that are open at once."""
DEPTH_LIMIT = 150
"""How deep the tree of a query may be: the length of a chain of operators, too, is depth."""
STAGES_LIMIT = 100
"""Spansets in braces, groupings, aggregates, selections and whatever else takes and gives spansets."""
CONDITIONS_LIMIT = 500
"""Operators within spansets: comparisons, arithmetic, and what joins them."""
PATTERNS_LIMIT = 50
"""Regular expressions."""
STEPS_LIMIT = 10_000
"""Steps of a metrics query: the limit of the real server (``max_intervals``)."""
RANGE_LIMIT_H = 24
"""Hours that a metrics query may look at: the limit of the real server (``max_duration``)."""
EXEMPLARS_LIMIT = 100
"""Exemplars of a metrics query; more are not given: the limit of the real server (``max_exemplars``)."""
SERIES_LIMIT = 20_000
"""Series of a metrics query, at any stage; those of each quantile count."""
KEPT_POINTS_LIMIT = 500_000
"""Values that a metrics query keeps: for each of its series, and each step at which it has one."""
GIVEN_POINTS_LIMIT = 2_000_000
"""Values that a metrics query gives, or ranks: for each of its series, and each step."""
TOO_DEEP = "the query is nested too deeply or too long"
STAGES = (Filter, Group, Aggregate, Select, Coalesce, Metrics, Ranking, Threshold)


def check_size(pipeline: Pipeline) -> None:
    """See that a query is no larger than it may be; takes no recursion, so that it says so of any query.

    Raises:
        TraceQLError: it is larger.
    """
    stages = conditions = patterns = 0
    waiting: list[tuple[Any, int]] = [(pipeline, 1)]
    while waiting:
        node, depth = waiting.pop()
        stages += isinstance(node, STAGES)
        conditions += isinstance(node, (Binary, Unary))
        patterns += _patterns(node)
        for found, limit, what in (
            (stages, STAGES_LIMIT, "stages"),
            (conditions, CONDITIONS_LIMIT, "operators within spansets"),
            (patterns, PATTERNS_LIMIT, "regular expressions"),
        ):
            if found > limit:
                raise TraceQLError(f"the query has more than {limit} {what}: ask for less at once")
        if depth > DEPTH_LIMIT:
            raise TraceQLError(f"{TOO_DEEP}: at most {DEPTH_LIMIT} operators may be in each other or in a row")
        waiting += [(child, depth + 1) for child in _children(node)]


def _patterns(node: Any) -> int:  # a node of the tree
    if not isinstance(node, Binary) or node.operator not in operators.REGULAR:
        return 0
    right = node.right
    return len(right.value[1]) if isinstance(right, Constant) and right.value[0] == values.STRING_ARRAY else 1


def _children(node: Any) -> tuple[Any, ...]:  # nodes of the tree
    if isinstance(node, Pipeline):
        return node.stages
    if isinstance(node, (SpansetOperation, ScalarFilter, ScalarOperation, Binary)):
        return node.left, node.right
    if isinstance(node, Metrics):
        return (*node.second, *((node.first.selection,) if isinstance(node.first, Comparison) else ()))
    if isinstance(node, (Filter, Group)) or (isinstance(node, Aggregate) and node.expression is not None):
        return (node.expression,)
    return (node.operand,) if isinstance(node, Unary) else ()
