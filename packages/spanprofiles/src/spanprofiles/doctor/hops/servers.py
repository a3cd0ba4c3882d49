"""Hop: both servers answer, say that they are ready, and have not failed to write what they took."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.doctor.facts import Facts, ServerFacts
from spanprofiles.doctor.finding import Finding, Verdict

HOP = "servers"


def judge(facts: Facts) -> Finding:
    """Judge whether both servers are ready."""
    seen: dict[str, object] = {one.name.lower(): {"url": one.url, "error": one.error or None} for one in facts.servers}
    wrong = [one for one in facts.servers if one.error]
    if not wrong:
        evidence = tuple(f"{one.name} is ready at {one.url}" for one in facts.servers)
        failed = [one for one in facts.servers if one.failed_writes.count]
        if not failed:
            return Finding(HOP, Verdict.OK, evidence, seen)
        seen["failed_writes"] = {one.name.lower(): one.failed_writes.count for one in failed}
        evidence += tuple(one.failed_writes.sentence for one in failed)
        if all(one.failed_writes.is_past for one in failed):
            return Finding(HOP, Verdict.OK, evidence, seen)
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, _FAILING)
    return Finding(HOP, Verdict.BROKEN, tuple(one.error for one in wrong), seen, _advice(wrong))


def _advice(wrong: Sequence[ServerFacts]) -> str:
    if all(one.is_another for one in wrong):
        which = ": the two may be swapped" if len(wrong) > 1 else ""
        return f"give the server's own address (--tempo, --pyroscope){which}"
    if any(not one.answers for one in wrong):
        return "start it, or give its address (--tempo, --pyroscope), user, token and tenant"
    return "wait until it is ready; if it stays so, read its log"


_FAILING = (
    "what a server could not write it has lost, and it says that it is ready: make room on its disk, or look at its"
    " bucket; then restart it, for Tempo goes on losing spans until then. --probe tests whether it keeps what it takes"
)
