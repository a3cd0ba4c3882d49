"""Hop: both servers take what is sent to them, and give it back. A server can say ready and drop all that is pushed."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts, ProbedServer
from spanprofiles.doctor.finding import Finding, Verdict

HOP = "probe"


def judge(facts: Facts) -> Finding:
    """Judge what became of the synthetic span and profile."""
    if facts.probed is None:
        return Finding(HOP, Verdict.NOT_CHECKED, advice="--probe sends a span and a profile, and reads them back")
    seen = {
        one.server.lower(): {"sent": one.sent, "came_back": one.came_back, "waited_s": round(one.waited_s, 2)}
        for one in facts.probed
    }
    evidence = tuple(_sentence(one) for one in facts.probed)
    lost = [one for one in facts.probed if one.url and not one.came_back]
    if lost:
        return Finding(HOP, Verdict.BROKEN, evidence, seen, " ".join(_advice(one) for one in lost))
    if any(not one.url for one in facts.probed):
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, "say where apps send OTLP/HTTP traces: --otlp URL")
    return Finding(HOP, Verdict.OK, evidence, seen)


def _sentence(one: ProbedServer) -> str:
    what = "span" if one.server == "Tempo" else "profile"
    if not one.url:
        return f"no {what} was sent: no address is known"
    if not one.sent:
        return f"the {what} was not taken: {one.error}"
    if one.lost_after_s is not None:
        return f"{one.server} took the {what}, gave it back, and lost it within {one.lost_after_s + 1:.0f} s"
    if not one.came_back:
        why = f": {one.error}" if one.error else ""
        return f"{one.server} took the {what} and did not give it back within {one.waited_s:.0f} s{why}"
    return f"{one.server} gave the {what} back after {one.waited_s:.1f} s"


def _advice(one: ProbedServer) -> str:
    if one.lost_after_s is not None:
        return _CANNOT_WRITE
    if one.server == "Tempo":
        return "Read Tempo's log; look whether the OTLP receiver's address belongs to the Tempo that is asked."
    return (
        "Read the log of Pyroscope, and look whether its disk is full. Bound to 127.0.0.1 outside a container it"
        " refuses every push unless it advertises that address too: -segment-writer.lifecycler.addr and"
        " -memberlist.advertise-addr."
    )


_CANNOT_WRITE = (
    "Tempo cannot write what it takes, and says that it is ready: make room on its disk (or look at its bucket), then"
    " restart it, for it goes on losing spans until then. Its log has the reason: failed to cut blocks."
)
