"""Hop: the CPU of spans carries their IDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spanprofiles.doctor import agents
from spanprofiles.doctor.causes import cpu_without_id, is_long, uploads_of
from spanprofiles.doctor.facts import Facts, LinkFacts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.unlabelled import Group, groups, half_labelled, outlasting_spans
from spanprofiles.doctor.uploads import Arrival
from spanprofiles.model import Span
from spanprofiles.model.profile_types import Kind, ProfileType
from spanprofiles.model.sampling import MANY_PERIODS, SAMPLE_PERIOD_NS
from spanprofiles.model.unlabelled import Explains, UnlabelledCpu

HOP = "sample labels"

# Of the spans that should have samples, so many may lose their labels before the hop is broken, and not only doubtful.
_BROKEN_SHARE = 0.05
_NAMES = 4

# Spans that last so long together have samples of wall time, whatever they do.
_ENOUGH_WALL_NS = 2_000_000_000


def judge(facts: Facts) -> Finding:
    """Judge whether the agent labels samples with the spans that run, wherever their work runs."""
    found = facts.links or LinkFacts()
    uploads = uploads_of(facts)
    linked = sum(one.is_linked for one in found.links)
    arrived = [one.span for one in found.links if uploads.arrival(one.span, facts.now_ns) is not Arrival.AWAITED]
    without = groups(facts, uploads)
    lost = [one for one in without if one.explains is Explains.YES and _is_asked_about(one, facts)]
    half = half_labelled(facts, uploads, without)
    lost_spans = sum(len(one.links) for one in lost)
    exemplars = found.exemplars
    has_names = bool(facts.profiles and facts.profiles.has_span_names)
    seen = {
        "linked": linked,
        "spans": len(found.links),
        "span_ids_on_samples": None if exemplars is None else len({one.span_id for one in exemplars}),
        "samples_have_span_names": has_names,
        "service_cpu_ns": int(sum(value for one in found.uploads for _, value in one.points)),
        "unlabelled_cpu_ns": None if found.unlabelled is None else int(_cpu_ns(found)),
        "time_in_spans_ns": sum(span.duration_ns for span in arrived if is_long(span)),
        "without_labels": [_seen(one) for one in lost],
        "half_labelled": [_seen(one) for one in half],
    }
    reasons = (*agents.evidence(facts), *agents.other_types(facts))
    carried = f"samples carry the IDs of {linked} of {len(found.links)} span(s)"
    if not linked:
        carried = f"no sample of {facts.service} carries the ID of one of {len(found.links)} span(s)"
    if lost:
        evidence = (carried, *(_sentence(one) for one in lost[:_NAMES]), *reasons)
        is_broken = lost_spans >= _BROKEN_SHARE * (linked + lost_spans) or bool(facts.trace_id)
        verdict = Verdict.BROKEN if is_broken else Verdict.DOUBTFUL
        return Finding(
            HOP, verdict, evidence, seen, _advice(facts, lost, has_labels=bool(linked or exemplars or has_names))
        )
    if half:
        evidence = (carried, *(_half(one) for one in half[:_NAMES]))
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, _advice(facts, half, has_labels=True))
    undecided = [one for one in without if one.is_undecided and _is_asked_about(one, facts)]
    if undecided and linked:
        return _undecided(facts, carried, undecided, seen)
    if linked:
        return Finding(HOP, Verdict.OK, (carried,), seen)
    if exemplars or (exemplars is None and has_names):
        examples = ", ".join(sorted({one.span_id for one in exemplars or ()})[:3])
        evidence = (f"samples carry span IDs{f', such as {examples}' if examples else ''}",)
        return Finding(HOP, Verdict.OK, evidence, seen)
    if agents.cannot_link(facts):
        evidence = (carried, *reasons)
        return Finding(HOP, Verdict.BROKEN, evidence, seen, agents.advice(facts))
    unlabelled_wall = _wall_time(facts, [span for span in arrived if is_long(span)])
    if unlabelled_wall:
        return Finding(HOP, Verdict.BROKEN, (carried, unlabelled_wall, *reasons), seen, agents.advice(facts))
    if not arrived:
        evidence = (carried, "the spans ended moments ago: their upload may still come")
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, "look again after one upload interval of the agent")
    # where nothing at all is labelled, it does not matter what else the process computes
    busy = [one for one in without if one.cpu and not one.are_short and _computed(one, one.cpu)]
    if busy:
        evidence = (carried, *(_sentence(one) for one in busy[:_NAMES]), *facts.refused_profiles, *reasons)
        return Finding(HOP, Verdict.BROKEN, evidence, seen, _advice(facts, busy, has_labels=False))
    if undecided:
        return _undecided(facts, carried, undecided, seen)
    spent_ns = sum(one.cpu.cpu_ns for one in without if one.cpu)
    little = f"around them its profiles hold {spent_ns / 1e6:.0f} ms of CPU: too little to tell why"
    evidence = (carried, little, *facts.refused_profiles, *reasons)
    return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, f"{_COMPUTE}; if there is still none: {agents.advice(facts)}")


def _undecided(facts: Facts, carried: str, groups: list[Group], seen: Mapping[str, object]) -> Finding:
    """Doubt short spans around which their process computes all the time."""
    evidence = (carried, *(_sentence(one) for one in groups[:_NAMES]), _NEVER_IDLE, *agents.evidence(facts))
    return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, f"{_LET_IT_REST}: {_advice(facts, groups, has_labels=True)}")


def _wall_time(facts: Facts, spans: list[Span]) -> str:
    """Say that wall time carries no span ID, where that says all: waiting has samples of wall time too."""
    spent_ns = sum(span.duration_ns for span in spans)
    types = facts.profiles.types if facts.profiles else ()
    wall = next((one for one in types if ProfileType.of(one).kind is Kind.WALL), "")
    if not wall or spent_ns < _ENOUGH_WALL_NS:
        return ""
    return (
        f"its samples of wall time ({wall}) carry none either: {len(spans)} span(s) of {spent_ns / 1e9:.2f} s together"
        " have some whatever they do, for waiting has samples of wall time too"
    )


def _computed(group: Group, cpu: UnlabelledCpu) -> bool:
    """Tell whether there is CPU for half of the spans' time, more of it than chance, and not that of a start."""
    return not group.is_starting and cpu.cpu_ns >= max(MANY_PERIODS * SAMPLE_PERIOD_NS, cpu.open_ns / 2)


def _is_asked_about(group: Group, facts: Facts) -> bool:
    return any(one in facts.focus for one in group.links)


def _cpu_ns(found: LinkFacts) -> float:
    return sum(value for one in found.unlabelled or () for _, value in one.points)


def _seen(group: Group) -> dict[str, object]:
    return {
        "name": group.name,
        "process": group.process,
        "spans": [one.span.span_id for one in group.links],
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
    goes_on = any(outlasting_spans(facts).values()) or any(one.are_short for one in without)
    after = [_AFTERWARDS] if goes_on else []
    never = [] if has_labels else [agents.advice(facts)]
    return "; ".join([*never, *after, facts.advice(lambda one: one.elsewhere_advice)])


_COMPUTE = "send requests that compute for 50 ms and more: short and waiting spans may have no sample at all"
_NEVER_IDLE = "whose work that is cannot be told: the process was never idle, so there is nothing to compare it with"
_LET_IT_REST = (
    "send no request for 10 s, look again; where those functions work for the requests (a streamed body, a thread that"
    " one starts)"
)
_AFTERWARDS = "the span has ended when the work begins or goes on: give that work a span of its own"
