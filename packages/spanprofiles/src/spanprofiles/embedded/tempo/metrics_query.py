"""Metrics queries: TraceQL in, series of values over time out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

from spanprofiles.embedded.answers import Members
from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.metrics_request import MetricsRequest
from spanprofiles.embedded.tempo.parameters import refusal
from spanprofiles.embedded.tempo.times import SECOND_NS
from spanprofiles.embedded.traceql.errors import EvaluationError, TraceQLError
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.limits import TOO_DEEP
from spanprofiles.embedded.traceql.metrics import MetricsQuery, Result, split
from spanprofiles.embedded.traceql.parser import parse
from spanprofiles.embedded.traceql.series import Exemplar, Labels, Series, check_series
from spanprofiles.embedded.traceql.values import FLOAT, Static, json_value

RECENT_NS = 15 * 60 * SECOND_NS
"""What is no older is searched even if there is nothing; of older times without data there are no series."""
LARGEST_WHOLE = 10.0**21
"""From here on, numbers without a fraction are written with an exponent."""


def run_metrics(connection: StoreConnection, candidates: Candidates, request: MetricsRequest) -> Result:
    """Evaluate a metrics query.

    Raises:
        AnswerError: the query is refused, or fails on a span.
        QueryTooLongError: the connection's deadline passed.
    """
    deadline, intervals = connection.deadline, request.intervals
    try:
        pipeline, metrics = split(parse(request.query, deadline))
        if metrics is None:
            raise refusal("not a metrics query")
        query = MetricsQuery(
            pipeline,
            metrics,
            intervals,
            deadline,
            exemplars=request.exemplars_with(dict(metrics.hints)),
            limit=request.limit,
        )
        # What depends on the order of traces is as on a real server that was sent all of them in short time.
        traces = candidates.traces(connection, query.traces, intervals.earliest_ns, intervals.end_ns, by_id=True)
        is_recent = intervals.end_ns > time.time_ns() - RECENT_NS
        return query.result(traces, is_searched=is_recent)
    except TraceQLError as error:
        raise refusal(f"compiling query: {error}") from error
    except EvaluationError as error:
        raise refusal(f"error executing query: {error}") from error
    except RecursionError as error:
        raise refusal(f"compiling query: {TOO_DEEP}") from error


def range_answer(result: Result, intervals: Intervals, limit: int, deadline: Deadline) -> dict[str, Any]:
    """Make the answer of a query over a range; its lists are made as they are written.

    Raises:
        AnswerError: it would have more values than it may.
    """
    check_values(result, intervals)
    return {"series": map(_range_series(intervals, deadline), result.series), **_said(result, limit)}


def check_values(result: Result, intervals: Intervals) -> None:
    """See that the answer of a query over a range has no more values than it may.

    Raises:
        AnswerError: it does.
    """
    try:
        check_series(len(result.series), intervals.count)
    except TraceQLError as error:
        raise refusal(f"compiling query: {error}") from error


def instant_answer(result: Result, limit: int) -> dict[str, Any]:
    """Make the answer of an instant query."""
    series = ({"labels": _labels(series.labels), **_number(series.value(0))} for series in result.series)
    return {**({"series": series} if result.series else {}), **_said(result, limit)}


def _said(result: Result, limit: int) -> dict[str, Any]:
    return {"status": "PARTIAL", "message": partial_message(limit)} if result.is_partial else {}


def partial_message(limit: int) -> str:
    """Say that there are more series than a request asks for."""
    return (
        f"Response exceeds maximum series limit of {limit}, a partial response is returned. Warning: the accuracy of"
        " each individual value is not guaranteed."
    )


def _range_series(intervals: Intervals, deadline: Deadline) -> Callable[[Series], dict[str, Any]]:
    """Make the function that writes a series.

    An answer may have a million samples, most of which are zeros: they are written once, for all series.
    """
    times = [
        f'{{"timestampMs":"{intervals.timestamp_ms(step)}"' for step in deadline.watch(range(intervals.count), PIECE)
    ]
    zeros = [f"{time}}}" for time in times]

    def answer(series: Series) -> dict[str, Any]:
        deadline.check()
        samples = zeros.copy() if series.zeros else [""] * len(times)
        for step, value in series.values.items():
            if 0 <= step < len(samples) and not math.isnan(value):
                samples[step] = f'{times[step]},"value":{json.dumps(_shown(value))}}}' if value else zeros[step]
        found: dict[str, Any] = {
            "labels": _labels(series.labels),
            "samples": iter((Members(",".join(filter(None, samples))),)),
        }
        exemplars = exemplars_of(series, intervals)
        if exemplars:
            found["exemplars"] = [_exemplar(exemplar, value) for exemplar, value in exemplars]
        return found

    return answer


def exemplars_of(series: Series, intervals: Intervals) -> list[tuple[Exemplar, float]]:
    """Return a series' exemplars by their times, each with its value, or with that of its step where it has none.

    Those of a step without a value are left out.
    """
    found = []
    for exemplar in series.exemplars:
        step = intervals.index_of_ms(exemplar.timestamp_ms)
        value = None if step is None else series.value(step)
        if value is not None:
            found.append((exemplar, value if math.isnan(exemplar.value) else exemplar.value))
    return sorted(found, key=lambda pair: pair[0].timestamp_ms)


def _exemplar(exemplar: Exemplar, value: float) -> dict[str, Any]:
    return {"labels": _labels(exemplar.labels), **_number(value), "timestampMs": str(exemplar.timestamp_ms)}


def _labels(labels: Labels) -> list[dict[str, Any]]:
    return [{"key": name, "value": _label_value(value)} for name, value in labels]


def _label_value(value: Static) -> dict[str, Any]:
    if value[0] == FLOAT and math.isfinite(value[1]):
        return {"doubleValue": _shortest(value[1])}
    return json_value(value)


def _shortest(value: float) -> float:
    """Return a number that is written as Go writes it: without a point where it is whole."""
    is_whole = value == int(value) and abs(value) < LARGEST_WHOLE
    is_negative_zero = not value and math.copysign(1, value) < 0
    return int(value) if is_whole and not is_negative_zero else value


def _number(value: float | None) -> dict[str, Any]:
    """Write a value as protobuf's JSON does: 0 is left out."""
    return {"value": _shown(value)} if value else {}


def _shown(value: float) -> float | str:
    """Return what a value is written as: what is not finite is text."""
    if not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    return _shortest(value)
