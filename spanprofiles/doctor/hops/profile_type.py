"""Hop: the service has profiles of the type that is asked for."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts, ProfileFacts
from spanprofiles.doctor.finding import Finding, Verdict

HOP = "profile type"


def judge(facts: Facts) -> Finding:
    """Judge whether the type is among those seen."""
    found = facts.profiles or ProfileFacts()
    seen = {"asked": facts.profile_type, "types": list(found.types)}
    if facts.profile_type in found.types:
        return Finding(HOP, Verdict.OK, (facts.profile_type,), seen)
    named = ", ".join(found.types) or "none"
    evidence = (f"{facts.service} has no profile of type {facts.profile_type}", f"its types: {named}")
    advice = "turn CPU profiling on in the agent: samples of memory, locks and the like carry no span IDs"
    if found.types and facts.profile_type in found.all_types:
        advice += "; other services have that type"
    return Finding(HOP, Verdict.BROKEN, evidence, seen, advice)
