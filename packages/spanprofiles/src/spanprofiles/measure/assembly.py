"""Puts a measurement together from linked spans."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.linking import LinkedSpan
from spanprofiles.model import FlameGraph, FunctionCpu, MeasuredRequest, Measurement, MeasurementEnvironment
from spanprofiles.model.profile_types import ProfileType


def measurement_of(
    name: str, linked: Sequence[LinkedSpan], environment: MeasurementEnvironment | None = None
) -> Measurement:
    """Return the measurement of requests, each given by the span that answered it.

    Args:
        name: what was measured.
        linked: the spans with their own samples, in the order of the requests; a flame graph may be empty. They are of
            one profile type.
        environment: where, when and with what.

    Raises:
        ValueError: the flame graphs are of different types, or not of time.
    """
    found = [span.flamegraph for span in linked if not span.flamegraph.is_empty]
    types = {flamegraph.profile_type for flamegraph in found}
    if len(types) > 1:
        raise ValueError(f"samples of different types do not add up: {', '.join(sorted(types))}")
    if types and not ProfileType.of(next(iter(types))).is_time:
        raise ValueError(f"{next(iter(types))} is not a time, so requests cannot be measured by it")
    stacks = [item for flamegraph in found for item in flamegraph.stacks.items()]
    merged = FlameGraph(stacks, found[0].profile_type) if found else FlameGraph()
    return Measurement(
        name=name,
        service=linked[0].service if linked else "",
        requests=tuple(_request(span, merged.sample_value) for span in linked),
        flamegraph=merged,
        environment=environment or MeasurementEnvironment(),
        spans=tuple(span.span for span in linked),
    )


def measured_request(
    trace_id: str,
    span_ids: tuple[str, ...],
    start_ns: int,
    duration_ns: int,
    flamegraph: FlameGraph,
    sample_value: float | None,
) -> MeasuredRequest:
    """Return one request of a measurement.

    Args:
        trace_id: its trace.
        span_ids: the linked spans whose samples count.
        start_ns: when it started, ns since the epoch.
        duration_ns: its wall-clock time, ns.
        flamegraph: its samples.
        sample_value: the value of one sample; None where it is not known.
    """
    time_ns = ProfileType.of(flamegraph.profile_type).time_ns
    return MeasuredRequest(
        trace_id=trace_id,
        span_ids=span_ids,
        start_ns=start_ns,
        duration_ns=duration_ns,
        cpu_ns=time_ns(flamegraph.total),
        samples=round(flamegraph.total / sample_value) if sample_value else 0,
        functions={
            name: FunctionCpu(time_ns(row.self), time_ns(row.total)) for name, row in flamegraph.by_function.items()
        },
    )


def _request(linked: LinkedSpan, sample_value: float | None) -> MeasuredRequest:
    span_ids = (linked.span_id, *(span.span_id for span in linked.added if span.profile_id))
    span = linked.span
    return measured_request(linked.trace_id, span_ids, span.start_ns, span.duration_ns, linked.flamegraph, sample_value)
