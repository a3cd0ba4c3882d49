"""Hop: Pyroscope has profiles of the service, under whatever name."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts, ProfileFacts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.names import nearest, same_but_for_punctuation
from spanprofiles.doctor.uploads import USUAL_INTERVAL_S, is_overdue
from spanprofiles.model import Span

HOP = "profiles"

_NAMES = 8

# So much time in spans is seen in a profile even where nearly all of it is waiting.
_ENOUGH_NS = 2_000_000_000


def judge(facts: Facts) -> Finding:
    """Judge whether the service's agent uploads."""
    found = facts.profiles or ProfileFacts()
    seen = {
        "services": list(found.services),
        "series": len(found.series),
        "newest_ms": found.newest_ms,
        "refused": dict(found.refused),
    }
    start = facts.advice(lambda one: one.start_advice)
    overdue = _overdue(facts, found)
    if overdue:
        newest_s = (min(span.start_ns for span in overdue) / 1e6 - (found.newest_ms or 0)) / 1000
        evidence: tuple[str, ...] = (
            f"the newest profile of {facts.service} is dated {newest_s:.0f} s before {len(overdue)} span(s)"
            " whose upload is overdue: where they run, no agent uploads",
            *_refused(found),
        )
        return Finding(HOP, Verdict.BROKEN, evidence, seen, start)
    if facts.service in found.services:
        return Finding(HOP, Verdict.OK, (f"{len(found.series)} series of profiles of {facts.service}",), seen)
    others = list(found.found_under) or same_but_for_punctuation(facts.service, found.services)
    if others:
        return Finding(HOP, Verdict.OK, (f"there are profiles of it, under the name {', '.join(others)}",), seen)
    refused = _refused(found)
    if not found.services:
        evidence = ("Pyroscope has no profile of any service in that time", *refused)
        return Finding(HOP, Verdict.BROKEN, evidence, seen, f"{start}; --probe tests whether Pyroscope takes any")
    alike = nearest(facts.service, found.services)
    known = ", ".join([*alike, *(one for one in found.services if one not in alike)][:_NAMES])
    evidence = (f"Pyroscope has no profile of {facts.service}", f"services it has profiles of: {known}", *refused)
    return Finding(HOP, Verdict.BROKEN, evidence, seen, start)


def _refused(found: ProfileFacts) -> tuple[str, ...]:
    return tuple(f"Pyroscope has refused {count} profile(s): {reason}" for reason, count in found.refused.items())


def _overdue(facts: Facts, found: ProfileFacts) -> list[Span]:
    """Return the spans that no profile is young enough for, if they have done enough to be seen in one.

    None where samples carry span IDs: an agent that worked and stopped is another matter, for the hop "link".
    """
    if found.newest_ms is None or found.own_found or found.labelled:
        return []
    covered_ms = found.newest_ms + (facts.upload_interval_s or USUAL_INTERVAL_S) * 1000
    spans = [
        span
        for span in facts.roots.spans
        if span.start_ns / 1e6 > covered_ms and is_overdue(span, facts.now_ns, facts.upload_interval_s)
    ]
    return spans if sum(span.duration_ns for span in spans) >= _ENOUGH_NS else []
