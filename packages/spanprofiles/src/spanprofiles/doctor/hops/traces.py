"""Hop: Tempo has traces of the service."""

from __future__ import annotations

from dataclasses import replace

from spanprofiles.doctor.collectors.traces import collect_traces
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.names import nearest
from spanprofiles.doctor.observations import TraceFacts
from spanprofiles.doctor.refusals import with_refusals

_NAME = "traces"

_NAMES = 8


def judge(facts: Facts) -> Finding:
    """Judge whether there is something to follow."""
    found = facts.traces or TraceFacts()
    roots = facts.roots
    count = len(roots.spans) + len(roots.unsure) + len(roots.children)
    seen = {
        "traces": len(found.traces),
        "local_roots": len(roots.spans),
        "child_spans": len(roots.children),
        "spans_without_their_parent": len(roots.unsure),
        "services": list(found.services),
        "newest_trace_id": found.traces[0].trace_id if found.traces else None,
        "refused": {refusal.reason: refusal.count for refusal in found.refused},
        "refused_profiles": {refusal.reason: refusal.count for refusal in found.refused_profiles},
    }
    if count:
        evidence = [
            f"{len(found.traces)} trace(s) with {len(roots.spans)} local root span(s) of {facts.service},"
            f" the newest is {found.traces[0].trace_id}"
        ]
        if found.by_samples:
            evidence.append("the search does not find them yet; the trace IDs on samples led to them")
        if not roots.spans:
            evidence.append("it has child spans only: no span is known to have a remote parent")
            return Finding(_NAME, Verdict.DOUBTFUL, tuple(evidence), seen, _PARENTS)
        return Finding(_NAME, Verdict.OK, tuple(evidence), seen)
    return _missing(facts, found, seen)


def _missing(facts: Facts, found: TraceFacts, seen: dict[str, object]) -> Finding:
    finding = _absent(facts, found, seen)
    advice = with_refusals((*found.refused, *found.refused_profiles), finding.advice)
    return replace(finding, evidence=(*finding.evidence, *facts.refused_without_a_trace), advice=advice)


def _absent(facts: Facts, found: TraceFacts, seen: dict[str, object]) -> Finding:
    known = ", ".join(found.services[:_NAMES]) or "none"
    if facts.question.trace_id:
        in_it = list(dict.fromkeys(name for trace in found.traces for name in trace.services))
        evidence: tuple[str, ...] = (
            (f"the trace {facts.question.trace_id} has no span of {facts.service}, only of {', '.join(in_it)}",)
            if in_it
            else (f"Tempo has no span of the trace {facts.question.trace_id}", f"it has spans of: {known}")
        )
        advice = f"name one of them with --service: {', '.join(in_it)}" if in_it else _NO_SUCH_TRACE
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)
    if not found.services:
        return Finding(
            _NAME,
            Verdict.BROKEN,
            (_NOTHING if found.refused else f"{_NOTHING}: nothing has reached it", *_pyroscope(facts, found)),
            seen,
            "send the app a request; set OTEL_EXPORTER_OTLP_ENDPOINT to Tempo's OTLP receiver; --probe tests it",
        )
    minutes = f"{facts.question.since_s / 60:g} min"
    if facts.service in found.services:
        evidence = (f"Tempo knows {facts.service} but has no trace from the last {minutes}", *_pyroscope(facts, found))
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _advice(found) or _OLD)
    alike = nearest(facts.service, found.services)
    evidence = (f"Tempo has no span of {facts.service}", f"it has spans of: {known}")
    if alike:
        advice = f"is it called {' or '.join(alike)}? service.name and --service must be the same"
        return Finding(_NAME, Verdict.BROKEN, (*evidence, *_pyroscope(facts, found)), seen, advice)
    advice = _advice(found) or "send it a request; look at its exporter's address and at its log"
    return Finding(_NAME, Verdict.BROKEN, (*evidence, *_pyroscope(facts, found)), seen, advice)


def _pyroscope(facts: Facts, found: TraceFacts) -> tuple[str, ...]:
    if found.profiled is None:
        return ()
    if not found.profiled:
        return (f"Pyroscope has no profile of {facts.service or 'any service'} either",)
    if found.labelled is None:
        return ("Pyroscope has profiles of it, so it runs",)
    labels = "whose samples carry span IDs" if found.labelled else "and no sample carries a span ID"
    return (f"Pyroscope has profiles of it, {labels}",)


def _advice(found: TraceFacts) -> str:
    if found.profiled and found.labelled:
        return "its spans are recorded and sampled, but do not arrive: look at the exporter's address and at its log"
    if found.profiled and found.labelled is False:
        return (
            "it runs, but its spans are not sampled, or it makes none: look at OTEL_TRACES_SAMPLER (always_off, a small"
            " ratio, a parent that is not sampled), then send it a request"
        )
    return ""


_NOTHING = "Tempo has no span of any service"
_OLD = "send it a request, or look further back with --since; a Tempo with default settings finds a trace 30 s late"
_NO_SUCH_TRACE = (
    "the request was not sampled (traceparent ends in -00, OTEL_TRACES_SAMPLER), the service exports to another server,"
    " or the trace is older than Tempo keeps"
)
_PARENTS = "look further back with --since, so that the parents of these spans are among the traces"

HOP = Hop(_NAME, judge, collect_traces)
