"""Hop: the service has the same name on traces and on profiles."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.names import same_but_for_punctuation
from spanprofiles.doctor.observations import ProfileFacts

_NAME = "service name"


def judge(facts: Facts) -> Finding:
    """Judge whether the tracer's ``service.name`` is the agent's application name."""
    found = facts.profiles or ProfileFacts()
    is_known = facts.service in found.services
    others = list(found.found_under)
    if not others and not is_known:
        others = same_but_for_punctuation(facts.service, found.services)
    seen = {"service.name": facts.service, "service_name": facts.service if is_known else None, "instead": others}
    if not others:
        evidence = (f"service.name and service_name are both {facts.service}",)
        return Finding(_NAME, Verdict.OK, evidence, seen)
    where = "samples of its spans are" if found.found_under else "profiles are"
    evidence = (f"the tracer's service.name is {facts.service}, and {where} under service_name={', '.join(others)}",)
    setting = facts.advice(lambda language: language.application_name)
    advice = (
        f"give the agent the name {facts.service} ({setting}), or the tracer the name {others[0]} (OTEL_SERVICE_NAME)"
    )
    verdict = Verdict.DOUBTFUL if is_known and found.own_found else Verdict.BROKEN
    return Finding(_NAME, verdict, evidence, seen, advice)


HOP = Hop(_NAME, judge)
