"""Hop: spans, profiles and this machine agree on the time."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import Link
from spanprofiles.model.margins import EMBEDDED_MARGIN_S

_NAME = "clocks"

_TOLERATED_S = 2.0
_SERVER_TOLERATED_S = 5.0
_TOGETHER_S = 3.0


def judge(facts: Facts) -> Finding:
    """Judge whether a clock is off."""
    ahead_s = (
        max((span.end_ns - facts.question.now_ns) / 1e9 for span in facts.roots.spans) if facts.roots.spans else 0.0
    )
    servers = {
        server.name: round(server.clock_ahead_s, 1) for server in facts.servers if server.clock_ahead_s is not None
    }
    displaced = [link for link in facts.focus if link.is_earlier is not None and not explained_by_uploads(facts, link)]
    orphans_s = _before_their_parents_s(facts)
    seen = {
        "newest_span_ahead_s": round(ahead_s, 1) if ahead_s > 0 else 0.0,
        "servers_ahead_s": servers,
        "displaced": [link.span.span_id for link in displaced],
        "before_parent_s": round(orphans_s, 3),
    }
    off = {name: by for name, by in servers.items() if abs(by) > _SERVER_TOLERATED_S}
    if displaced:
        earlier = sum(bool(link.is_earlier) for link in displaced)
        side = "before" if earlier * 2 >= len(displaced) else "after"
        evidence = (
            f"samples of {len(displaced)} span(s) are dated more than {EMBEDDED_MARGIN_S} s {side} the span: tracer and"
            f" agent do not agree on the time{_by_how_much(displaced)}",
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _ADVICE)
    # where a server's clock seems off, this machine's clock may be the wrong one
    if ahead_s > _TOLERATED_S and not off:
        evidence = (
            f"spans of {facts.service} end up to {ahead_s:.0f} s in the future: the clock of their host is ahead",
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, _ADVICE)
    if off:
        named = ", ".join(f"{name} is {abs(by):.0f} s {'ahead' if by > 0 else 'behind'}" for name, by in off.items())
        return Finding(_NAME, Verdict.DOUBTFUL, (f"seen from this machine, {named}",), seen, _ADVICE)
    if orphans_s > _TOLERATED_S:
        evidence = (
            f"spans begin up to {orphans_s:.1f} s before the span that called them: the clocks of two hosts differ",
        )
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, _ADVICE)
    return Finding(_NAME, Verdict.OK, ("spans, profiles and servers agree on the time",), seen)


def explained_by_uploads(facts: Facts, link: Link) -> bool:
    """Tell whether a long upload interval is why samples are dated long before a span.

    A profile is dated by the start of its upload window, so spans of one window share a date; with clocks apart, each
    span's samples are as far away as the next one's.
    """
    if not link.is_earlier:
        return False
    interval_s = facts.uploads.interval_s
    if interval_s is not None and interval_s >= EMBEDDED_MARGIN_S / 2:
        away_s = EMBEDDED_MARGIN_S if link.dated_ms is None else link.span.start_ns / 1e9 - link.dated_ms / 1e3
        return away_s <= interval_s + _TOGETHER_S
    if interval_s is not None:
        return False
    dated = [link for link in facts.focus if link.dated_ms is not None]
    starts = [link.span.start_ns / 1e9 for link in dated]
    dates = [(link.dated_ms or 0) / 1e3 for link in dated]
    if len(dated) < 2:  # a single span does not tell; long uploads are the more common cause
        return True
    return max(dates) - min(dates) <= 1.0 and max(starts) - min(starts) > _TOGETHER_S


def _by_how_much(displaced: list[Link]) -> str:
    known = [(link.dated_ms - link.span.start_ns / 1e6) / 1000 for link in displaced if link.dated_ms is not None]
    return f" (samples {known[0]:+.0f} s from the span's start)" if known else ""


def _before_their_parents_s(facts: Facts) -> float:
    most = 0.0
    for trace in facts.traces.traces if facts.traces else ():
        for span in trace.local_roots:
            parent = trace.parent(span)
            if parent is not None:
                most = max(most, (parent.start_ns - span.start_ns) / 1e9)
    return most


_ADVICE = "synchronise the clocks (NTP) of the hosts and containers of app and servers"

HOP = Hop(_NAME, judge)
