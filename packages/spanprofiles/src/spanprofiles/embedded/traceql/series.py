"""Series of values over time, which metrics functions make, and their labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from spanprofiles.embedded.traceql import values
from spanprofiles.embedded.traceql.errors import TraceQLError
from spanprofiles.embedded.traceql.limits import GIVEN_POINTS_LIMIT, KEPT_POINTS_LIMIT, SERIES_LIMIT
from spanprofiles.embedded.traceql.values import NIL, Static, text_of

Labels = tuple[tuple[str, Static], ...]
NIL_TEXT: Static = (values.STRING, text_of(values.NOTHING))
KEPT = frozenset({values.STRING, values.INTEGER, values.FLOAT, values.BOOLEAN})


@dataclass(frozen=True)
class Exemplar:
    """A span that stands for those behind a value.

    Attributes:
        labels: what was fetched of it.
        value: its own value; NaN where it has none.
        timestamp_ms: when it began, ms since the epoch.
    """

    labels: Labels
    value: float
    timestamp_ms: int


@dataclass
class Series:
    """One series.

    Attributes:
        labels: what tells it from the others.
        values: values by step; those before the first step, under negative numbers, are not given.
        zeros: whether a step without a value has 0.
        exemplars: spans behind its values.
    """

    labels: Labels
    values: dict[int, float]
    zeros: bool
    exemplars: list[Exemplar] = field(default_factory=list)

    def value(self, step: int) -> float | None:
        """Return the value at a step; None where there is none."""
        found = self.values.get(step, 0.0 if self.zeros else None)
        return None if found is None or math.isnan(found) else found

    def is_given(self) -> bool:
        """Whether it has a value that is given."""
        return self.zeros or any(step >= 0 and not math.isnan(value) for step, value in self.values.items())


def label_value(value: Static) -> Static:
    """Return what a label says of a value: a list looks like no value, and most else is text."""
    kind = value[0]
    if kind in KEPT:
        return value
    if kind == NIL or kind in values.ELEMENT_OF:
        return NIL_TEXT
    return values.STRING, text_of(value)


def same_label(value: Static) -> Static:
    """Return a value by which labels can be grouped: floats by their bits, so that 0 is not -0, and NaN is itself."""
    return (value[0], value[1].hex()) if value[0] == values.FLOAT else value


def key_of(labels: Labels) -> Labels:
    """Return what a series is known by."""
    return tuple((name, same_label(value)) for name, value in labels)


def check_series(count: int, steps: int = 0) -> None:
    """See that a query makes no more series than it may.

    Args:
        count: how many there are.
        steps: how many values each of them gives.

    Raises:
        TraceQLError: it does.
    """
    if count > SERIES_LIMIT:
        raise TraceQLError(
            f"the query makes more than {SERIES_LIMIT} series: group by fewer attributes, or ask for less"
        )
    if count * steps > GIVEN_POINTS_LIMIT:
        raise TraceQLError(
            f"the query gives {count} series of {steps} steps, which are more than {GIVEN_POINTS_LIMIT} values:"
            " ask for a longer step, less time, or fewer groups"
        )


def check_points(count: int) -> None:
    """See that a query keeps no more values than it may.

    Raises:
        TraceQLError: it does.
    """
    if count > KEPT_POINTS_LIMIT:
        raise TraceQLError(
            f"the query keeps more than {KEPT_POINTS_LIMIT} values: ask for a longer step, less time, or fewer groups"
        )


def sort_key(series: Series) -> tuple[object, ...]:
    """Return that by which the series of an answer are ordered: few labels first, then names and values."""
    return len(series.labels), [(name, _printed(value)) for name, value in series.labels]


def _printed(value: Static) -> str:
    """Write a value as Go prints its protobuf message."""
    prefix = {values.INTEGER: "int_value:", values.FLOAT: "double_value:", values.BOOLEAN: "bool_value:"}
    if value[0] in prefix:
        return prefix[value[0]] + text_of(value)
    return f'string_value:"{text_of(value)}"'
