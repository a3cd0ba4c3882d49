"""What a metrics query fetches of spans: how they are found, what is read of them, and what is not checked again.

Source: the behaviour of Tempo 3.0.3. Where the conditions alone seem to say which spans are meant, it does not evaluate
the query on them; and so takes ``{ duration * 2 > 1s }`` for every span that has a duration.
"""

from __future__ import annotations

from dataclasses import dataclass

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.trace_filters import EVERY_TRACE, TraceFilter
from spanprofiles.embedded.traceql import syntax, values
from spanprofiles.embedded.traceql.conditions import START, Condition, conditions_of
from spanprofiles.embedded.traceql.syntax import (
    Attribute,
    Comparison,
    Constant,
    Filter,
    Metrics,
    Pipeline,
    Stage,
)
from spanprofiles.embedded.traceql.trace_filter import trace_filter

TRACE_ID = Attribute("trace:id", intrinsic=True)
SERVICE_NAME = Attribute("service.name", syntax.RESOURCE)


@dataclass(frozen=True)
class Plan:
    """How the spans of a metrics query are found.

    Attributes:
        pipeline: what is evaluated on them; None where their conditions suffice.
        first: the conditions by which they are fetched.
        every: whether a span has to meet all of them.
        second: what is read of those that remain.
        everything: whether all their attributes are read.
        traces: which traces may have some.
    """

    pipeline: Pipeline | None
    first: tuple[Condition, ...]
    every: bool
    second: tuple[Condition, ...]
    everything: bool
    traces: TraceFilter


def plan_of(pipeline: Pipeline, metrics: Metrics, deadline: Deadline, *, exemplars: bool) -> Plan:
    """Plan a query.

    Args:
        pipeline: what finds spans.
        metrics: what is made of them.
        deadline: of the query.
        exemplars: whether some of the spans are shown.
    """
    found = conditions_of(Pipeline((*pipeline.stages, metrics)))
    first, second = found.first, found.second
    everything = isinstance(metrics.first, Comparison)
    wanted = [START, *([TRACE_ID] if exemplars else [])]
    for attribute in wanted:
        given = first if attribute == START or found.every else [each for each in first if not each.operator]
        if not any(condition.attribute == attribute for condition in (*given, *second)):
            second.append(Condition(attribute))
    traces = trace_filter(pipeline, deadline)
    if everything or not found.every or not _suffices(first, second):
        return Plan(pipeline, tuple(first), found.every, tuple(second), everything, traces)
    if any(_never(stage) for stage in pipeline.stages):
        traces = EVERY_TRACE
    return Plan(None, (*first, *second), True, (), everything, traces)


def finds_nothing(pipeline: Pipeline) -> bool:
    """Whether a query says that no span is meant, as ``{ false }`` does; its answer has no series at all."""
    return all(_is_false(stage) for stage in pipeline.stages)


def _is_false(stage: Stage) -> bool:
    if isinstance(stage, syntax.SpansetOperation):
        return all(isinstance(side, Filter) and _is_false(side) for side in (stage.left, stage.right))
    return isinstance(stage, Filter) and stage.expression == Constant(values.FALSE)


def _never(stage: Stage) -> bool:
    """Whether a constant in a condition excludes every span, where it is evaluated."""
    return isinstance(stage, Filter) and any(
        isinstance(node, Constant) and node.value[0] == values.BOOLEAN for node in syntax.walk(stage.expression)
    )


def _suffices(first: list[Condition], second: list[Condition]) -> bool:
    """Whether the conditions, all of which hold, need no evaluation; those of the second reading join the first."""
    attributes = [condition.attribute for condition in first]
    if any(not attribute.intrinsic and not attribute.scope for attribute in attributes):
        return False
    if len(set(attributes)) < len(attributes) or not _always_there(second):
        return False
    return len(first) + len(second) == 1 or _always_there(first)


def _always_there(conditions: list[Condition]) -> bool:
    return all(condition.attribute.intrinsic or condition.attribute == SERVICE_NAME for condition in conditions)
