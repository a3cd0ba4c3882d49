"""Hop: Pyroscope has profiles of the service, under any name."""

from __future__ import annotations

from spanprofiles.doctor.collectors.profiles import collect_profiles
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.names import nearest, same_but_for_punctuation
from spanprofiles.doctor.observations import AroundSpans, ProfileFacts
from spanprofiles.doctor.refusals import with_refusals
from spanprofiles.model.profile_types import Kind, ProfileType

_NAME = "profiles"

_NAMES = 8

# So many spans of such length show in a profile even where they mostly wait: answering a request and exporting its span
# take CPU.
_ENOUGH_SPANS = 5
_ENOUGH_NS = 1_000_000_000

# A process that only forks and supervises the one that works spends no larger share of the time. Where processes do not
# fork, so small a share is that of the spans' own process, unless it is nothing at all.
_STRAY_SHARE = 0.1


def judge(facts: Facts) -> Finding:
    """Judge whether the service's agent uploads."""
    found = facts.profiles or ProfileFacts()
    seen = {
        "services": list(found.services),
        "series": len(found.series),
        "newest_ms": found.newest_ms,
        "refused": {refusal.reason: refusal.count for refusal in found.refused},
    }
    start = with_refusals(found.refused, facts.advice(lambda language: language.start_advice))
    around = found.around
    if around is not None and _runs_elsewhere(facts, found, around):
        evidence: tuple[str, ...] = (
            f"{around.spans} span(s) of {facts.service} ran for {around.time_ns / 1e9:.1f} s in total; in that time"
            f" its profiles hold {around.cpu_ns / 1e6:.0f} ms of {_measured(found)}, none of it with a span ID",
            "no agent uploads from where the spans run",
            *facts.refused_profiles,
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, start)
    if facts.service in found.services:
        return Finding(_NAME, Verdict.OK, (f"{len(found.series)} series of profiles of {facts.service}",), seen)
    others = list(found.found_under) or same_but_for_punctuation(facts.service, found.services)
    if others:
        return Finding(_NAME, Verdict.OK, (f"it has profiles, under the name {', '.join(others)}",), seen)
    refused = facts.refused_profiles
    if not found.services:
        evidence = ("Pyroscope has no profile of any service in that time", *refused)
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, f"{start}; --probe tests whether Pyroscope takes any")
    alike = nearest(facts.service, found.services)
    known = ", ".join([*alike, *(service for service in found.services if service not in alike)][:_NAMES])
    evidence = (f"Pyroscope has no profile of {facts.service}", f"it has profiles of: {known}", *refused)
    return Finding(_NAME, Verdict.BROKEN, evidence, seen, start)


def _measured(found: ProfileFacts) -> str:
    is_wall = any(ProfileType.of(profile_type).kind is Kind.WALL for profile_type in found.types)
    return "wall time" if is_wall else "CPU"


def _runs_elsewhere(facts: Facts, found: ProfileFacts, around: AroundSpans) -> bool:
    """Tell whether the agent runs in another process than the spans: usually the one that forked theirs.

    Where samples carry span IDs the answer is no: an agent that worked and stopped is for the hop "link" to find.
    """
    if found.own_found or found.labelled or around.exports_spans:
        return False
    is_enough = around.spans >= _ENOUGH_SPANS and around.time_ns >= _ENOUGH_NS
    forks = not facts.languages or any(language.after_fork for language in facts.languages)
    return is_enough and around.cpu_ns <= (_STRAY_SHARE * around.time_ns if forks else 0)


HOP = Hop(_NAME, judge, collect_profiles)
