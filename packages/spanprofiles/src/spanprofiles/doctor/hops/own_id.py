"""Hop: each profile ID is the ID of the span that carries it."""

from __future__ import annotations

import re

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.model import Span

_NAME = "own ID"

_SPAN_ID = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")
_SHOWN = 3


def judge(facts: Facts) -> Finding:
    """Judge whether profile IDs are the spans' own."""
    carrying = facts.roots.carrying
    others = [span for span in carrying if (span.profile_id or "").lower() != span.span_id]
    malformed = [span for span in others if not _SPAN_ID.fullmatch(span.profile_id or "")]
    pairs = {span.span_id: span.profile_id for span in others[:_SHOWN]}
    seen = {"carrying": len(carrying), "not_own": len(others), "malformed": len(malformed), "examples": pairs}
    if not carrying:
        return Finding(_NAME, Verdict.DOUBTFUL, ("no span carries a profile ID",), seen)
    if not others:
        return Finding(_NAME, Verdict.OK, (f"{len(carrying)} profile ID(s), each its span's own ID",), seen)
    shown = ", ".join(f"{span.profile_id!r} on span {span.span_id}" for span in others[:_SHOWN])
    if malformed:
        evidence: tuple[str, ...] = (f"{len(malformed)} profile ID(s) are not 16 hexadecimal digits: {shown}",)
        advice = "let only the span processor write pyroscope.profile.id; Pyroscope refuses such an ID with an error"
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)
    evidence = (f"{len(others)} of {len(carrying)} profile ID(s) are another span's: {shown}", *_whose(facts, others))
    advice = (
        "something copies or rewrites pyroscope.profile.id (attributes copied from a parent, a collector's transform),"
        " so the button opens another span's profile"
    )
    return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)


def _whose(facts: Facts, others: list[Span]) -> tuple[str, ...]:
    by_id = {span.span_id: span for trace in (facts.traces.traces if facts.traces else ()) for span in trace.spans}
    owners = sorted({by_id[span.profile_id].name for span in others if span.profile_id in by_id})
    return (f"they belong to {', '.join(owners[:_SHOWN])}",) if owners else ()


HOP = Hop(_NAME, judge)
