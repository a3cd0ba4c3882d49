"""From the parser's tree of a whole query to its syntax tree: the pipeline, then what it says of metrics."""

from __future__ import annotations

from typing import Any

from spanprofiles.embedded.traceql import operators, syntax, values
from spanprofiles.embedded.traceql.builder import Builder, place_of, unexpected
from spanprofiles.embedded.traceql.syntax import Attribute, Comparison, Constant, Measure, Metrics, Pipeline, Stage
from spanprofiles.embedded.traceql.values import Static

SECOND_NS = 10**9


def query_of(tree: Any) -> Pipeline:  # lark trees, here and below
    """Build the tree of a whole query; what it says of metrics is its last stage.

    Raises:
        TraceQLError: something stands where it may not.
    """
    builder = Builder()
    hints = [child for child in tree.children if child.data == "hints"]
    metrics = next((child for child in tree.children if child.data == "metrics"), None)
    stages = [child for child in tree.children if child is not metrics and child.data != "hints"]
    pipeline = builder.root(stages, (stages[-1].meta.end_line, stages[-1].meta.end_column))
    if metrics is None:
        return pipeline
    if _is_of_pipelines(pipeline.stages[-1]) or (
        len(stages) == 1 and stages[0].data == "expression" and len(pipeline.stages) > 1
    ):
        raise unexpected("|", place_of(metrics.meta))
    return Pipeline((*pipeline.stages, _metrics(builder, metrics, _hints(builder, hints))))


def _is_of_pipelines(stage: Stage) -> bool:
    """Whether a stage is a pipeline in brackets, or joins such: it stands alone."""
    if isinstance(stage, (syntax.SpansetOperation, syntax.ScalarFilter)):
        return any(isinstance(side, Pipeline) for side in (stage.left, stage.right)) or any(
            isinstance(side, syntax.SpansetOperation) and _is_of_pipelines(side) for side in (stage.left, stage.right)
        )
    return isinstance(stage, Pipeline)


def _hints(builder: Builder, trees: list[Any]) -> tuple[tuple[str, Static], ...]:
    """Read the last list of hints, which counts."""
    found: list[tuple[str, Static]] = []
    for tree in trees:
        found = []
        for hint in tree.children:
            name, _, value = hint.children
            constant = builder.atom(value)
            assert isinstance(constant, Constant)  # noqa: S101  # the grammar takes nothing else
            found.append((str(name), constant.value))
    return tuple(found)


def _metrics(builder: Builder, tree: Any, hints: tuple[tuple[str, Static], ...]) -> Metrics:
    first, *others = tree.children
    function = _comparison(builder, first) if first.data == "comparison" else _measure(builder, first)
    second: list[syntax.Ranking | syntax.Threshold] = []
    for other in others:
        if other.data == "ranking":
            name, limit = other.children
            second.append(syntax.Ranking(str(name), builder.literal(limit)[1]))
        else:
            second.append(_threshold(builder, other))
    return Metrics(function, tuple(second), hints)


def _measure(builder: Builder, tree: Any) -> Measure:
    name, *parts = tree.children
    attribute: Attribute | None = None
    quantiles: list[float] = []
    by: tuple[Attribute, ...] = ()
    for part in parts:
        if part.data == "by":
            by = tuple(builder.attribute(child) for child in part.children)
        elif part.data == "quantile":
            quantiles.append(float(builder.literal(part.children[0])[1]))
        else:
            attribute = builder.attribute(part)
    return Measure(str(name), attribute, by, tuple(quantiles))


def _comparison(builder: Builder, tree: Any) -> Comparison:
    selection, *numbers = tree.children
    return Comparison(builder.filter(selection), *(builder.literal(number)[1] for number in numbers))


def _threshold(builder: Builder, tree: Any) -> syntax.Threshold:
    operator, number = tree.children
    token = operator.children[0]
    if str(token) not in operators.SCALAR_COMPARISON:
        raise unexpected(str(token), place_of(token))
    kind, bound = builder.number(number).value
    return syntax.Threshold(str(token), bound / SECOND_NS if kind == values.DURATION else float(bound))
