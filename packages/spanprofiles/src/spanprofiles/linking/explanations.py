"""Explains a missing hop: asks the servers what is there instead, and says it in a sentence or two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.clients.refusals import sentences
from spanprofiles.linking.sample_collector import types_of
from spanprofiles.model import Span, Trace
from spanprofiles.model.profile_types import others, setting
from spanprofiles.model.sampling import FEW_PERIODS, is_too_short
from spanprofiles.model.selector import measures_cpu, without_span
from spanprofiles.model.withheld import why_no_profile_id

_EVERYTHING = "{}"
_HALF_A_DAY_MS = 12 * 3600 * 1000  # a query may span 24 h at most
_NAMES = 8
_FUNCTIONS = 3
_BEFORE_S = 60  # the request may have been sent so long before anybody waited for its trace


@dataclass(frozen=True)
class Explanation:
    """Why a hop is missing.

    Attributes:
        text: what is missing.
        notes: what explains it, one sentence each.
        excuse: why nothing is wrong all the same, in words that continue "no samples"; empty if something may be wrong.
    """

    text: str
    notes: tuple[str, ...] = ()
    excuse: str = ""

    @property
    def message(self) -> str:
        """All of it in one line."""
        return "; ".join([self.text, *self.notes])


def lost_trace(trace_id: str) -> Explanation:
    """Say that Tempo had spans of the trace, and lost them."""
    return Explanation(
        f"Tempo had the trace {trace_id} and has lost it: it cannot write what it takes, and says that it is ready;"
        " make room on its disk (or look at its bucket), then restart it (spanprofiles doctor --probe tests it)"
    )


def no_trace(trace_id: str, tempo: TempoClient, waited_s: float) -> Explanation:
    """Say that Tempo has no span of the trace, and which services it does know.

    Args:
        trace_id: the trace.
        tempo: the server that was asked.
        waited_s: for how long, s.
    """
    text = (
        f"Tempo has no span of the trace {trace_id} after {waited_s:g} s: the app is not instrumented, leaves this"
        f" route out{_how_routes_are_left_out(tempo)}, did not sample this request, or exports to another server"
    )
    try:
        services = tempo.tag_values("resource.service.name")
    except ClientError as error:
        return Explanation(text, (str(error),))
    known = ", ".join(services[:_NAMES]) or "none"
    refused = sentences(tempo.refusals(time.time() - waited_s - _BEFORE_S))
    return Explanation(text, (f"services Tempo has spans of: {known}", *refused))


def _how_routes_are_left_out(tempo: TempoClient) -> str:
    """Name Python's settings, unless the server has spans of other languages alone."""
    try:
        seen = tempo.tag_values("resource.telemetry.sdk.language")
    except ClientError:  # the next question will say it
        seen = []
    return " (in Python by OTEL_PYTHON_EXCLUDED_URLS or excluded_urls)" if not seen or "python" in seen else ""


def no_profile_id(trace: Trace, count: int) -> str:
    """Say which local root spans of a trace carry no profile ID, when ``count`` of them should."""
    roots = trace.local_roots
    carrying = [span for span in roots if span.profile_id]
    named = ", ".join(f"{span.name} ({span.span_id}, {span.service})" for span in roots) or "none"
    if len(carrying) >= count:
        return (
            f"the local root span that answered the request has no pyroscope.profile.id, or is not in the trace"
            f" {trace.trace_id}; {', '.join(span.span_id for span in carrying)} further down has one;"
            f" local root spans: {named}"
        )
    if carrying:
        return (
            f"{len(carrying)} local root span(s) of the trace {trace.trace_id} carry pyroscope.profile.id,"
            f" {count} are awaited; local root spans: {named}"
        )
    missing = why_no_profile_id(roots)
    return (
        f"no local root span of the trace {trace.trace_id} carries pyroscope.profile.id: {missing};"
        f" local root spans: {named}"
    )


def no_profile_id_on(span: Span, trace: Trace | None) -> str:
    """Say that a span carries no profile ID and, if it is a child, which span's profile has its CPU."""
    trace = trace or Trace.of(span.trace_id, [])
    above = None if trace.is_local_root(span) else trace.parent(span)
    while above and not above.profile_id and not trace.is_local_root(above):
        above = trace.parent(above)
    if above is None:
        return no_profile_id(trace, 1)
    return (
        f"the span {span.span_id} ({span.name}) carries no pyroscope.profile.id, for it is a child span: its CPU is in"
        f" the span profile of the span above it, {above.name} ({above.span_id})"
    )


def no_samples(
    span: Span, trace: Trace | None, query: ProfileQuery, pyroscope: PyroscopeClient, upload_interval_s: float
) -> Explanation:
    """Say that a span is a dead link, and where samples are instead: another service name, another time, nowhere.

    Args:
        span: a span that carries a profile ID.
        trace: its trace; None if it is not known.
        query: the query that found no samples.
        pyroscope: the server that was asked.
        upload_interval_s: the agent's upload interval, s.
    """
    text = (
        f"the span {span.span_id} ({span.name}, {span.duration_ns / 1e6:.1f} ms) carries the profile ID"
        f" {span.profile_id} and no sample has it{nor_below(span)} (asked {query.selector}, {query.profile_type})"
    )
    notes = []
    if span.profile_id != span.span_id:
        notes.append("the profile ID is not the span's own ID: another span's was copied, or it was rewritten")
    late = [root for root in trace.late_roots if root is not span] if trace else []
    if late:
        named = ", ".join(f"{root.name} ({root.span_id}, {root.duration_ns / 1e6:.0f} ms)" for root in late[:_NAMES])
        notes.append(f"work that goes on without it has span profiles of its own: {named}")
    try:
        instead = _instead(span, query, pyroscope, upload_interval_s)
    except ClientError as error:
        instead = Explanation(str(error))
    return Explanation(text, (*notes, *instead.notes, instead.text), instead.excuse)


def nor_below(span: Span) -> str:
    """Return what goes on from "no sample has it" of a span for which others count; empty where none does."""
    if not span.added:
        return ""
    return f", nor one of the IDs of {len(span.added)} span{'s' * (len(span.added) > 1)} below it"


def _instead(span: Span, query: ProfileQuery, pyroscope: PyroscopeClient, upload_interval_s: float) -> Explanation:
    """Say where the samples are instead; the notes are what the server refused."""
    profile_ids = span.profile_ids
    everywhere = replace(query, selector=_EVERYTHING)
    half_a_day_later_ms = query.end_ms + _HALF_A_DAY_MS
    day = replace(everywhere, start_ms=query.end_ms - _HALF_A_DAY_MS, end_ms=half_a_day_later_ms)
    services = pyroscope.label_values("service_name", query.start_ms, query.end_ms)
    named = ", ".join(services[:_NAMES])
    if not pyroscope.span_profile(everywhere, profile_ids).is_empty:
        return Explanation(
            f"the samples are there, but not under service_name={span.service!r}: the agent's application name is"
            f" another than the tracer's service.name (services with profiles: {named})"
        )
    if not pyroscope.span_profile(day, profile_ids).is_empty:
        return Explanation("the samples are there, but outside the window asked: margin too short, or clocks apart")
    carried_by = _another_type(query, pyroscope, profile_ids)
    if carried_by:
        return Explanation(
            f"samples of type {carried_by} carry its ID, those of time do not: {setting(carried_by)} to see them"
        )
    refused = sentences(pyroscope.refusals(span.start_ns / 1e9, span.service))
    if not services:
        return Explanation(
            "Pyroscope has no profile of any service in that window: no agent runs, nothing used CPU, the uploads fail,"
            " or there was none yet",
            refused,
        )
    if span.service not in services:
        return Explanation(
            f"Pyroscope has no profile of {span.service!r}: no agent runs there, or the process used no CPU then"
            f" (services with profiles: {named})",
            refused,
        )
    if is_too_short(span.duration_ns):
        return Explanation(
            f"the span is shorter than {FEW_PERIODS} sample periods of 10 ms: it may have been missed",
            refused,
            excuse="as is usual of a span so short",
        )
    unlabelled = _cpu_of_no_span(span, query, pyroscope, upload_interval_s)
    return Explanation(f"{span.service!r} has profiles, but none of this span{unlabelled}", refused)


def _cpu_of_no_span(span: Span, query: ProfileQuery, pyroscope: PyroscopeClient, upload_interval_s: float) -> str:
    """Say how much CPU in the span's time belongs to no span, and in which functions."""
    if not measures_cpu(query.profile_type):
        return ""
    start_ms = span.start_ns // 1_000_000 - int(upload_interval_s * 1000)
    around = ProfileQuery(without_span(query.selector), start_ms, span.end_ns // 1_000_000, query.profile_type)
    found = pyroscope.merged_profile(around)
    top = ", ".join(f"{row.name} {row.self / 1e6:.0f} ms" for row in found.top(_FUNCTIONS))
    return f"; in its time they hold {found.total / 1e6:.0f} ms of CPU without a span{f': {top}' if top else ''}"


def _another_type(query: ProfileQuery, pyroscope: PyroscopeClient, profile_ids: Sequence[str]) -> str:
    """Return the type of profile, other than time, whose samples have the span's ID; empty where none has."""
    for profile_type in others(types_of(pyroscope, query), query.profile_type):
        if not pyroscope.span_profile(replace(query, profile_type=profile_type), profile_ids).is_empty:
            return profile_type
    return ""
