"""Hop: the service's samples carry span IDs."""

from __future__ import annotations

from spanprofiles.doctor import agents
from spanprofiles.doctor.explaining import is_long, uploads_of
from spanprofiles.doctor.facts import Facts, LinkFacts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.uploads import Arrival

HOP = "sample labels"

# So much time in spans has labelled samples even where nearly all of it is waiting.
_ENOUGH_NS = 2_000_000_000
_FEW_SAMPLES_NS = 50_000_000


def judge(facts: Facts) -> Finding:
    """Judge whether the agent labels samples with the spans that run."""
    found = facts.links or LinkFacts()
    uploads = uploads_of(facts)
    linked = sum(one.is_linked for one in found.links)
    arrived = [one.span for one in found.links if uploads.arrival(one.span, facts.now_ns) is not Arrival.AWAITED]
    judged = [span for span in arrived if is_long(span)]
    spent_ns = sum(span.duration_ns for span in judged)
    cpu_ns = sum(value for one in found.uploads for _, value in one.points)
    exemplars = found.exemplars
    has_names = any("span_name" in one for one in (facts.profiles.series if facts.profiles else ()))
    seen = {
        "linked": linked,
        "spans": len(found.links),
        "span_ids_on_samples": None if exemplars is None else len({one.span_id for one in exemplars}),
        "samples_have_span_names": has_names,
        "service_cpu_ns": int(cpu_ns),
        "time_in_spans_ns": spent_ns,
    }
    if linked:
        return Finding(HOP, Verdict.OK, (f"samples carry the IDs of {linked} of {len(found.links)} span(s)",), seen)
    if exemplars or (exemplars is None and has_names):
        examples = ", ".join(sorted({one.span_id for one in exemplars or ()})[:3])
        evidence: tuple[str, ...] = (f"samples carry span IDs{f', such as {examples}' if examples else ''}",)
        return Finding(HOP, Verdict.OK, evidence, seen)
    none = f"no sample of {facts.service} carries a span ID"
    amounts = f"its profiles hold {cpu_ns / 1e9:.2f} s of CPU, the {len(judged)} span(s) looked at last"
    evidence = (none, f"{amounts} {spent_ns / 1e9:.2f} s", *agents.evidence(facts))
    if agents.cannot_link(facts):
        return Finding(HOP, Verdict.BROKEN, (none, *agents.evidence(facts)), seen, agents.advice(facts))
    if not arrived:
        evidence = (none, "the spans ended moments ago: their upload may still come")
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, "look again after one upload interval of the agent")
    if uploads.last_ms is not None and uploads.last_ms < min(span.start_ns for span in arrived) / 1e6:
        evidence = (*evidence, "its newest profile is older than the spans: the agent does not run where they do")
        return Finding(HOP, Verdict.BROKEN, evidence, seen, facts.advice(lambda one: one.fork_advice))
    if spent_ns >= _ENOUGH_NS or (judged and cpu_ns >= max(_FEW_SAMPLES_NS, spent_ns / 2)):
        return Finding(HOP, Verdict.BROKEN, evidence, seen, agents.advice(facts))
    advice = "send requests that compute for 50 ms and more: short and waiting spans may have no sample at all"
    return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, advice)
