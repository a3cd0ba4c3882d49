"""From the parser's tree to the syntax tree."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from spanprofiles.embedded.string_literals import StringLiteralError, unquote
from spanprofiles.embedded.traceql import operators, syntax, values
from spanprofiles.embedded.traceql.constants import binary_field, unary_field
from spanprofiles.embedded.traceql.errors import TraceQLError, parse_error
from spanprofiles.embedded.traceql.precedence import Binder, Mark, Place
from spanprofiles.embedded.traceql.syntax import Attribute, Constant, Field, Pipeline, Scalar, Stage

Expression: TypeAlias = "Stage | Scalar"
LARGEST_INTEGER = 2**63 - 1
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
    "w": 7 * 24 * 3600 * 10**9,
    "y": 365 * 24 * 3600 * 10**9,
}
DURATION_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|[smhdwy])")
SCOPE = re.compile(r"(parent\.)?(resource\.|span\.|event\.|link\.|instrumentation\.|\.|)")
QUOTED_PART = re.compile(r'"((?:[^"\\]|\\.)*)"')
ONE_SPANSET = (syntax.Filter, syntax.SpansetOperation, syntax.Pipeline)
NUMBER = (Constant, syntax.Aggregate, syntax.ScalarOperation)


class Nil:
    """``nil``, which stands only beside ``=`` and ``!=``."""


NIL = Nil()


def place_of(token: Any) -> Place:  # a lark token or tree's meta
    """Return where something begins: line and column."""
    return token.line, token.column


def unexpected(shown: str, place: Place) -> TraceQLError:
    """Make the error of something that may not stand where it stands."""
    return parse_error(f"syntax error: unexpected {shown}", *place)


class Builder:
    """Makes the tree of one query."""

    def __init__(self) -> None:
        self._fields: Binder[Field | Nil] = Binder(self._binary, self._unary)
        self._expressions: Binder[Expression] = Binder(self._operation)

    def root(self, trees: list[Any], end: Place) -> Pipeline:  # lark trees, here and below
        """Build the tree of a whole query, without what it says of metrics.

        Args:
            trees: its stages.
            end: where they end.
        """
        pipeline = self._pipeline(trees)
        last = pipeline.stages[-1]
        if isinstance(last, syntax.Aggregate) or not pipeline.stages:
            raise unexpected("$end", end)
        if len(pipeline.stages) == 1 and isinstance(last, Pipeline):
            return last
        return pipeline

    def _pipeline(self, trees: list[Any]) -> Pipeline:
        stages: list[Stage] = []
        for child in trees:
            stage = self._stage(child)
            if isinstance(stage, (Constant, syntax.ScalarOperation)):
                raise unexpected(")" if len(trees) == 1 else "|", (child.meta.end_line, child.meta.end_column))
            if stages and isinstance(stages[-1], syntax.Aggregate):
                raise unexpected("|", place_of(child.meta))
            stages.append(stage)
        return Pipeline(tuple(stages))

    def _stage(self, tree: Any) -> Expression:
        kind = tree.data
        if kind == "group":
            return syntax.Group(self._field(tree.children[0]))
        if kind == "coalesce":
            return syntax.Coalesce()
        if kind == "select":
            return syntax.Select(tuple(self.attribute(child) for child in tree.children))
        return self._expression(tree)

    def _expression(self, tree: Any) -> Expression:
        items: list[Mark | Expression] = []
        for child in tree.children:
            if child.data == "operator":
                token = child.children[0]
                items.append(Mark(str(token), place_of(token)))
            else:
                items.append(self._unit(child))
        return self._expressions.bind(items)

    def _unit(self, tree: Any) -> Expression:
        kind = tree.data
        if kind == "filter":
            return self.filter(tree)
        if kind == "aggregate":
            name, *field = tree.children
            if (str(name) == "count") == bool(field):
                shown = ")" if not field else str(name)
                raise unexpected(shown, place_of(name))
            return syntax.Aggregate(str(name), self._field(field[0]) if field else None)
        if kind == "number":
            return self.number(tree)
        return self._wrapped(tree.children[0])

    def filter(self, tree: Any) -> syntax.Filter:
        """Build ``{ ... }``."""
        return syntax.Filter(self._field(tree.children[0]) if tree.children else Constant(values.TRUE))

    def number(self, tree: Any) -> Constant:
        """Build a number, which may have a sign."""
        *sign, token = tree.children
        kind, number = self.literal(token)
        return Constant((kind, -number if sign else number))

    def _wrapped(self, tree: Any) -> Expression:
        """Build what parentheses hold: one expression stays what it is, several stages are a pipeline."""
        if len(tree.children) == 1:
            inner = self._stage(tree.children[0])
            if isinstance(inner, (*ONE_SPANSET, *NUMBER, syntax.ScalarFilter)):
                return inner
        return self._pipeline(tree.children)

    def _operation(self, mark: Mark, left: Expression, right: Expression) -> Expression:
        operator = mark.operator
        left_number, right_number = self._is_number(left), self._is_number(right)
        if left_number and right_number:
            if operator in operators.ARITHMETIC:
                return syntax.ScalarOperation(operator, left, right)  # type: ignore[arg-type]  # both are numbers
            if operator in operators.SCALAR_COMPARISON:
                return syntax.ScalarFilter(operator, left, right)  # type: ignore[arg-type]  # likewise
        elif not left_number and not right_number and operator in operators.SPANSET:
            for side in (left, right):
                if not isinstance(side, ONE_SPANSET):
                    raise unexpected(operator, mark.place)
            return syntax.SpansetOperation(operator, left, right)  # type: ignore[arg-type]  # both are spansets
        raise unexpected(operator, mark.place)

    @staticmethod
    def _is_number(side: Expression) -> bool:
        if isinstance(side, Pipeline):
            return side.implied_type != values.SPANSET
        return isinstance(side, NUMBER)

    def _field(self, tree: Any) -> Field:
        items: list[Mark | Field | Nil] = []
        for child in tree.children:
            if child.data == "operator":
                token = child.children[0]
                if str(token) not in operators.FIELD:
                    raise unexpected(str(token), place_of(token))
                items.append(Mark(str(token), place_of(token)))
            else:
                *prefixes, atom = child.children
                items += [Mark(str(token), place_of(token), prefix=True) for token in prefixes]
                items.append(self.atom(atom))
        field = self._fields.bind(items)
        if isinstance(field, Nil):
            raise unexpected("nil", place_of(tree.meta))
        return field

    def _binary(self, mark: Mark, left: Field | Nil, right: Field | Nil) -> Field | Nil:
        if isinstance(left, Nil) or isinstance(right, Nil):
            if mark.operator not in {operators.EQUAL, operators.NOT_EQUAL}:
                raise unexpected("nil", mark.place)
            if isinstance(left, Nil):
                left, right = right, left
            if isinstance(left, Nil):
                return Constant(values.FALSE)
            exists = operators.EXISTS if mark.operator == operators.NOT_EQUAL else operators.EXISTS_NOT
            return unary_field(exists, left)
        return binary_field(mark.operator, left, right)

    @staticmethod
    def _unary(mark: Mark, operand: Field | Nil) -> Field | Nil:
        if isinstance(operand, Nil):
            raise unexpected("nil", mark.place)
        return unary_field(mark.operator, operand)

    def atom(self, tree: Any) -> Field | Nil:
        """Build the smallest part of an expression: a value, an attribute, or what brackets hold."""
        kind = tree.data
        if kind == "nil":
            return NIL
        if kind == "nested":
            return self._field(tree.children[0])
        if kind in {"attribute", "intrinsic", "scoped"}:
            return self.attribute(tree)
        token = tree.children[0]
        if kind in {"integer", "float", "duration"}:
            return Constant(self.literal(token))
        text = str(token)
        if kind == "string":
            try:
                return Constant((values.STRING, unquote(text)))
            except StringLiteralError as error:
                raise parse_error(str(error), *place_of(token)) from error
        if kind == "boolean":
            return Constant((values.BOOLEAN, text == "true"))
        if kind == "status":
            return Constant((values.STATUS, values.STATUS_CODES[text]))
        if kind == "kind":
            return Constant((values.KIND, values.KIND_CODES[text]))
        limits = {"minInt": -LARGEST_INTEGER - 1, "maxInt": LARGEST_INTEGER}
        if text not in limits:
            raise parse_error(f"unknown identifier: {text}", *place_of(token))
        return Constant((values.INTEGER, limits[text]))

    @staticmethod
    def literal(token: Any) -> tuple[int, Any]:
        """Read a number or a duration.

        Raises:
            TraceQLError: it is too large.
        """
        text = str(token)
        if token.type == "INTEGER":
            number = int(text) if len(text) < 20 else LARGEST_INTEGER + 1
            if number > LARGEST_INTEGER:
                raise parse_error(f"the number {text[:64]} is out of range", *place_of(token))
            return values.INTEGER, number
        if token.type == "FLOAT":
            return values.FLOAT, float(text)
        try:
            total = sum(
                int(digits) * NANOSECONDS[unit] if digits.isdigit() else round(float(digits) * NANOSECONDS[unit])
                for digits, unit in DURATION_PART.findall(text)
            )
        except (ValueError, OverflowError):
            total = LARGEST_INTEGER + 1
        if total > LARGEST_INTEGER:
            raise parse_error(f"{text[:64]} is not a duration", *place_of(token))
        return values.DURATION, total

    @staticmethod
    def attribute(tree: Any) -> Attribute:
        """Read an attribute or intrinsic.

        Raises:
            TraceQLError: there is no such intrinsic.
        """
        token = tree.children[0]
        text = str(token)
        if tree.data == "intrinsic":
            return Attribute(text, intrinsic=True)
        if tree.data == "scoped":
            scope, _, name = text.partition(":")
            written = f"{scope}:{name.strip()}"
            if written not in syntax.SCOPED_INTRINSICS:
                raise unexpected("IDENTIFIER", place_of(token))
            return Attribute(syntax.SCOPED_INTRINSICS[written], intrinsic=True)
        scopes = SCOPE.match(text)
        assert scopes  # noqa: S101  # it matches the empty text
        name = QUOTED_PART.sub(lambda part: re.sub(r"\\(.)", r"\1", part[1]), text[scopes.end() :])
        return Attribute(name, scopes[2].rstrip("."), parent=scopes[1] is not None)
