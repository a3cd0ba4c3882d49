"""Hop: samples are dated where Grafana looks: within 30 s of the span for the embedded graph, 60 s for the button."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import Place
from spanprofiles.model.margins import BUTTON_MARGIN_S, EMBEDDED_MARGIN_S

_NAME = "window"


def judge(facts: Facts) -> Finding:
    """Judge whether the upload interval is short enough for Grafana."""
    linked = [link for link in facts.focus if link.is_linked]
    missed = [link for link in linked if link.place is not Place.EMBEDDED]
    missed_by_button = [link for link in missed if link.place is Place.OUTSIDE]
    interval_s = facts.uploads.interval_s
    seen = {
        "linked": len(linked),
        "missed_by_embedded": len(missed),
        "missed_by_button": len(missed_by_button),
        "upload_interval_s": interval_s,
    }
    if not linked:
        return Finding(_NAME, Verdict.NOT_CHECKED, ("no span is linked",), seen)
    if missed:
        evidence = (
            f"{len(missed)} of {len(linked)} linked span(s) have their samples in profiles dated more than"
            f" {EMBEDDED_MARGIN_S} s before the span, {len(missed_by_button)} more than {BUTTON_MARGIN_S} s",
            *((f"uploads come every {interval_s:g} s or so",) if interval_s else ()),
        )
        advice = (
            f"set the agent's upload interval well under {EMBEDDED_MARGIN_S} s"
            f" ({facts.advice(lambda language: language.upload_interval)}; 10 or 15 s are usual): a profile is dated by"
            " the start of its upload interval"
        )
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, advice)
    every = f"; uploads come every {interval_s:g} s or so" if interval_s else ""
    return Finding(_NAME, Verdict.OK, (f"all {len(linked)} within {EMBEDDED_MARGIN_S} s of their span{every}",), seen)


HOP = Hop(_NAME, judge)
