"""Hop: the service's local root spans carry ``pyroscope.profile.id``. Child spans carry none by design."""

from __future__ import annotations

from collections import Counter

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.processes import process_of
from spanprofiles.model import Span, languages
from spanprofiles.model.withheld import withheld_advice, withheld_reasons

_NAME = "profile ID"

_NAMES = 5


def judge(facts: Facts) -> Finding:
    """Judge whether the span processor is there, in each process."""
    roots = facts.roots
    all_of = Counter(process_of(span) for span in roots.spans)
    carrying = Counter(process_of(span) for span in roots.carrying)
    without = [span for span in roots.spans if not span.profile_id]
    seen = {
        "local_roots": len(roots.spans),
        "carrying": len(roots.carrying),
        "child_spans": len(roots.children),
        "child_spans_carrying": sum(span.profile_id is not None for span in roots.children),
        "processes": {name: {"local_roots": all_of[name], "carrying": carrying[name]} for name in sorted(all_of)},
        "without": [span.span_id for span in without[:_NAMES]],
        "withheld": dict(Counter(span.profile_missing for span in without if span.profile_missing).most_common(_NAMES)),
    }
    evidence: tuple[str, ...]
    counted = f"{len(roots.carrying)} of {len(roots.spans)} local root span(s) carry a profile ID"
    if not roots.spans:
        return Finding(_NAME, Verdict.DOUBTFUL, ("there is no local root span to check",), seen)
    if not without:
        own = sum(span.profile_id == span.span_id for span in roots.children)
        others = len(roots.children) - own
        evidence = (
            counted,
            *([f"{others} child span(s) need none"] if others else []),
            *(
                [f"{own} child span(s) have a profile of their own, such as work that outlives its request"]
                if own
                else []
            ),
        )
        return Finding(_NAME, Verdict.OK, evidence, seen)
    named = ", ".join(sorted({span.name for span in without})[:_NAMES])
    evidence = (counted, f"without: {named}", f"made by {_instrumentation(without)}")
    told = withheld_reasons(without)
    if told:
        evidence = (*evidence, told)
    bare = [name for name in sorted(all_of) if not carrying[name]]
    if bare and roots.carrying:
        evidence = (*evidence, f"processes without a profile ID: {'; '.join(bare)}")
    below = sum(span.profile_id == span.span_id and process_of(span) in bare for span in roots.children)
    if below:
        evidence = (*evidence, f"{below} child span(s) carry one: local root spans are made without the span processor")
    if bare:
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _advice(facts, without))
    return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, _advice_now_and_then(facts, without))


def _instrumentation(spans: list[Span]) -> str:
    found: Counter[str] = Counter()
    for span in spans:
        parts = (
            span.resource.get(f"telemetry.{name}")
            for name in ("distro.name", "sdk.name", "sdk.language", "sdk.version")
        )
        found[" ".join(str(part) for part in parts if part) or "an SDK that does not give its name"] += 1
    return ", ".join(name for name, _ in found.most_common())


def _advice(facts: Facts, without: list[Span]) -> str:
    spans = [span for span in without if not span.profile_missing]
    withheld = withheld_advice(without, facts.languages)
    if not spans:
        return withheld
    return f"{_adding(facts, spans)}; where the ID is withheld: {withheld}" if withheld else _adding(facts, spans)


def _advice_now_and_then(facts: Facts, without: list[Span]) -> str:
    """Return advice for processes in which some spans carry a profile ID and some do not."""
    withheld = withheld_advice(without, facts.languages)
    if withheld:
        return f"the agent was started after the first spans, or stopped before the last: {withheld}"
    return (
        "some spans of the same process carry a profile ID, some do not: a second tracer provider without the span"
        " processor, or spans begun before it was added"
    )


def _adding(facts: Facts, spans: list[Span]) -> str:
    outside = [span for span in spans if languages.is_traced_from_outside(span.resource)]
    if len(outside) == len(spans):
        return (
            "a tracer outside the process makes these spans, and cannot have a span processor: instrument the process"
            f" with OpenTelemetry's SDK of its language, then {_processors(facts, spans)}"
        )
    return _processors(facts, spans)


def _processors(facts: Facts, spans: list[Span]) -> str:
    found = languages.of_spans(spans) or facts.languages
    return languages.advice(found, lambda language: language.processor_advice)


HOP = Hop(_NAME, judge)
