"""Hop: the CPU of spans carries their IDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spanprofiles.doctor import agents
from spanprofiles.doctor.causes import cpu_without_id
from spanprofiles.doctor.collectors.links import collect_links
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import LinkFacts
from spanprofiles.doctor.process_links import is_long
from spanprofiles.doctor.processes import process_of
from spanprofiles.doctor.unlabelled import Group, is_half_open
from spanprofiles.doctor.uploads import Arrival
from spanprofiles.model import Span
from spanprofiles.model.profile_types import Kind, ProfileType
from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS
from spanprofiles.model.unlabelled import Explains, UnlabelledCpu

_NAME = "sample labels"

# From this share of spans that lost their labels on the hop is broken, and not only doubtful.
_BROKEN_SHARE = 0.05
_NAMES = 4

# Spans of this total length have samples of wall time, whatever they do, ns.
_ENOUGH_WALL_NS = 2_000_000_000


def judge(facts: Facts) -> Finding:
    """Judge whether the agent labels samples with the span that runs, on each thread that works for it."""
    found = facts.links or LinkFacts()
    uploads = facts.uploads
    linked = sum(link.is_linked for link in found.links)
    arrived = [link.span for link in found.links if uploads.arrival(link.span) is not Arrival.AWAITED]
    without = facts.groups
    lost = [group for group in without if group.explains is Explains.YES and _is_asked_about(group, facts)]
    half = facts.half_labelled
    lost_spans = sum(len(group.links) for group in lost)
    exemplars = found.exemplars
    has_names = bool(facts.profiles and facts.profiles.has_span_names)
    seen = {
        "linked": linked,
        "spans": len(found.links),
        "span_ids_on_samples": None if exemplars is None else len({exemplar.span_id for exemplar in exemplars}),
        "samples_have_span_names": has_names,
        "service_cpu_ns": int(sum(value for series in found.uploads for _, value in series.points)),
        "unlabelled_cpu_ns": None if found.unlabelled is None else int(_cpu_ns(found)),
        "time_in_spans_ns": sum(span.duration_ns for span in arrived if is_long(span)),
        "without_labels": [_seen(group) for group in lost],
        "half_labelled": [_seen(group) for group in half],
    }
    reasons = (*agents.evidence(facts), *agents.other_types(facts))
    carried = f"samples carry the IDs of {linked} of {len(found.links)} span(s)"
    if not linked:
        carried = f"no sample of {facts.service} carries the ID of one of {len(found.links)} span(s)"
    if lost:
        evidence = (carried, *(_sentence(group) for group in lost[:_NAMES]), *reasons)
        is_broken = lost_spans >= _BROKEN_SHARE * (linked + lost_spans) or bool(facts.question.trace_id)
        verdict = Verdict.BROKEN if is_broken else Verdict.DOUBTFUL
        return Finding(
            _NAME, verdict, evidence, seen, _advice(facts, lost, has_labels=bool(linked or exemplars or has_names))
        )
    if half:
        evidence = (carried, *(_half(group) for group in half[:_NAMES]))
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, _advice(facts, half, has_labels=True))
    undecided = [group for group in without if group.is_undecided and _is_asked_about(group, facts)]
    if undecided and linked:
        return _undecided(facts, carried, undecided, seen)
    if linked:
        return Finding(_NAME, Verdict.OK, (carried,), seen)
    if exemplars or (exemplars is None and has_names):
        examples = ", ".join(sorted({exemplar.span_id for exemplar in exemplars or ()})[:3])
        evidence = (f"samples carry span IDs{f', such as {examples}' if examples else ''}",)
        return Finding(_NAME, Verdict.OK, evidence, seen)
    if agents.cannot_link(facts):
        evidence = (carried, *reasons)
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, agents.advice(facts))
    unlabelled_wall = _wall_time(facts, [span for span in arrived if is_long(span)])
    if unlabelled_wall:
        return Finding(_NAME, Verdict.BROKEN, (carried, unlabelled_wall, *reasons), seen, agents.advice(facts))
    if not arrived:
        evidence = (carried, "the spans ended moments ago: their upload may still come")
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, "look again after one upload interval of the agent")
    # where nothing at all is labelled, other work of the process does not matter
    busy = [group for group in without if group.cpu and not group.are_short and _computed(group, group.cpu)]
    if busy:
        evidence = (carried, *(_sentence(group) for group in busy[:_NAMES]), *facts.refused_profiles, *reasons)
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _advice(facts, busy, has_labels=False))
    if undecided:
        return _undecided(facts, carried, undecided, seen)
    spent_ns = sum(group.cpu.cpu_ns for group in without if group.cpu)
    little = f"around them its profiles hold {spent_ns / 1e6:.0f} ms of CPU: too little to tell why"
    evidence = (carried, little, *facts.refused_profiles, *reasons)
    return Finding(
        _NAME, Verdict.DOUBTFUL, evidence, seen, f"{_COMPUTE}; if there is still none: {agents.advice(facts)}"
    )


def _undecided(facts: Facts, carried: str, groups: list[Group], seen: Mapping[str, object]) -> Finding:
    """Doubt short spans around which their process computes all the time."""
    evidence = (carried, *(_sentence(group) for group in groups[:_NAMES]), _NEVER_IDLE, *agents.evidence(facts))
    return Finding(
        _NAME, Verdict.DOUBTFUL, evidence, seen, f"{_LET_IT_REST}: {_advice(facts, groups, has_labels=True)}"
    )


def _wall_time(facts: Facts, spans: list[Span]) -> str:
    """Say that wall time carries no span ID, where that is proof: waiting has samples of wall time too."""
    spent_ns = sum(span.duration_ns for span in spans)
    types = facts.profiles.types if facts.profiles else ()
    wall = next((profile_type for profile_type in types if ProfileType.of(profile_type).kind is Kind.WALL), "")
    if not wall or spent_ns < _ENOUGH_WALL_NS:
        return ""
    return (
        f"its samples of wall time ({wall}) carry none either: {len(spans)} span(s) of {spent_ns / 1e9:.2f} s in total"
        " would have some even if they only waited"
    )


def _computed(group: Group, cpu: UnlabelledCpu) -> bool:
    """Tell whether there is CPU for half of the spans' time, more than by chance, that is not the process's start."""
    return not group.is_starting and cpu.cpu_ns >= max(MANY_PERIODS * SAMPLE_PERIOD_NS, cpu.open_ns / 2)


def _is_asked_about(group: Group, facts: Facts) -> bool:
    """Tell whether a span in question is in the group, or is like it but for the samples it has by chance."""
    return any(
        link in group.links or (is_half_open(link) and (process_of(link.span), link.span.name) == group.key[:2])
        for link in facts.focus
    )


def _cpu_ns(found: LinkFacts) -> float:
    return sum(value for series in found.unlabelled or () for _, value in series.points)


def _seen(group: Group) -> dict[str, object]:
    return {
        "name": group.name,
        "process": group.process,
        "spans": [link.span.span_id for link in group.links],
        "cpu_ns": int(group.cpu.cpu_ns) if group.cpu else None,
        "functions": dict(group.functions.top),
    }


def _sentence(group: Group) -> str:
    went_on = sum(bool(outlasting) for outlasting in group.outlasting.values())
    after = f", and work goes on after {went_on} of them" if went_on else ""
    return f"{len(group.links)} span(s) {group.name!r} have no sample{after}; {cpu_without_id(group)}"


def _half(group: Group) -> str:
    open_ns = group.cpu.open_ns if group.cpu else 0.0
    left = f"{open_ns / 1e6:.0f} ms of {len(group.links)} linked span(s) {group.name!r} are not in their samples"
    return f"{left}; {cpu_without_id(group)}"


def _advice(facts: Facts, without: Sequence[Group], *, has_labels: bool) -> str:
    if agents.cannot_link(facts):
        return agents.advice(facts)
    goes_on = any(facts.outlasting.values()) or any(group.are_short for group in without)
    after = [_AFTERWARDS] if goes_on else []
    never = [] if has_labels else [agents.advice(facts)]
    return "; ".join([*never, *after, facts.advice(lambda language: language.elsewhere_advice)])


_COMPUTE = "send requests that compute for 50 ms or more: short and waiting spans may have no sample at all"
_NEVER_IDLE = "it is not clear whose work that is: the process was never idle, so there is nothing to compare it with"
_LET_IT_REST = (
    "send no request for 10 s, then look again; if those functions work for the requests (a streamed body, a thread"
    " that a request starts)"
)
_AFTERWARDS = "the span has ended when the work begins or goes on: give that work a span of its own"

HOP = Hop(_NAME, judge, collect_links)
