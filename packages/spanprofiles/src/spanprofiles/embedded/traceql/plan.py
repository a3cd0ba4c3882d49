"""The compiler from a query to the store: SQL for the traces that may answer it, a superset of those that do.

A query's comparisons become questions to the index of attributes by trace; `&&` and `||` become AND and OR. What the
index cannot answer (negations, durations of single spans, arithmetic) is left out, since every candidate is evaluated
afterwards. A comparison that few traces meet is looked up; one that many meet is only checked, trace by trace, so that
the newest are found without reading all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.store import attributes as index
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.traceql import operators, syntax, values
from spanprofiles.embedded.traceql.conditions import Condition, conditions_of
from spanprofiles.embedded.traceql.fetcher import RESOURCE_COLUMNS, SPAN_COLUMNS
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

FEW_TRACES = 4_000
FEW_VALUES = 64
DEPTH_LIMIT = 20
"""How many brackets in each other are asked of SQLite, whose parser takes some 40."""
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
SQL_ORDER = frozenset({operators.GREATER, operators.GREATER_EQUAL, operators.LESS, operators.LESS_EQUAL})


@dataclass(frozen=True)
class Question:
    """A question to the index: SQL after `FROM attributes WHERE`, and a test of the values where SQL has none."""

    where: str
    arguments: tuple[Any, ...]
    test: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Direct:
    """A condition on the table of traces itself."""

    where: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class All:
    """Nothing can be said: every trace is a candidate."""


@dataclass(frozen=True)
class Combined:
    """Several plans, all of which (AND) or one of which (OR) must hold."""

    operator: str
    parts: tuple[Plan, ...]


Plan: TypeAlias = "Question | Direct | All | Combined"
ALL = All()
AND, OR = "AND", "OR"
NO_TRACES = Direct("0", ())


def _flat(operator: str, parts: Sequence[Plan]) -> tuple[Plan, ...]:
    """The parts, with those of parts joined by the same operator in their place: SQLite takes no deep nesting."""
    flat: list[Plan] = []
    for part in parts:
        flat += part.parts if isinstance(part, Combined) and part.operator == operator else (part,)
    return tuple(flat)


def _both(parts: Sequence[Plan]) -> Plan:
    useful = _flat(AND, [part for part in parts if not isinstance(part, All)])
    if not useful:
        return ALL
    return useful[0] if len(useful) == 1 else Combined(AND, useful)


def _either(parts: Sequence[Plan]) -> Plan:
    return ALL if any(isinstance(part, All) for part in parts) else Combined(OR, _flat(OR, parts))


def plan_of(pipeline: Pipeline, deadline: Deadline) -> Plan:
    """What the store can be asked for a query, whose tests look at the deadline."""
    conditions = conditions_of(pipeline).first
    taken = frozenset(condition.attribute.name for condition in conditions if not condition.operator)
    return _Planner(_shown_where_absent(pipeline), taken, deadline).stage(pipeline)


def _shown_where_absent(pipeline: Pipeline) -> frozenset[str]:
    """The attributes that a query sees on spans without them, as the text `nil`: the index cannot speak for those."""
    return frozenset(
        condition.attribute.name
        for condition in conditions_of(pipeline).first
        if condition.operator == operators.EXISTS_NOT
        or (not condition.operator and condition.attribute.name in SPAN_COLUMNS | RESOURCE_COLUMNS)
    )


class _Planner:
    """Makes the plan of one query.

    Args:
        doubtful: attributes that the index cannot speak for.
        taken: attributes that the query also takes as they are, whose numbers then compare whatever their type.
        deadline: of the query.
    """

    def __init__(self, doubtful: frozenset[str], taken: frozenset[str], deadline: Deadline) -> None:
        self._deadline = deadline
        self._doubtful = doubtful
        self._taken = taken

    def stage(self, stage: Stage) -> Plan:
        """The plan of a stage."""
        if isinstance(stage, Pipeline):
            return _both([self.stage(inner) for inner in stage.stages])
        if isinstance(stage, Filter):
            return self._field(stage.expression)
        if isinstance(stage, SpansetOperation):
            left, right = self.stage(stage.left), self.stage(stage.right)
            if stage.operator == operators.OR:
                return _either((left, right))
            return right if stage.operator.startswith("!") else _both((left, right))
        return ALL

    def _field(self, expression: Field) -> Plan:
        if isinstance(expression, Constant):
            return ALL if expression.value == values.TRUE else NO_TRACES
        if isinstance(expression, Unary):
            operand = expression.operand
            exists = expression.operator == operators.EXISTS and isinstance(operand, Attribute)
            return self._comparison(Condition(operand, operators.EXISTS)) if exists else ALL  # type: ignore[arg-type]  # an attribute, as was seen
        if not isinstance(expression, Binary):
            return ALL
        if expression.operator == operators.AND:
            return _both((self._field(expression.left), self._field(expression.right)))
        if expression.operator == operators.OR:
            return _either((self._field(expression.left), self._field(expression.right)))
        left, right, operator = expression.left, expression.right, expression.operator
        if isinstance(right, Attribute) and operator in operators.EQUALITY:
            left, right = right, left
        if isinstance(left, Attribute) and isinstance(right, Constant) and operator in operators.BOOLEAN_RESULT:
            return self._comparison(Condition(left, operator, right.value))
        return ALL

    def _comparison(self, condition: Condition) -> Plan:
        attribute = condition.attribute
        if attribute.name in self._doubtful:
            return ALL
        if not attribute.intrinsic:
            loose = attribute.name in self._taken
            return _question(condition, attribute.name, SCOPES[attribute.scope], self._deadline, loose=loose)
        if attribute.name in {"trace:id", "span:id"} and condition.operator in {operators.EQUAL, operators.IN}:
            return _identifiers(condition)
        if attribute.name in INDEXED:
            return _question(condition, attribute.name, (index.INTRINSIC,), self._deadline)
        if attribute.name in EMPTY_WHERE_ABSENT:
            return _of_text(condition, attribute.name, (index.INTRINSIC,), self._deadline)
        longer = condition.operator in {operators.GREATER, operators.GREATER_EQUAL}
        if attribute.name in {"duration", "traceDuration"} and longer and condition.operand is not None:
            return Direct(f"t.end_ns - t.start_ns {condition.operator} ?", (condition.operand[1],))
        return ALL


def _of_text(condition: Condition, key: str, scopes: tuple[int, ...], deadline: Deadline) -> Plan:
    """A question about a text that is empty where it is not in the index."""
    operand = condition.operand
    if (
        operand is None
        or values.ELEMENT_OF.get(operand[0], operand[0]) != values.STRING
        or test_of(condition, deadline)("")
    ):
        return ALL
    return _question(condition, key, scopes, deadline)


def _identifiers(condition: Condition) -> Plan:
    assert condition.operand is not None  # noqa: S101  # equality has an operand
    kind, content = condition.operand
    texts = content if kind == values.STRING_ARRAY else (content,)
    if any(not isinstance(text, str) for text in texts):
        return ALL
    of_trace = condition.attribute.name == "trace:id"
    digits = 32 if of_trace else 16
    found = []
    for text in texts:
        try:
            found.append(bytes.fromhex(text.rjust(digits, "0")) if len(text) <= digits else b"")
        except ValueError:
            found.append(b"")
    marks = ", ".join("?" * len(found))
    where = f"t.trace_id IN ({marks})" if of_trace else f"t.id IN (SELECT trace FROM spans WHERE span_id IN ({marks}))"  # noqa: S608  # marks alone
    return Direct(where, tuple(found))


def _question(
    condition: Condition, key: str, scopes: tuple[int, ...], deadline: Deadline, *, loose: bool = False
) -> Plan:
    where = f"key = ? AND scope IN ({', '.join(map(str, scopes))})"
    if condition.operand is None:
        return Question(where, (key,))
    kind, content = condition.operand
    element = values.ELEMENT_OF.get(kind, kind)
    if element not in TYPES:
        return ALL if condition.attribute.intrinsic else NO_TRACES
    if loose and element in values.NUMERIC:
        where += f" AND type IN ({index.INTEGER}, {index.FLOAT})"
    else:
        where += f" AND type = {TYPES[element]}"
    members = content if kind in values.ELEMENT_OF else (content,)
    if condition.operator in {operators.EQUAL, operators.IN}:
        return Question(f"{where} AND value IN ({', '.join('?' * len(members))})", (key, *members))
    if condition.operator in SQL_ORDER and kind in values.NUMERIC:
        return Question(f"{where} AND value {condition.operator} ?", (key, content))
    return Question(where, (key,), test_of(condition, deadline))


class Compiler:
    """Turns plans into SQL, asking the store how many traces each part would give."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection
        self.arguments: list[Any] = []

    def condition(self, plan: Plan, depth: int = 0) -> str | None:
        """SQL over `traces t` for a plan, its arguments added to `arguments`; None where all have to be looked at."""
        self._connection.deadline.check()
        if isinstance(plan, All):
            return None
        if isinstance(plan, Direct):
            self.arguments += plan.arguments
            return plan.where
        if isinstance(plan, Question):
            return self._question(plan)
        if depth > DEPTH_LIMIT:
            return None
        before = len(self.arguments)
        parts = []
        for part in plan.parts:
            sql = self.condition(part, depth + 1)
            if sql is not None:
                parts.append(f"({sql})")
            elif plan.operator == OR:
                del self.arguments[before:]
                return None
        return f" {plan.operator} ".join(parts) if parts else None

    def _question(self, question: Question) -> str | None:
        """A few values are named by number; many are left to the index where few traces have them."""
        numbers = self._numbers(question)
        if numbers is not None:
            if not numbers:
                return "0"
            listed = ", ".join(map(str, numbers))
            if self._is_few(f"SELECT 1 FROM trace_attributes WHERE attribute IN ({listed})", ()):  # noqa: S608  # numbers
                return f"t.id IN (SELECT trace FROM trace_attributes WHERE attribute IN ({listed}))"  # noqa: S608  # numbers
            return f"EXISTS (SELECT 1 FROM trace_attributes WHERE attribute IN ({listed}) AND trace = t.id)"  # noqa: S608  # numbers
        # Every value is in a trace at least: too many of them are too many traces, and are quicker counted.
        if question.test is not None or not self._is_few(
            f"SELECT 1 FROM attributes WHERE {question.where}",  # noqa: S608  # written above
            question.arguments,
        ):
            return None
        inner = (
            f"SELECT trace FROM trace_attributes WHERE attribute IN (SELECT id FROM attributes WHERE {question.where})"  # noqa: S608  # written above
        )
        if not self._is_few(inner, question.arguments):
            return None
        self.arguments += question.arguments
        return f"t.id IN ({inner})"

    def _numbers(self, question: Question) -> list[int] | None:
        """The numbers of the attributes asked for; None where they are many."""
        numbers: list[int] = []
        rows = self._connection.execute(
            f"SELECT id, value FROM attributes WHERE {question.where}",  # noqa: S608  # written above
            question.arguments,
        )
        for number, value in self._connection.deadline.watch(rows, PIECE):
            if question.test is None or question.test(value):
                numbers.append(number)
                if len(numbers) > FEW_VALUES:
                    return None
        return numbers

    def _is_few(self, select: str, arguments: tuple[Any, ...]) -> bool:
        counted = f"SELECT count(*) FROM ({select} LIMIT {FEW_TRACES + 1})"  # noqa: S608  # of this module
        count: int = self._connection.execute(counted, arguments).fetchone()[0]
        return count <= FEW_TRACES
