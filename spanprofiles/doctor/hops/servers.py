"""Hop: both servers answer and say that they are ready."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict

HOP = "servers"


def judge(facts: Facts) -> Finding:
    """Judge whether both servers are ready."""
    seen = {one.name.lower(): {"url": one.url, "error": one.error or None} for one in facts.servers}
    wrong = [one for one in facts.servers if one.error]
    if not wrong:
        evidence = tuple(f"{one.name} is ready at {one.url}" for one in facts.servers)
        return Finding(HOP, Verdict.OK, evidence, seen)
    silent = [one for one in wrong if not one.answers]
    advice = (
        "start it, or give its address (--tempo, --pyroscope), user, token and tenant"
        if silent
        else "wait until it is ready; if it stays so, read its log"
    )
    return Finding(HOP, Verdict.BROKEN, tuple(one.error for one in wrong), seen, advice)
