"""Hop: both servers answer and say that they are ready."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.doctor.facts import Facts, ServerFacts
from spanprofiles.doctor.finding import Finding, Verdict

HOP = "servers"


def judge(facts: Facts) -> Finding:
    """Judge whether both servers are ready."""
    seen = {one.name.lower(): {"url": one.url, "error": one.error or None} for one in facts.servers}
    wrong = [one for one in facts.servers if one.error]
    if not wrong:
        evidence = tuple(f"{one.name} is ready at {one.url}" for one in facts.servers)
        return Finding(HOP, Verdict.OK, evidence, seen)
    return Finding(HOP, Verdict.BROKEN, tuple(one.error for one in wrong), seen, _advice(wrong))


def _advice(wrong: Sequence[ServerFacts]) -> str:
    if all(one.is_another for one in wrong):
        which = ": the two may be swapped" if len(wrong) > 1 else ""
        return f"give the server's own address (--tempo, --pyroscope){which}"
    if any(not one.answers for one in wrong):
        return "start it, or give its address (--tempo, --pyroscope), user, token and tenant"
    return "wait until it is ready; if it stays so, read its log"
