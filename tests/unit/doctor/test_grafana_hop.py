"""The judgement of Grafana's button, on plain data."""

from __future__ import annotations

from typing import Any, cast

from spanprofiles.doctor import Verdict
from spanprofiles.doctor.finding import Finding
from spanprofiles.doctor.hops import grafana
from spanprofiles.doctor.observations import GrafanaCheck, GrafanaFacts, Link
from spanprofiles.linking.grafana import DataSource, GrafanaLink, SpanProfileQuery
from spanprofiles.model import CPU
from tests.support.doctor import a_span, facts, linked, profiled

WALL = "wall:wall:nanoseconds:wall:nanoseconds"
LINK = linked(a_span())


def check(link: Link = LINK, *, asks: str = CPU, selector: str = '{job="rides"}', **found: Any) -> GrafanaCheck:
    query = SpanProfileQuery("pyroscope", selector, (link.span.span_id,), asks, 0, 1) if selector else None
    button = GrafanaLink(link.span, cast(DataSource, None), query, explanation="" if query else "it has no button")
    return GrafanaCheck(button, **found)


def judged(*checks: GrafanaCheck, link: Link = LINK, series: tuple[dict[str, str], ...] = ()) -> Finding:
    return grafana.judge(facts(link, profiles=profiled(series=series), grafana=GrafanaFacts("tempo", checks=checks)))


def test_without_a_linked_span_there_is_nothing_to_try() -> None:
    found = judged()

    assert (found.verdict, found.evidence) == (Verdict.NOT_CHECKED, ("there is no linked span to try it with",))


def test_a_button_that_leads_to_samples_is_ok_unless_the_embedded_graph_stays_empty() -> None:
    assert judged(check(has_samples=True, embedded_is_drawn=True)).verdict is Verdict.OK

    found = judged(check(has_samples=True, embedded_is_drawn=False))
    assert found.verdict is Verdict.DOUBTFUL
    assert "stays empty for 1 of them" in found.evidence[-1]
    assert found.advice == "press the button instead"


def test_labels_that_no_profile_has_are_named_beside_those_that_profiles_have() -> None:
    found = judged(check(outcome="no samples"), series=({"hostname": "h1", "__type__": "cpu"},))

    assert found.verdict is Verdict.BROKEN
    assert found.evidence == ("1 of 1 span(s) lead to nothing in Grafana", "no samples")
    assert found.advice == 'map tags to labels that profiles have (hostname); the query was {job="rides"}'


def test_a_span_without_a_button_needs_other_settings() -> None:
    found = judged(check(selector=""))

    assert found.evidence[1] == "it has no button"
    assert found.advice == "correct the data source's settings for Trace to profiles"


def test_a_type_that_the_spans_are_not_linked_by_is_named_with_the_one_that_they_are() -> None:
    link = linked(a_span(), profile_type=WALL)

    found = judged(check(link), link=link)

    assert found.verdict is Verdict.BROKEN
    assert WALL in found.advice
