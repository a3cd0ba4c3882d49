"""One span and its flame graph, or the reason why there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum

from spanprofiles.linking import Linker, LinkError, Waiting
from spanprofiles.model import FlameGraph, Span, Trace
from spanprofiles.report.svg import SpanMark
from spanprofiles.ui.cpu import CERTAIN_AFTER_S, CpuCache, CpuState, ProfiledSpan

_CPU_TIMEOUT_S = 1.0


class ProfileState(Enum):
    """Whether a span has a profile."""

    LINKED = "linked"
    WAITING = "waiting"
    DEAD = "dead link"
    NO_PROFILE_ID = "no profile ID"


@dataclass(frozen=True)
class SpanProfile:
    """A span with what its profile ID leads to.

    Attributes:
        span: the span.
        trace: its trace.
        state: whether that is a profile.
        flamegraph: its samples; empty unless linked.
        reasons: why there is none, one sentence each.
    """

    span: Span
    trace: Trace
    state: ProfileState
    flamegraph: FlameGraph
    reasons: tuple[str, ...] = ()


def span_profile(trace: Trace, span: Span, linker: Linker) -> SpanProfile:
    """Look once for a span's samples.

    Raises:
        ClientError: Pyroscope does not answer.
    """
    if span.profile_id is None:
        return SpanProfile(trace=trace, span=span, state=ProfileState.NO_PROFILE_ID, flamegraph=FlameGraph())
    request = linker.with_waiting(Waiting(0)).follow(span)
    try:
        flamegraph = request.flamegraph(span)
        if not flamegraph.is_empty:
            return SpanProfile(span, trace, ProfileState.LINKED, flamegraph)
        if time.time() - span.end_ns / 1e9 < CERTAIN_AFTER_S:
            return SpanProfile(span, trace, ProfileState.WAITING, flamegraph)
        request.samples(span)
    except LinkError as error:
        reasons = tuple(request.evidence.notes) or (str(error),)
        return SpanProfile(span, trace, ProfileState.DEAD, FlameGraph(), reasons)
    return SpanProfile(span, trace, ProfileState.WAITING, FlameGraph())  # they arrived between the two queries


def span_marks(trace: Trace, cpu_cache: CpuCache) -> dict[str, SpanMark]:
    """Return what is known of the profiles of a trace's spans, by span ID."""
    profiled = {span.span_id: _profiled(span, span.profile_id) for span in trace.spans if span.profile_id}
    known = cpu_cache.look(profiled.values(), _CPU_TIMEOUT_S)
    marks = {}
    for span_id, span in profiled.items():
        found = known[span.profile_id]
        cpu_ns = found.cpu_ns if found.cpu_ns else None
        marks[span_id] = SpanMark(cpu_ns, dead=found.state is CpuState.NONE, instead=found.instead)
    return marks


def _profiled(span: Span, profile_id: str) -> ProfiledSpan:
    added = tuple(child.span_id for child in span.added)
    return ProfiledSpan(profile_id, span.service, span.start_ns, span.end_ns, added=added)


def span_to_open(trace: Trace, marks: dict[str, SpanMark]) -> Span | None:
    """Return the span to show first: the linked one with the most CPU, else one with a profile ID, else the first."""
    linked = [span for span in trace.spans if span.span_id in marks]
    if linked:
        return max(linked, key=lambda span: (marks[span.span_id].cpu_ns or -1, -span.start_ns))
    return trace.spans[0] if trace.spans else None
