"""Hop: Grafana's data source turns the span into a query that finds its samples."""

from __future__ import annotations

from spanprofiles.doctor.collectors.grafana import collect_grafana, has_settings
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.finding import Finding, Verdict
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import GrafanaCheck
from spanprofiles.model.profile_types import setting

_NAME = "Grafana"


def judge(facts: Facts) -> Finding:
    """Judge the button "Profiles for this span" of some linked spans."""
    found = facts.grafana
    if found is None:
        return Finding(
            _NAME, Verdict.NOT_CHECKED, advice="--grafana URL or --datasource FILE checks Grafana's settings"
        )
    seen = {"datasource": found.source or None, "spans": [_seen(check) for check in found.checks]}
    if found.error:
        verdict = Verdict.BROKEN if found.is_silent else Verdict.DOUBTFUL
        return Finding(_NAME, verdict, (found.error,), seen, "correct the address, or give a token that may read them")
    if not found.checks:
        return Finding(_NAME, Verdict.NOT_CHECKED, ("there is no linked span to try it with",), seen)
    warnings = list(dict.fromkeys(warning.text for check in found.checks for warning in check.link.warnings))
    broken = [check for check in found.checks if not check.has_samples]
    if broken:
        reason = broken[0].link.explanation or broken[0].outcome
        evidence: tuple[str, ...] = (f"{len(broken)} of {len(found.checks)} span(s) lead to nothing in Grafana", reason)
        advice = [*_types(facts, broken), *warnings] or [_labels(facts, broken)]
        return Finding(_NAME, Verdict.BROKEN, evidence, seen, "; ".join(advice))
    asked = next((check.link.query.label_selector for check in found.checks if check.link.query), "")
    evidence = (f"{len(found.checks)} of {len(found.checks)} span(s) lead to their samples, asked with {asked}",)
    undrawn = [check for check in found.checks if check.embedded_is_drawn is False]
    if undrawn:
        evidence = (*evidence, f"the flame graph in the span's details stays empty for {len(undrawn)} of them")
    if warnings or undrawn:
        return Finding(_NAME, Verdict.DOUBTFUL, evidence, seen, "; ".join(warnings) or "press the button instead")
    return Finding(_NAME, Verdict.OK, evidence, seen)


def _types(facts: Facts, broken: list[GrafanaCheck]) -> list[str]:
    """Compare the type of profile that Grafana asks for with the one that has the spans' samples."""
    linked_by = {link.span.span_id: link.profile_type for link in facts.focus if link.is_linked}
    found = {
        linked_by[check.link.span.span_id]
        for check in broken
        if check.link.query and check.link.query.profile_type != linked_by.get(check.link.span.span_id, "")
        if check.link.span.span_id in linked_by
    }
    return [setting(profile_type) for profile_type in sorted(found)]


def _labels(facts: Facts, broken: list[GrafanaCheck]) -> str:
    """Compare the labels that Grafana asks for with those that profiles have."""
    asked = next((check.link.query.label_selector for check in broken if check.link.query), "")
    if not asked:
        return "correct the data source's settings for Trace to profiles"
    series = facts.profiles.series if facts.profiles else ()
    names = sorted({name for labels in series for name in labels if not name.startswith("__")})
    return f"map tags to labels that profiles have ({', '.join(names) or 'none'}); the query was {asked}"


def _seen(check: GrafanaCheck) -> dict[str, object]:
    link, query = check.link, check.link.query
    return {
        "span_id": link.span.span_id,
        "button": link.has_button,
        "reason": link.no_button.name.lower() if link.no_button else None,
        "label_selector": query.label_selector if query else None,
        "profile_type": query.profile_type if query else None,
        "samples": check.has_samples,
        "embedded_is_drawn": check.embedded_is_drawn,
        "doubts": [doubt.name.lower() for doubt in link.doubts],
    }


HOP = Hop(_NAME, judge, collect_grafana, has_settings)
