"""The syntax tree of a query; each node prints as the real server prints it in messages and in names of results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from spanprofiles.embedded.traceql import operators, values
from spanprofiles.embedded.traceql.values import Static, text_of

NOT_IN_NAMES = frozenset("{}()=~!<>&|^,")
# Where an attribute is looked for. ANY is the span, then its resource; INTRINSIC is what a span has besides attributes.
ANY, RESOURCE, SPAN, EVENT, LINK, INSTRUMENTATION = "", "resource", "span", "event", "link", "instrumentation"

INTRINSIC_TYPES = {
    "duration": values.DURATION,
    "name": values.STRING,
    "status": values.STATUS,
    "statusMessage": values.STRING,
    "kind": values.KIND,
    "span:childCount": values.INTEGER,
    "rootServiceName": values.STRING,
    "rootName": values.STRING,
    "traceDuration": values.DURATION,
    "nestedSetLeft": values.INTEGER,
    "nestedSetRight": values.INTEGER,
    "nestedSetParent": values.INTEGER,
    "event:name": values.STRING,
    "event:timeSinceStart": values.DURATION,
    "link:spanID": values.STRING,
    "link:traceID": values.STRING,
    "instrumentation:name": values.ATTRIBUTE,
    "instrumentation:version": values.ATTRIBUTE,
    "trace:id": values.STRING,
    "span:id": values.STRING,
    "span:parentID": values.STRING,
    "parent": values.NIL,
}
"""Every intrinsic by its canonical name, with the type of its values."""

SCOPED_INTRINSICS = {
    "trace:duration": "traceDuration",
    "trace:rootName": "rootName",
    "trace:rootService": "rootServiceName",
    "trace:id": "trace:id",
    "span:duration": "duration",
    "span:name": "name",
    "span:kind": "kind",
    "span:status": "status",
    "span:statusMessage": "statusMessage",
    "span:id": "span:id",
    "span:parentID": "span:parentID",
    "span:childCount": "span:childCount",
    "event:name": "event:name",
    "event:timeSinceStart": "event:timeSinceStart",
    "link:traceID": "link:traceID",
    "link:spanID": "link:spanID",
    "instrumentation:name": "instrumentation:name",
    "instrumentation:version": "instrumentation:version",
}
"""Intrinsics as they are written with a scope, and their canonical names."""


def _wrapped(node: Field | Scalar | Stage) -> str:
    return str(node) if isinstance(node, (Constant, Attribute)) else f"({node})"


@dataclass(frozen=True)
class Constant:
    """A value written in the query."""

    value: Static

    def __str__(self) -> str:
        return text_of(self.value, quoted=True)

    @property
    def implied_type(self) -> int:
        """The type of its value."""
        return self.value[0]


@dataclass(frozen=True)
class Attribute:
    """An attribute of a span, its resource, scope, events or links; or an intrinsic."""

    name: str
    scope: str = ANY
    intrinsic: bool = False
    parent: bool = False

    def __str__(self) -> str:
        prefix = "".join(f"{scope}." for scope in ("parent" if self.parent else "", self.scope) if scope)
        if not prefix and not self.intrinsic and self.name:
            prefix = "."
        quoted = any(character in NOT_IN_NAMES or character.isspace() for character in self.name)
        return prefix + (f'"{self.name}"' if quoted else self.name)

    def __hash__(self) -> int:
        # Few attributes share a name, and the hash of a text is remembered.
        return hash(self.name)

    @property
    def implied_type(self) -> int:
        """An intrinsic's type; for an attribute it is known only on a span."""
        return INTRINSIC_TYPES[self.name] if self.intrinsic else values.ATTRIBUTE


@dataclass(frozen=True)
class Binary:
    """Two expressions and an operator between them."""

    operator: str
    left: Field
    right: Field

    def __str__(self) -> str:
        return f"{_wrapped(self.left)} {self.operator} {_wrapped(self.right)}"

    @property
    def implied_type(self) -> int:
        """Boolean for comparisons, else that of the operands."""
        if self.operator in operators.BOOLEAN_RESULT:
            return values.BOOLEAN
        left = self.left.implied_type
        return left if left != values.ATTRIBUTE else self.right.implied_type


@dataclass(frozen=True)
class Unary:
    """An operator before an expression; ``!= nil`` and ``= nil`` are EXISTS and EXISTS_NOT."""

    operator: str
    operand: Field

    def __str__(self) -> str:
        inner = _wrapped(self.operand)
        if self.operator == operators.EXISTS:
            return f"{inner} != nil"
        return f"{inner} = nil" if self.operator == operators.EXISTS_NOT else f"{self.operator}{inner}"

    @property
    def implied_type(self) -> int:
        """Boolean for questions of existence, else that of the operand."""
        return (
            values.BOOLEAN if self.operator in {operators.EXISTS, operators.EXISTS_NOT} else self.operand.implied_type
        )


Field: TypeAlias = Constant | Attribute | Binary | Unary
"""An expression that has a value on each span."""


def references_span(field: Field) -> bool:
    """Whether an expression's value depends on the span."""
    return any(isinstance(node, Attribute) for node in walk(field))


def walk(field: Field) -> Iterator[Field]:
    """Walk through an expression and everything inside it."""
    waiting: list[Field] = [field]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Binary):
            waiting += (node.right, node.left)
        elif isinstance(node, Unary):
            waiting.append(node.operand)


@dataclass(frozen=True)
class Filter:
    """``{ expression }``: the spans on which it is true."""

    expression: Field

    def __str__(self) -> str:
        return f"{{ {self.expression} }}"


@dataclass(frozen=True)
class SpansetOperation:
    """``{ } && { }``, ``{ } >> { }`` and their like."""

    operator: str
    left: Stage
    right: Stage

    def __str__(self) -> str:
        return f"{_wrapped(self.left)} {self.operator} {_wrapped(self.right)}"


@dataclass(frozen=True)
class Aggregate:
    """``count()``, ``avg(duration)`` and their like: one value of a spanset."""

    name: str
    expression: Field | None

    def __str__(self) -> str:
        return f"{self.name}({'' if self.expression is None else self.expression})"

    @property
    def implied_type(self) -> int:
        """An integer for a count, else the expression's type."""
        return values.INTEGER if self.expression is None else self.expression.implied_type


@dataclass(frozen=True)
class ScalarOperation:
    """Arithmetic between aggregates and numbers."""

    operator: str
    left: Scalar
    right: Scalar

    @property
    def implied_type(self) -> int:
        """The type of the operands."""
        left = self.left.implied_type
        return left if left != values.ATTRIBUTE else self.right.implied_type


@dataclass(frozen=True)
class ScalarFilter:
    """``count() > 2``: the spansets for which it is true."""

    operator: str
    left: Scalar
    right: Scalar

    def __str__(self) -> str:
        return f"{_wrapped(self.left)} {self.operator} {_wrapped(self.right)}"


@dataclass(frozen=True)
class Group:
    """``by(expression)``: a spanset for each of its values."""

    expression: Field

    def __str__(self) -> str:
        return f"by({self.expression})"


@dataclass(frozen=True)
class Coalesce:
    """``coalesce()``: the spansets of a trace become one."""

    def __str__(self) -> str:
        return "coalesce()"


@dataclass(frozen=True)
class Select:
    """``select(attributes)``: attributes to give with the spans."""

    attributes: tuple[Attribute, ...]

    def __str__(self) -> str:
        return f"select({', '.join(map(str, self.attributes))})"


@dataclass(frozen=True)
class Measure:
    """``rate()``, ``quantile_over_time(duration, .9)`` and their like: a number over time for each group of spans.

    Attributes:
        name: the function's name.
        attribute: whose values are taken; None where spans are counted.
        by: attributes whose values tell the groups apart.
        quantiles: those that are asked for, 0 to 1.
    """

    name: str
    attribute: Attribute | None = None
    by: tuple[Attribute, ...] = ()
    quantiles: tuple[float, ...] = ()

    def __str__(self) -> str:
        arguments = [] if self.attribute is None else [str(self.attribute)]
        arguments += [f"{quantile:.5f}" for quantile in self.quantiles]
        grouping = f"by({','.join(map(str, self.by))})" if self.by else ""
        return f"{self.name}({','.join(arguments)}){grouping}"


@dataclass(frozen=True)
class Comparison:
    """``compare({ ... })``: how often each value of each attribute is on the selected spans, and on the others.

    Attributes:
        selection: the spans to set apart.
        top: how many values of each attribute are given.
        start_ns: only spans that start after this time are selected, ns since the epoch; 0 for no such bound.
        end_ns: only spans that start at or before this time are selected, ns since the epoch; 0 for no such bound.
    """

    selection: Filter
    top: int = 10
    start_ns: int = 0
    end_ns: int = 0

    def __str__(self) -> str:
        return f"compare({self.selection})"


@dataclass(frozen=True)
class Ranking:
    """``topk(5)`` or ``bottomk(5)``: at each step the series with the largest or smallest values."""

    name: str
    limit: int

    def __str__(self) -> str:
        return f"{self.name}({self.limit})"


@dataclass(frozen=True)
class Threshold:
    """``> 0.5``: the values that compare so."""

    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.operator} {self.bound:g}"


@dataclass(frozen=True)
class Metrics:
    """What a query makes of the spans it found, at its end; a search does without it.

    Attributes:
        first: the function over spans.
        second: what is done with its series, in order.
        hints: what ``with (...)`` says, by name.
    """

    first: Measure | Comparison
    second: tuple[Ranking | Threshold, ...] = ()
    hints: tuple[tuple[str, Static], ...] = ()

    def __str__(self) -> str:
        stages = (f" | {stage}" if isinstance(stage, Ranking) else f" {stage}" for stage in self.second)
        return f"{self.first}{''.join(stages)}"


@dataclass(frozen=True)
class Pipeline:
    """Stages, each of which takes the spansets of the one before; an aggregate at the end makes it a number."""

    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        return "|".join(map(str, self.stages))

    @property
    def implied_type(self) -> int:
        """The aggregate's type at its end, else that of spansets."""
        last = self.stages[-1] if self.stages else None
        return last.implied_type if isinstance(last, Aggregate) else values.SPANSET


Scalar: TypeAlias = Constant | Aggregate | ScalarOperation | Pipeline
"""What has one value for each spanset."""
Stage: TypeAlias = Filter | SpansetOperation | Aggregate | ScalarFilter | Group | Coalesce | Select | Metrics | Pipeline
"""What takes spansets and gives spansets."""
