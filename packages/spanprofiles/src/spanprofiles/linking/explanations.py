"""Why a link did not come about: looks once more at what is there instead, and says it in a sentence or two."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from spanprofiles.clients import ClientError, ProfileQuery
from spanprofiles.clients.refusals import sentences
from spanprofiles.linking.span_samples import types_of
from spanprofiles.model import Span
from spanprofiles.model.profile_types import others, setting
from spanprofiles.model.sampling import FEW_PERIODS, is_too_short
from spanprofiles.model.selector import measures_cpu, without_span
from spanprofiles.model.withheld import why_no_profile_id

if TYPE_CHECKING:
    from spanprofiles.linking.evidence import Evidence
    from spanprofiles.linking.linker import Linker

_EVERYTHING = "{}"
_HALF_A_DAY_MS = 12 * 3600 * 1000  # a query may span 24 h at most
_NAMES = 8
_FUNCTIONS = 3
_BEFORE_S = 60  # the request may have been sent so long before its trace was waited for


def no_trace(evidence: Evidence, linker: Linker) -> str:
    """Say that Tempo has no span of the trace, and which services it does know; or that it had some, and lost them."""
    if evidence.was_there:
        return (
            f"Tempo had the trace {evidence.trace_id} and has lost it: it cannot write what it takes, and says that it"
            " is ready; make room on its disk (or look at its bucket), then restart it (spanprofiles doctor --probe"
            " tests it)"
        )
    message = (
        f"Tempo has no span of the trace {evidence.trace_id} after {linker.waiting.timeout_s:g} s:"
        f" the app is not instrumented, leaves this route out{_how_routes_are_left_out(linker)}, did not sample this"
        " request, or exports to another server"
    )
    try:
        services = linker.tempo.tag_values("resource.service.name")
    except ClientError as error:
        evidence.notes.append(str(error))
    else:
        known = ", ".join(services[:_NAMES]) or "none"
        evidence.notes.append(f"services Tempo has spans of: {known}")
        since_s = time.time() - linker.waiting.timeout_s - _BEFORE_S
        evidence.notes.extend(sentences(linker.tempo.refusals(since_s)))
    return _with_notes(message, evidence)


def _how_routes_are_left_out(linker: Linker) -> str:
    """Name Python's settings, unless the server has spans of other languages alone."""
    try:
        seen = linker.tempo.tag_values("resource.telemetry.sdk.language")
    except ClientError:  # the next question will say it
        seen = []
    told = " (in Python by OTEL_PYTHON_EXCLUDED_URLS or excluded_urls)"
    return told if not seen or "python" in seen else ""


def no_profile_id(evidence: Evidence, count: int) -> str:
    """Say which local root spans carry no profile ID."""
    trace = evidence.trace
    roots = trace.local_roots if trace else ()
    carrying = [span for span in roots if span.profile_id]
    named = ", ".join(f"{span.name} ({span.span_id}, {span.service})" for span in roots) or "none"
    if len(carrying) >= count:
        return (
            f"the local root span that answered the request has no pyroscope.profile.id, or is not in the trace"
            f" {evidence.trace_id}; {', '.join(span.span_id for span in carrying)} further down has one;"
            f" local root spans: {named}"
        )
    if carrying:
        return (
            f"{len(carrying)} local root span(s) of the trace {evidence.trace_id} carry pyroscope.profile.id,"
            f" {count} are awaited; local root spans: {named}"
        )
    missing = why_no_profile_id(roots)
    return (
        f"no local root span of the trace {evidence.trace_id} carries pyroscope.profile.id: {missing};"
        f" local root spans: {named}"
    )


def no_profile_id_on(span: Span, evidence: Evidence) -> str:
    """Say of one span that it carries no profile ID, and where its CPU is if it is a child."""
    trace = evidence.trace
    above = trace.parent(span) if trace and not trace.is_local_root(span) else None
    while trace and above and not above.profile_id and not trace.is_local_root(above):
        above = trace.parent(above)
    if above is None:
        return no_profile_id(evidence, 1)
    return (
        f"the span {span.span_id} ({span.name}) carries no pyroscope.profile.id, for it is a child span: its CPU is in"
        f" the span profile of the span above it, {above.name} ({above.span_id})"
    )


def no_samples(span: Span, evidence: Evidence, linker: Linker) -> str:
    """Say that a span is a dead link, and where samples are instead: another service name, another time, nowhere."""
    query = linker.query(span)
    message = (
        f"the span {span.span_id} ({span.name}, {span.duration_ns / 1e6:.1f} ms) carries the profile ID"
        f" {span.profile_id} and no sample has it (asked {query.selector}, {query.profile_type})"
    )
    if span.profile_id != span.span_id:
        evidence.notes.append("the profile ID is not the span's own ID: another span's was copied, or it was rewritten")
    late = [one for one in evidence.trace.late_roots if one is not span] if evidence.trace else []
    if late:
        named = ", ".join(f"{one.name} ({one.span_id}, {one.duration_ns / 1e6:.0f} ms)" for one in late[:_NAMES])
        evidence.notes.append(f"work that goes on without it has span profiles of its own: {named}")
    try:
        evidence.notes.append(_where_instead(span, query, linker, evidence))
    except ClientError as error:
        evidence.notes.append(str(error))
    return _with_notes(message, evidence)


def _where_instead(span: Span, query: ProfileQuery, linker: Linker, evidence: Evidence) -> str:
    pyroscope = linker.pyroscope
    day = ProfileQuery(_EVERYTHING, query.end_ms - _HALF_A_DAY_MS, query.end_ms + _HALF_A_DAY_MS, query.profile_type)
    everywhere = ProfileQuery(_EVERYTHING, query.start_ms, query.end_ms, query.profile_type)
    services = pyroscope.label_values("service_name", query.start_ms, query.end_ms)
    named = ", ".join(services[:_NAMES])
    if not pyroscope.span_profile(everywhere, [span.profile_id or ""]).is_empty:
        return (
            f"the samples are there, but not under service_name={span.service!r}: the agent's application name is"
            f" another than the tracer's service.name (services with profiles: {named})"
        )
    if not pyroscope.span_profile(day, [span.profile_id or ""]).is_empty:
        return "the samples are there, but outside the window asked: margin too short, or clocks apart"
    carried_by = _another_type(span, query, linker)
    if carried_by:
        return f"samples of type {carried_by} carry its ID, those of time do not: {setting(carried_by)} to see them"
    evidence.notes.extend(sentences(pyroscope.refusals(span.start_ns / 1e9, span.service)))
    if not services:
        return (
            "Pyroscope has no profile of any service in that window: no agent runs, its uploads fail, or it has not"
            " uploaded yet"
        )
    if span.service not in services:
        return f"Pyroscope has no profile of {span.service!r}: no agent runs there (services with profiles: {named})"
    if is_too_short(span.duration_ns):
        evidence.excused[span.profile_id or ""] = "as is usual of a span so short"
        return f"the span is shorter than {FEW_PERIODS} sample periods of 10 ms: it may have been missed"
    return f"{span.service!r} has profiles, but none of this span{_cpu_of_no_span(span, query, linker)}"


def _cpu_of_no_span(span: Span, query: ProfileQuery, linker: Linker) -> str:
    """Say how much CPU there is in the span's time that carries no span, and in which functions."""
    if not measures_cpu(query.profile_type):
        return ""
    start_ms = span.start_ns // 1_000_000 - int(linker.upload_interval_s * 1000)
    around = ProfileQuery(without_span(query.selector), start_ms, span.end_ns // 1_000_000, query.profile_type)
    found = linker.pyroscope.merged_profile(around)
    top = ", ".join(f"{row.name} {row.self / 1e6:.0f} ms" for row in found.top(_FUNCTIONS))
    return f"; in its time they hold {found.total / 1e6:.0f} ms of CPU without a span{f': {top}' if top else ''}"


def _another_type(span: Span, query: ProfileQuery, linker: Linker) -> str:
    """Return the type of profile, other than time, whose samples have the span's ID; empty where none has."""
    for profile_type in others(types_of(linker.pyroscope, query), query.profile_type):
        found = linker.pyroscope.span_profile(replace(query, profile_type=profile_type), [span.profile_id or ""])
        if not found.is_empty:
            return profile_type
    return ""


def _with_notes(message: str, evidence: Evidence) -> str:
    return "; ".join([message, *evidence.notes])
