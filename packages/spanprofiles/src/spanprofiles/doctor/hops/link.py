"""Hop: in each process, the IDs on spans and the IDs on samples match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from spanprofiles.doctor.causes import HARMLESS, Cause
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import Place
from spanprofiles.doctor.process_links import ProcessLinks, is_long
from spanprofiles.doctor.uploads import Arrival
from spanprofiles.model.languages import Language

_NAME = "link"

# The hop is doubtful, and then broken, from this share of unlinked spans on, among those that should be linked.
_DOUBTFUL_SHARE = 0.05
_BROKEN_SHARE = 0.25
_SEVERAL = 3
_PROCESSES = 6
_ENOUGH_NS = 2_000_000_000


def judge(facts: Facts) -> Finding:
    """Judge the share of linked spans, by process; and whether processes share all labels where that loses samples."""
    finding = _judge_links(facts)
    alike = facts.alike_replicas
    if alike is None:
        return finding
    is_fine = finding.verdict is Verdict.OK
    return replace(
        finding,
        verdict=Verdict.DOUBTFUL if is_fine else finding.verdict,
        evidence=(*finding.evidence, alike.sentence),
        seen={**finding.seen, "processes_with_too_few_labels": list(alike.processes)},
        advice=alike.language.same_labels if is_fine else f"{alike.language.same_labels}; {finding.advice}",
    )


def _judge_links(facts: Facts) -> Finding:
    links = facts.focus
    linked = sum(link.is_linked for link in links)
    explained = [explanation for explanation in facts.explanations if explanation.cause is not Cause.FAR_AWAY]
    causes = Counter(explanation.cause for explanation in explained)
    wrong = [explanation for explanation in explained if explanation.cause not in HARMLESS]
    found = facts.processes
    dead = [process for process in found if process.is_dead and any(link in links for link in process.links)]
    seen = {
        "linked": linked,
        "spans": len(links),
        "share": round(linked / len(links), 3) if links else None,
        "unlinked": {cause.name.lower(): count for cause, count in causes.items()},
        "processes": {process.name: {"linked": process.linked, "spans": len(process.links)} for process in found},
        "dead_processes": [process.name for process in dead],
    }
    counted = f"{linked} of {len(links)} span(s) with a profile ID have samples"
    reasons = tuple(f"{count} without: {cause.value}" for cause, count in causes.most_common())
    if dead:
        missing = facts.refused_profiles if any(process.has_profiles is False for process in dead) else ()
        evidence: tuple[str, ...] = (counted, *(_sentence(process) for process in dead), *missing)
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, facts.advice(partial(_dead, dead)))
    if not linked and _should_be_linked(facts):
        evidence = (counted, _strangers(facts), *reasons)
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _STRANGERS)
    evidence = (
        counted,
        *_by_process(found),
        *reasons,
        *(facts.refused_profiles if causes[Cause.LOST] else ()),
    )
    advice = _LOST if causes[Cause.LOST] else facts.advice(_unexplained)
    certain = [explanation for explanation in wrong if explanation.cause is not Cause.UNCLEAR]
    share = len(certain) / (linked + len(certain)) if certain else 0.0
    unclear = len(wrong) / (linked + len(wrong)) if wrong else 0.0
    if len(certain) >= _SEVERAL and share >= _BROKEN_SHARE:
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)
    if unclear >= _DOUBTFUL_SHARE:
        return Finding(
            _NAME, Verdict.DOUBTFUL, evidence, seen, _LOST if causes[Cause.LOST] else facts.advice(_unexplained)
        )
    if not linked and causes[Cause.NOT_ARRIVED]:
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, "look again after one upload interval of the agent")
    return Finding(_NAME, Verdict.OK, evidence, seen)


def _strangers(facts: Facts) -> str:
    on_spans = ", ".join(link.span.profile_id or "" for link in facts.focus[:_SEVERAL])
    exemplars = (facts.links.exemplars if facts.links else None) or ()
    on_samples = ", ".join(sorted({exemplar.span_id for exemplar in exemplars})[:_SEVERAL])
    shown = f"such as {on_samples}" if on_samples else "which this server does not list"
    return f"the spans have IDs such as {on_spans}, but samples carry other span IDs, {shown}"


def _by_process(found: list[ProcessLinks]) -> tuple[str, ...]:
    if not 1 < len(found) <= _PROCESSES:
        return ()
    return tuple(f"{process.name}: {process.linked} of {len(process.links)}" for process in found)


def _should_be_linked(facts: Facts) -> bool:
    """Tell whether there are so many long spans that some would be linked if IDs could match.

    Where no sample carries an ID at all the answer is no: the hop "sample labels" covers that.
    """
    if facts.links is not None and facts.links.exemplars == ():
        return False
    uploads = facts.uploads
    everything = facts.links.links if facts.links else ()
    if any(link.place is not Place.NOWHERE for link in everything):
        return False
    judged = [
        link.span for link in everything if is_long(link.span) and uploads.arrival(link.span) is not Arrival.AWAITED
    ]
    return len(judged) >= _SEVERAL and sum(span.duration_ns for span in judged) >= _ENOUGH_NS


def _sentence(process: ProcessLinks) -> str:
    profiles = ", and Pyroscope has no profile of it" if process.has_profiles is False else ""
    return f"{process.name}: 0 of {len(process.links)} linked, about {process.expected:.0f} expected{profiles}"


_STRANGERS = (
    "Tracer and agent mean different spans: another tracer's SDK labels the samples, or one process runs"
    " two copies of the span processor or of the agent's package, or something rewrites profile IDs on the way."
)
_LOST = (
    "Turn on the agent's log: uploads fail, or Pyroscope refuses them (over 100 labels on a sample, too old, too"
    " large); its metric pyroscope_discarded_samples_total says why."
)


def _dead(dead: Sequence[ProcessLinks], language: Language) -> str:
    said = f"its spans carry profile IDs, but none of its samples is labelled: {language.fork_advice}"
    if language.same_labels and any(process.has_profiles is None for process in dead):
        return f"{said}; if it does run there, {language.same_labels}"
    return said


def _unexplained(language: Language) -> str:
    return f"look at the spans one by one: {language.unlabelled}"


HOP = Hop(_NAME, judge)
