"""Hop: Grafana's data source turns the span into a query that finds its samples."""

from __future__ import annotations

from spanprofiles.doctor.facts import Facts, GrafanaLook
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.model.profile_types import setting

HOP = "Grafana"


def judge(facts: Facts) -> Finding:
    """Judge the button "Profiles for this span" of some linked spans."""
    found = facts.grafana
    if found is None:
        return Finding(HOP, Verdict.NOT_CHECKED, advice="--grafana URL or --datasource FILE checks Grafana's settings")
    seen = {"datasource": found.source or None, "spans": [_seen(one) for one in found.looks]}
    if found.error:
        verdict = Verdict.BROKEN if found.is_silent else Verdict.DOUBTFUL
        return Finding(HOP, verdict, (found.error,), seen, "correct the address, or give a token that may read them")
    if not found.looks:
        return Finding(HOP, Verdict.NOT_CHECKED, ("there is no linked span to try it with",), seen)
    warnings = list(dict.fromkeys(warning.text for one in found.looks for warning in one.link.warnings))
    broken = [one for one in found.looks if not one.has_samples]
    if broken:
        reason = broken[0].link.explanation or broken[0].outcome
        evidence: tuple[str, ...] = (f"{len(broken)} of {len(found.looks)} span(s) lead to nothing in Grafana", reason)
        advice = [*_types(facts, broken), *warnings] or [_labels(facts, broken)]
        return Finding(HOP, Verdict.BROKEN, evidence, seen, "; ".join(advice))
    asked = next((one.link.query.label_selector for one in found.looks if one.link.query), "")
    evidence = (f"{len(found.looks)} of {len(found.looks)} span(s) lead to their samples, asked with {asked}",)
    undrawn = [one for one in found.looks if one.embedded_is_drawn is False]
    if undrawn:
        evidence = (*evidence, f"the flame graph in the span's details stays empty for {len(undrawn)} of them")
    if warnings or undrawn:
        return Finding(HOP, Verdict.DOUBTFUL, evidence, seen, "; ".join(warnings) or "press the button instead")
    return Finding(HOP, Verdict.OK, evidence, seen)


def _types(facts: Facts, broken: list[GrafanaLook]) -> list[str]:
    """Compare the type of profile that is asked for with the one that has the spans' samples."""
    linked_by = {one.span.span_id: one.profile_type for one in facts.focus if one.is_linked}
    found = {
        linked_by[one.link.span.span_id]
        for one in broken
        if one.link.query and one.link.query.profile_type != linked_by.get(one.link.span.span_id, "")
        if one.link.span.span_id in linked_by
    }
    return [setting(one) for one in sorted(found)]


def _labels(facts: Facts, broken: list[GrafanaLook]) -> str:
    """Compare what is asked with the labels that profiles have."""
    asked = next((one.link.query.label_selector for one in broken if one.link.query), "")
    if not asked:
        return "correct the data source's settings for Trace to profiles"
    series = facts.profiles.series if facts.profiles else ()
    names = sorted({name for one in series for name in one if not name.startswith("__")})
    return f"map tags to labels that profiles have ({', '.join(names) or 'none'}); asked was {asked}"


def _seen(one: GrafanaLook) -> dict[str, object]:
    link, query = one.link, one.link.query
    return {
        "span_id": link.span.span_id,
        "button": link.has_button,
        "reason": link.no_button.name.lower() if link.no_button else None,
        "label_selector": query.label_selector if query else None,
        "profile_type": query.profile_type if query else None,
        "samples": one.has_samples,
        "embedded_is_drawn": one.embedded_is_drawn,
        "doubts": [doubt.name.lower() for doubt in link.doubts],
    }
