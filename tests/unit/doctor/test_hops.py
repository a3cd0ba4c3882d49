"""What all hops have in common: a name, a judgement, and what they collect for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.doctor import HOPS, Verdict, unlabelled
from spanprofiles.doctor import facts as facts_module
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.hops import ORDER, grafana, link, probe, sample_labels
from spanprofiles.doctor.question import Question
from spanprofiles.linking.grafana import DataSources
from tests.support.doctor import NOW_NS, SERVICE, a_span, facts, linked, unlinked

QUESTION = Question(SERVICE, NOW_NS)
NOWHERE = "http://127.0.0.1:9"
CASE = Case(TempoClient(NOWHERE), PyroscopeClient(NOWHERE), QUESTION)


@pytest.mark.parametrize("hop", ORDER, ids=HOPS)
def test_a_hop_gives_its_finding_its_own_name(hop: Hop) -> None:
    assert hop.judge(Facts(QUESTION)).hop == hop.name


def test_each_hop_has_a_name_of_its_own() -> None:
    assert len(set(HOPS)) == len(ORDER)


def test_a_probe_is_sent_only_where_it_is_asked_for() -> None:
    assert not probe.HOP.collects(CASE)
    assert probe.HOP.collects(replace(CASE, probe=True))


def test_grafana_is_asked_only_where_its_settings_are_given() -> None:
    assert not grafana.HOP.collects(CASE)
    assert grafana.HOP.collects(replace(CASE, sources=DataSources([])))


def test_a_hop_that_judges_what_others_have_collected_asks_nobody() -> None:
    assert not link.HOP.collects(CASE)
    assert link.HOP.collect(CASE, Facts(QUESTION)) == Facts(QUESTION)
    assert sample_labels.HOP.collects(CASE)


def test_what_several_hops_conclude_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **options)

        return call

    for module, name in (
        *((unlabelled, name) for name in ("groups", "half_labelled", "outlasting_spans")),
        *((facts_module, name) for name in ("Uploads", "explain", "links_by_process", "roots_of")),
    ):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    known = facts(*(linked(a_span(ago_s=60 + index)) for index in range(10)), unlinked(a_span("GET /receipt", ms=400)))

    findings = {hop.name: hop.judge(known) for hop in ORDER}

    assert findings["link"].verdict is not Verdict.NOT_CHECKED
    assert known.explanations
    assert calls == dict.fromkeys(
        ("groups", "half_labelled", "outlasting_spans", "Uploads", "explain", "links_by_process", "roots_of"), 1
    )
