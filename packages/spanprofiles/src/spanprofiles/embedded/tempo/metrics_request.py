"""The parameters of Tempo's metrics queries, with the real server's refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spanprofiles.embedded.tempo.parameters import LARGEST_32, NUMBER, refusal
from spanprofiles.embedded.tempo.times import LARGEST, SECOND_NS, since_ns, step_ns, timestamp_ns
from spanprofiles.embedded.traceql.intervals import Intervals, default_step_ns
from spanprofiles.embedded.traceql.limits import EXEMPLARS_LIMIT, RANGE_LIMIT_H, STEPS_LIMIT
from spanprofiles.embedded.traceql.values import BOOLEAN, INTEGER, Static, duration_text

HOUR_NS = 3_600 * SECOND_NS
DEFAULT_SINCE_NS = HOUR_NS
EXEMPLARS = "exemplars"
TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})


@dataclass(frozen=True)
class MetricsRequest:
    """What a metrics query asks for.

    Attributes:
        query: TraceQL.
        intervals: the steps.
        exemplars: how many exemplars are asked for; 0 where the request does not say.
        limit: how many series are asked for; 0 for all.
    """

    query: str
    intervals: Intervals
    exemplars: int
    limit: int

    @classmethod
    def of_range(cls, parameters: Mapping[str, str], now_ns: int | None = None) -> MetricsRequest:
        """Read the parameters of ``/api/metrics/query_range``.

        Raises:
            AnswerError: one is refused.
        """
        start, end = _bounds(parameters, now_ns)
        step = _read("", step_ns, parameters["step"]) if parameters.get("step") else None
        counts = _count(parameters, EXEMPLARS), _count(parameters, "maxSeries")
        return cls.over(_query(parameters), start, end, step, *counts, is_instant=parameters.get("instant") in TRUE)

    @classmethod
    def over(
        cls,
        query: str,
        start: int,
        end: int,
        step: int | None = None,
        exemplars: int = 0,
        limit: int = 0,
        *,
        is_instant: bool = False,
    ) -> MetricsRequest:
        """Make a request for values at the steps of a range.

        Args:
            query: TraceQL.
            start: ns since the epoch.
            end: ns since the epoch.
            step: ns; None for what fits the range.
            exemplars: how many are asked for; 0 for as many as there may be.
            limit: how many series are asked for; 0 for all.
            is_instant: whether there is to be but one step.

        Raises:
            AnswerError: the range or the step is refused.
        """
        _check_times(start, end, step or 0)
        if step is None:
            step = default_step_ns(max(end - start, 0))
        if start > end:
            raise refusal("end must be greater than start")
        if step == 0 or (end - start) // abs(step) > STEPS_LIMIT:
            raise refusal(
                f"step of {duration_text(step)} is too small, minimum step for given range is"
                f" {duration_text((end - start) // STEPS_LIMIT)}"
            )
        if step < 0 or start < step:
            raise refusal("start required")
        if is_instant and start < end:
            intervals = Intervals.at_once(start, end, step)
        else:
            intervals = Intervals.of_range(start, end, step)
        _check_range(intervals.end_ns - intervals.start_ns)
        return cls(query, intervals, exemplars, limit)

    @classmethod
    def at_once(cls, parameters: Mapping[str, str], now_ns: int | None = None) -> MetricsRequest:
        """Read the parameters of ``/api/metrics/query``.

        Raises:
            AnswerError: one is refused.
        """
        return cls.for_range(_query(parameters), *_bounds(parameters, now_ns))

    @classmethod
    def for_range(cls, query: str, start: int, end: int) -> MetricsRequest:
        """Make a request for one value for a range, ns since the epoch.

        Raises:
            AnswerError: the range is refused.
        """
        _check_times(start, end)
        if start <= 0:
            raise refusal("start required")
        if end <= start:
            raise refusal("end must be greater than start")
        _check_range(end - start)
        return cls(query, Intervals.at_once(start, end), 0, 0)

    def exemplars_with(self, hints: Mapping[str, Static]) -> int:
        """Return how many exemplars there may be, by the query's hints and the request."""
        if self.intervals.instant:
            return 0
        kind, hint = hints.get(EXEMPLARS, (BOOLEAN, True))
        wanted = self.exemplars or EXEMPLARS_LIMIT
        if kind == INTEGER:
            wanted = max(hint, 0)
        elif kind == BOOLEAN and not hint:
            wanted = 0
        return min(wanted, EXEMPLARS_LIMIT)


def _query(parameters: Mapping[str, str]) -> str:
    return parameters.get("q") or parameters.get("query") or ""


def _bounds(parameters: Mapping[str, str], now_ns: int | None) -> tuple[int, int]:
    """Read the time range, ns since the epoch: the last hour where nothing else is said."""
    now = time.time_ns() if now_ns is None else now_ns
    since, start, end = (parameters.get(name) for name in ("since", "start", "end"))
    size = _read("since", since_ns, since) if since else DEFAULT_SINCE_NS
    until = _read("end", timestamp_ns, end) if end else now
    return (_read("start", timestamp_ns, start) if start else min(until, now) - size), until


def _read(name: str, read: Callable[[str], int], written: str) -> int:
    try:
        return read(written)
    except (ValueError, OverflowError) as error:
        raise refusal(f"could not parse '{name}' parameter: {error}" if name else str(error)) from error


def _check_times(*times_ns: int) -> None:
    """See that times can be stored; gRPC has some that are too large, HTTP has not."""
    if any(time_ns > LARGEST for time_ns in times_ns):
        raise refusal("a time of the request is out of range")


def _check_range(size_ns: int) -> None:
    if size_ns > RANGE_LIMIT_H * HOUR_NS:
        allowed = duration_text(RANGE_LIMIT_H * HOUR_NS)
        raise refusal(f"metrics query time range exceeds the maximum allowed duration of {allowed}")


def _count(parameters: Mapping[str, str], name: str) -> int:
    """Read a number that counts only where it is one."""
    written = parameters.get(name, "")
    number = int(written) if NUMBER.fullmatch(written) and len(written) <= len(str(LARGEST_32)) else 0
    return number if number <= LARGEST_32 else 0
