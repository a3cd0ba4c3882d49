"""Hop: the service has profiles of a type whose samples can carry span IDs."""

from __future__ import annotations

from spanprofiles.doctor import agents
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import ProfileFacts
from spanprofiles.model import CPU
from spanprofiles.model.languages import Language
from spanprofiles.model.profile_types import ProfileType, setting

_NAME = "profile type"


def judge(facts: Facts) -> Finding:
    """Judge whether the service has the type, or another one that stands in for it."""
    found = facts.profiles or ProfileFacts()
    asked = facts.question.profile_type
    looked_at = found.looked_at or asked
    seen = {
        "asked": asked,
        "types": list(found.types),
        "looked_at": looked_at if looked_at in found.types else None,
        "carried_by": list(found.carried_by),
    }
    absent = f"{facts.service} has no profile of type {asked}"
    if looked_at in found.types and looked_at in found.carried_by:
        not_asked = f"those of {asked} do not" if asked in found.types else absent
        evidence: tuple[str, ...] = (f"samples of type {looked_at} carry the spans' IDs; {not_asked}",)
        return Finding(_NAME, Verdict.OK, evidence, seen, setting(looked_at))
    carried = tuple(f"samples of type {profile_type} carry the spans' IDs" for profile_type in found.carried_by)
    if looked_at in found.types:
        instead = () if looked_at == asked else (absent, f"{looked_at} is used instead")
        if carried and asked != CPU:
            return Finding(_NAME, Verdict.BROKEN, (asked, *carried), seen, _ask_for(found.carried_by[0]))
        return Finding(_NAME, Verdict.OK, (*(instead or (asked,)), *carried), seen)
    evidence = (absent, f"its types: {', '.join(found.types) or 'none'}", *carried, *agents.evidence(facts))
    if asked != CPU:
        advice = _ask_for(found.carried_by[0]) if carried else "ask for one of its types"
    else:
        advice = facts.advice(_turn_on)
    if found.types and asked in found.all_types:
        advice += "; other services have that type"
    return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)


def _ask_for(profile_type: str) -> str:
    return f"ask for profiles of type {profile_type}, and {setting(profile_type)}"


def _turn_on(language: Language) -> str:
    if not language.has_processor:
        return language.no_processor
    return f"a span profile is one of {ProfileType.of(CPU).measure} or of wall time: {language.cpu}"


HOP = Hop(_NAME, judge)
