"""Looks for traces of the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spanprofiles.clients import ClientError, RequestRefusedError, SpanExemplar
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.profiles import exemplars, known_services, refused
from spanprofiles.doctor.facts import TraceFacts
from spanprofiles.model import Trace
from spanprofiles.model.selector import traceql_text

_PROFILED = 40
_NEWEST_FIRST = " with (most_recent=true)"


def wanted_trace(case: Case) -> tuple[Case, Trace | None]:
    """Return the one trace that is asked about, and the question with its service and its time filled in.

    Without a service named, the one that answered the request is meant: that of the first local root span.

    Raises:
        ClientError: Tempo failed.
    """
    trace = case.tempo.trace(case.trace_id)
    if trace is None:
        return case, None
    named = [span.service for span in trace.local_roots if span.service]
    service = case.service or (named[0] if named else "")
    first, last = min(span.start_ns for span in trace.spans), max(span.end_ns for span in trace.spans)
    return replace(case, service=service, around_ns=(first, last)), trace


def traces(case: Case, wanted: Trace | None = None) -> TraceFacts:
    """Return the newest traces of the service, the wanted one first.

    Raises:
        ClientError: Tempo failed.
    """
    found = _found(case, wanted)
    if any(case.service in trace.services for trace in found.traces):
        return found
    since_s, until_s = case.window_s
    return replace(
        found,
        refused=case.tempo.refusals(since_s, case.service, until_s),
        # no other hop will be looked at
        refused_profiles=() if found.profiled or case.trace_id else refused(case),
    )


def _found(case: Case, wanted: Trace | None) -> TraceFacts:
    services = tuple(traced_services(case))
    if case.trace_id and wanted is None:
        return TraceFacts(services)
    found = _search(case) if case.service else []
    by_samples = not found and wanted is None
    if by_samples:
        return _by_samples(case, services)
    fetched = _fetch(case, [trace_id for trace_id in found if wanted is None or trace_id != wanted.trace_id])
    return TraceFacts(services, tuple([wanted, *fetched] if wanted else fetched))


def traced_services(case: Case) -> list[str]:
    """Return the services that Tempo knows, those of probes and health checks left out.

    Raises:
        ClientError: Tempo failed.
    """
    return [name for name in case.tempo.tag_values("resource.service.name") if name not in CHECKING_SERVICES]


def with_profiled(case: Case, found: TraceFacts, seen: Sequence[SpanExemplar]) -> TraceFacts:
    """Add traces that have samples, where none of the newest has: the agent may have worked, and stopped.

    They are found by the trace IDs on samples; without those, by their time.

    Raises:
        ClientError: Tempo failed.
    """
    known = {trace.trace_id for trace in found.traces}
    newest = sorted(seen, key=lambda one: -one.time_ms)
    trace_ids = list(dict.fromkeys(one.trace_id for one in newest if one.trace_id))[:_PROFILED]
    if not trace_ids and newest:
        trace_ids = _search(case, newest[0].time_ms / 1000)
    added = _fetch(case, [trace_id for trace_id in trace_ids if trace_id not in known])
    return replace(found, traces=(*found.traces, *added))


def _search(case: Case, until_s: float | None = None) -> list[str]:
    """Return trace IDs, newest first."""
    first, last = case.window_s
    last = last if until_s is None else until_s
    if last <= first:
        return []
    query = f"{{ resource.service.name = {traceql_text(case.service)} }}"
    window = {"start_s": int(first), "end_s": int(last) + 1, "limit": case.most_traces, "spans": 1}
    try:
        found = case.tempo.search(query + _NEWEST_FIRST, **window)
    except RequestRefusedError:  # an older Tempo does not know the hint
        found = case.tempo.search(query, **window)
    return [one.trace_id for one in sorted(found, key=lambda one: -one.start_ns)]


def _fetch(case: Case, trace_ids: list[str]) -> list[Trace]:
    found = case.each(case.tempo.trace, trace_ids)
    return sorted(found, key=lambda trace: -trace.spans[0].start_ns)


def _by_samples(case: Case, services: tuple[str, ...]) -> TraceFacts:
    """Look for traces by the IDs on samples: a search lags behind, and does not find what is ahead of its clock."""
    try:
        known = known_services(case)
        if case.service not in known:
            profiled = bool(known) if not case.service else False
            return TraceFacts(services, profiled=profiled)
        seen = exemplars(case)
    except ClientError:  # another hop will say it
        return TraceFacts(services)
    if not seen:
        return TraceFacts(services, profiled=True, labelled=None if seen is None else False)
    newest = sorted(seen, key=lambda one: -one.time_ms)
    trace_ids = list(dict.fromkeys(one.trace_id for one in newest if one.trace_id))[: case.most_traces]
    found = _fetch(case, trace_ids)
    return TraceFacts(services, tuple(found), by_samples=bool(found), profiled=True, labelled=True)
