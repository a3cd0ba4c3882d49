"""Asks for traces of the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spanprofiles.clients import ClientError, RequestRefusedError, SpanExemplar
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.queries import exemplars, known_services, refused
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import TraceFacts
from spanprofiles.doctor.question import Question
from spanprofiles.model import Trace
from spanprofiles.model.selector import traceql_text

_PROFILED = 40
_NEWEST_FIRST = " with (most_recent=true)"


class SeveralServicesError(ValueError):
    """Tempo knows several services and none was chosen.

    Attributes:
        services: their names.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self.services = tuple(services)
        super().__init__(f"Tempo knows several services, choose one: {', '.join(services)}")


def collect_traces(case: Case, facts: Facts) -> Facts:
    """Add the newest traces of the service. Fill in the service where the question does not name it.

    Raises:
        SeveralServicesError: no service is named and Tempo knows several.
        ClientError: a server failed.
    """
    question, wanted = case.question, None
    if question.trace_id:
        wanted = case.tempo.trace(question.trace_id)
        if wanted is not None:
            question = _about_trace(question, wanted)
    elif not question.service:
        question = replace(question, service=_only_service(case))
    case = case.about(question)
    found = _found(case, wanted)
    if not any(case.service in trace.services for trace in found.traces):
        found = _with_refusals(case, found)
    return replace(facts, question=question, traces=found)


def _about_trace(question: Question, trace: Trace) -> Question:
    """Fill in the time of the one trace, and its service: that of the first local root span, which answered."""
    named = [span.service for span in trace.local_roots if span.service]
    service = question.service or (named[0] if named else "")
    first, last = min(span.start_ns for span in trace.spans), max(span.end_ns for span in trace.spans)
    return replace(question, service=service, around_ns=(first, last))


def _only_service(case: Case) -> str:
    known = _traced_services(case)
    if len(known) > 1:
        raise SeveralServicesError(sorted(known))
    return known[0] if known else ""


def _with_refusals(case: Case, found: TraceFacts) -> TraceFacts:
    since_s, until_s = case.question.window_s
    return replace(
        found,
        refused=case.tempo.refusals(since_s, case.service, until_s),
        # no later hop will ask for it
        refused_profiles=() if found.profiled or case.question.trace_id else refused(case),
    )


def _found(case: Case, wanted: Trace | None) -> TraceFacts:
    services = tuple(_traced_services(case))
    if case.question.trace_id and wanted is None:
        return TraceFacts(services)
    found = _search(case) if case.service else []
    by_samples = not found and wanted is None
    if by_samples:
        return _by_samples(case, services)
    fetched = _fetch(case, [trace_id for trace_id in found if wanted is None or trace_id != wanted.trace_id])
    return TraceFacts(services, tuple([wanted, *fetched] if wanted else fetched))


def _traced_services(case: Case) -> list[str]:
    """Return the services that Tempo knows, without those of probes and health checks."""
    return [name for name in case.tempo.tag_values("resource.service.name") if name not in CHECKING_SERVICES]


def with_profiled(case: Case, found: TraceFacts, seen: Sequence[SpanExemplar]) -> TraceFacts:
    """Add traces with samples, where none of the newest has any: the agent may have stopped.

    The trace IDs on samples lead to them; without such IDs, their time does.

    Raises:
        ClientError: Tempo failed.
    """
    known = {trace.trace_id for trace in found.traces}
    newest = sorted(seen, key=lambda exemplar: -exemplar.time_ms)
    trace_ids = list(dict.fromkeys(exemplar.trace_id for exemplar in newest if exemplar.trace_id))[:_PROFILED]
    if not trace_ids and newest:
        trace_ids = _search(case, newest[0].time_ms / 1000)
    added = _fetch(case, [trace_id for trace_id in trace_ids if trace_id not in known])
    return replace(found, traces=(*found.traces, *added))


def _search(case: Case, until_s: float | None = None) -> list[str]:
    """Return trace IDs, newest first."""
    first, last = case.question.window_s
    last = last if until_s is None else until_s
    if last <= first:
        return []
    query = f"{{ resource.service.name = {traceql_text(case.service)} }}"
    window = {"start_s": int(first), "end_s": int(last) + 1, "limit": case.most_traces, "spans": 1}
    try:
        found = case.tempo.search(query + _NEWEST_FIRST, **window)
    except RequestRefusedError:  # an older Tempo does not know the hint
        found = case.tempo.search(query, **window)
    if case.question.around_ns is not None:  # servers search by whole seconds, and neighbours may be nearer
        found = [trace for trace in found if trace.start_ns >= first * 1e9]
    return [trace.trace_id for trace in sorted(found, key=lambda trace: -trace.start_ns)]


def _fetch(case: Case, trace_ids: list[str]) -> list[Trace]:
    found = case.each(case.tempo.trace, trace_ids)
    return sorted(found, key=lambda trace: -trace.spans[0].start_ns)


def _by_samples(case: Case, services: tuple[str, ...]) -> TraceFacts:
    """Look for traces by the IDs on samples: a search lags behind, and misses spans that are ahead of its clock."""
    try:
        known = known_services(case)
        if case.service not in known:
            profiled = bool(known) if not case.service else False
            return TraceFacts(services, profiled=profiled)
        seen = exemplars(case)
    except ClientError:  # another hop will report it
        return TraceFacts(services)
    if not seen:
        return TraceFacts(services, profiled=True, labelled=None if seen is None else False)
    newest = sorted(seen, key=lambda exemplar: -exemplar.time_ms)
    trace_ids = list(dict.fromkeys(exemplar.trace_id for exemplar in newest if exemplar.trace_id))[: case.most_traces]
    found = _fetch(case, trace_ids)
    return TraceFacts(services, tuple(found), by_samples=bool(found), profiled=True, labelled=True)
