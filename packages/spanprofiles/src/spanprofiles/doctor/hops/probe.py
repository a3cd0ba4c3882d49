"""Hop: both servers accept what they are sent and give it back. A server can be ready and still drop every push."""

from __future__ import annotations

from spanprofiles.doctor.collectors.probe import collect_probe
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import ProbedServer

_NAME = "probe"


def judge(facts: Facts) -> Finding:
    """Judge what became of the synthetic span and profile."""
    if facts.probed is None:
        return Finding(_NAME, Verdict.NOT_CHECKED, advice="--probe sends a span and a profile, and reads them back")
    seen = {
        probed.server.lower(): {
            "sent": probed.sent,
            "came_back": probed.came_back,
            "waited_s": round(probed.waited_s, 2),
        }
        for probed in facts.probed
    }
    evidence = tuple(_sentence(probed) for probed in facts.probed)
    lost = [probed for probed in facts.probed if probed.url and not probed.came_back]
    if lost:
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, " ".join(_advice(probed) for probed in lost))
    if any(not probed.url for probed in facts.probed):
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, "say where apps send OTLP/HTTP traces: --otlp URL")
    return Finding(_NAME, Verdict.OK, evidence, seen)


def _sentence(probed: ProbedServer) -> str:
    what = "span" if probed.server == "Tempo" else "profile"
    if not probed.url:
        return f"no {what} was sent, because its address is not known"
    if not probed.sent:
        return f"the {what} was not accepted: {probed.error}"
    if probed.lost_after_s is not None:
        return f"{probed.server} accepted the {what}, returned it, and lost it within {probed.lost_after_s + 1:.0f} s"
    if not probed.came_back:
        why = f": {probed.error}" if probed.error else ""
        return f"{probed.server} accepted the {what} and did not return it within {probed.waited_s:.0f} s{why}"
    return f"{probed.server} returned the {what} after {probed.waited_s:.1f} s"


def _advice(probed: ProbedServer) -> str:
    if probed.lost_after_s is not None:
        return _CANNOT_WRITE
    if probed.server == "Tempo":
        return "Read Tempo's log; check that the OTLP receiver's address belongs to the Tempo that you ask."
    return (
        "Read Pyroscope's log, and check whether its disk is full. Bound to 127.0.0.1 outside a container it"
        " refuses every push unless it advertises that address too: -segment-writer.lifecycler.addr and"
        " -memberlist.advertise-addr."
    )


_CANNOT_WRITE = (
    "Tempo says that it is ready, but cannot write what it accepts. Make room on its disk (or check its bucket), then"
    " restart it: until then it goes on losing spans. Its log gives the reason: failed to cut blocks."
)

HOP = Hop(_NAME, judge, collect_probe, lambda case: case.probe)
