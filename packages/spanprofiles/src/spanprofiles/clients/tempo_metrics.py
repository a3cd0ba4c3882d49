"""Series of values over time, as Tempo answers TraceQL metrics queries with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanprofiles.clients.json_values import fields, items, moment_ms, number, text

#: The most values that are read of one answer, of all its series together.
MOST_VALUES = 2_000_000


@dataclass(frozen=True)
class MetricSeries:
    """Values of one group of spans.

    Attributes:
        labels: what the group is; numbers and truth values as Tempo writes them, as text.
        values: by the time that names the step, which is its end, s since the epoch. Steps without one are left out.
    """

    labels: Mapping[str, str]
    values: Mapping[float, float]


def series_of(answer: Mapping[str, Any]) -> list[MetricSeries]:
    """Read the series of an answer.

    Raises:
        TypeError, ValueError, KeyError: it is none, or there are more than :data:`MOST_VALUES` values.
    """
    found = [fields(series) for series in items(answer.get("series"))]
    values = sum(len(items(series.get("samples"))) for series in found)
    if values > MOST_VALUES:
        raise ValueError(f"{values} values, more than {MOST_VALUES}")
    return [
        MetricSeries(
            {
                text(label["key"]): text(str(next(iter(fields(label.get("value") or {}).values()), "")))
                for label in map(fields, items(series.get("labels")))
            },
            {
                moment_ms(sample.get("timestampMs", 0)) / 1000: number(sample.get("value", 0))
                for sample in map(fields, items(series.get("samples")))
            },
        )
        for series in found
    ]
