"""Hop: both servers answer, say that they are ready, and have not failed to write what they took."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.doctor.collectors.servers import collect_servers
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import ServerFacts

_NAME = "servers"


def judge(facts: Facts) -> Finding:
    """Judge whether both servers are ready."""
    seen: dict[str, object] = {
        server.name.lower(): {"url": server.url, "error": server.error or None} for server in facts.servers
    }
    wrong = [server for server in facts.servers if server.error]
    if not wrong:
        evidence = tuple(f"{server.name} is ready at {server.url}" for server in facts.servers)
        failed = [server for server in facts.servers if server.failed_writes.count]
        if not failed:
            return Finding(_NAME, Verdict.OK, evidence, seen)
        seen["failed_writes"] = {server.name.lower(): server.failed_writes.count for server in failed}
        evidence += tuple(server.failed_writes.sentence for server in failed)
        if all(server.failed_writes.is_past for server in failed):
            return Finding(_NAME, Verdict.OK, evidence, seen)
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, _FAILING)
    return Finding(_NAME, Verdict.BROKEN, tuple(server.error for server in wrong), seen, _advice(wrong))


def _advice(wrong: Sequence[ServerFacts]) -> str:
    if all(server.is_another for server in wrong):
        which = ": the two may be swapped" if len(wrong) > 1 else ""
        return f"give the server's own address (--tempo, --pyroscope){which}"
    if any(not server.answers for server in wrong):
        return "start it, or give its address (--tempo, --pyroscope), user, token and tenant"
    return "wait until it is ready; if it stays so, read its log"


_FAILING = (
    "the server says that it is ready, but has lost what it could not write: make room on its disk, or check its"
    " bucket; then restart it, because Tempo goes on losing spans until then. --probe tests whether it keeps what it"
    " accepts"
)

HOP = Hop(_NAME, judge, collect_servers)
