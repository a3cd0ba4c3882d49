"""What is fetched of one level of a trace: a span, a resource, a scope, an event, a link, or the trace itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.traceql import operators
from spanprofiles.embedded.traceql.conditions import Condition
from spanprofiles.embedded.traceql.predicates import Test, always, column_test
from spanprofiles.embedded.traceql.records import Values
from spanprofiles.embedded.traceql.syntax import Attribute
from spanprofiles.embedded.traceql.values import (
    ABSENT,
    ARRAY_OF,
    BOOLEAN,
    ELEMENT_OF,
    FLOAT,
    INTEGER,
    NOTHING,
    STRING,
    Static,
)

Getter = Callable[[Any], Static]
Found = list[tuple[Attribute, Static]]
SCALARS = (STRING, INTEGER, FLOAT, BOOLEAN)
IDENTIFIERS = frozenset({"span:id", "span:parentID", "trace:id", "link:spanID", "link:traceID"})


class Level:
    """The conditions on one level.

    Args:
        conditions: those of this level alone.
        intrinsics: how each intrinsic of the level is read.
        columns: attributes with a column of their own, and its type.
        scope: the scope of the attributes found.
        deadline: of the query.
        every: whether all conditions have to hold.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        intrinsics: Mapping[str, Getter],
        columns: Mapping[str, int],
        scope: str,
        deadline: Deadline,
        *,
        every: bool,
    ) -> None:
        self.wanted = bool(conditions)
        self._every = every
        self._columns = columns
        self._scope = scope
        intrinsic: dict[str, list[Condition]] = {}
        column: dict[str, list[Condition]] = {}
        generic: list[Condition] = []
        self._absent_columns: list[str] = []
        self._absent: list[str] = []
        for condition in conditions:
            name = condition.attribute.name
            if condition.attribute.intrinsic:
                if name in intrinsics:  # ``parent`` is one that no span has
                    intrinsic.setdefault(name, []).append(condition)
            elif name in columns and self._suits(condition, columns[name]):
                if condition.operator == operators.EXISTS_NOT:
                    self._absent_columns.append(name)
                else:
                    column.setdefault(name, []).append(condition)
            elif condition.operator == operators.EXISTS_NOT:
                self._absent.append(name)
            else:
                generic.append(condition)
        self._intrinsics = [
            (
                Attribute(name, intrinsic=True),
                intrinsics[name],
                always if name in IDENTIFIERS else column_test(some, deadline),
            )
            for name, some in intrinsic.items()
        ]
        self._own_columns = [
            # Whatever the column's type, it is seen as the text `nil` where it is empty.
            (
                Attribute(name, scope),
                column_test(some, deadline),
                any(not condition.operator for condition in some),
            )
            for name, some in column.items()
        ]
        names = {condition.attribute.name for condition in generic}
        self._generic = {name: Attribute(name, scope) for name in names}
        self._tests = _tests_by_type(generic, deadline)
        self._joined = every and len(self._tests) == 1
        self._least = len({condition.attribute.name for condition in conditions}) if every else 0
        self._counts = scope not in {"span", "trace"}

    @staticmethod
    def _suits(condition: Condition, kind: int) -> bool:
        if condition.operand is None:
            return True
        return ELEMENT_OF.get(condition.operand[0], condition.operand[0]) == kind

    def _in_column(self, name: str, values: Values) -> bool:
        """Whether an attribute is kept in a column of its own: only a single value of the column's type is."""
        return self._columns.get(name) == values[0] and len(values[1]) == 1

    def found(self, record: Any, attributes: Mapping[str, Values]) -> Found | None:  # whatever the level is of
        """Fetch what is wanted; None where every condition has to hold and one does not."""
        found: Found = []
        for attribute, getter, test in self._intrinsics:
            value = getter(record)
            if test(value[1]):
                found.append((attribute, value))
            elif self._every:
                return None
        if not self._columns_found(attributes, found):
            return None
        if self._generic:
            count = len(found)
            self._generic_found(attributes, found)
            if self._every and len(found) == count:
                return None
        if not self._absences_found(attributes, found):
            return None
        return None if self._counts and len(found) < self._least else found

    def _columns_found(self, attributes: Mapping[str, Values], found: Found) -> bool:
        for attribute, test, as_it_is in self._own_columns:
            values = attributes.get(attribute.name)
            if values is not None and self._in_column(attribute.name, values):
                if test(values[1][0]):
                    found.append((attribute, (values[0], values[1][0])))
                    continue
            elif as_it_is:
                found.append((attribute, ABSENT))
                continue
            if self._every:
                return False
        return True

    def _generic_found(self, attributes: Mapping[str, Values], found: Found) -> None:
        for name, attribute in self._generic.items():
            values = attributes.get(name)
            if values is None or self._in_column(name, values):
                continue
            test = self._tests.get(values[0])
            passed = [value for value in values[1] if test(value)] if test is not None else []
            if len(passed) == 1:
                found.append((attribute, (values[0], passed[0])))
            elif passed:
                found.append((attribute, (ARRAY_OF[values[0]], tuple(passed))))
            elif not self._joined:
                found.append((attribute, NOTHING))

    def _absences_found(self, attributes: Mapping[str, Values], found: Found) -> bool:
        for name in self._absent_columns:
            values = attributes.get(name)
            if values is None or not self._in_column(name, values):
                found.append((Attribute(name, self._scope), ABSENT))
            elif self._every:
                return False
        if self._absent:
            others = [name for name, values in attributes.items() if not self._in_column(name, values)]
            for name in self._absent:
                if others and name not in attributes:
                    found.append((Attribute(name, self._scope), ABSENT))
                elif self._every:
                    return False
        return True


def _tests_by_type(conditions: Sequence[Condition], deadline: Deadline) -> dict[int, Test]:
    """One test for each type of value: an attribute passes with whatever a condition on any attribute lets through."""
    by_type: dict[int, list[Condition]] = {}
    for condition in conditions:
        kinds = SCALARS if condition.operand is None else (ELEMENT_OF.get(condition.operand[0], condition.operand[0]),)
        for kind in kinds:
            if kind in SCALARS:
                by_type.setdefault(kind, []).append(condition)
    return {kind: column_test(some, deadline) for kind, some in by_type.items()}
