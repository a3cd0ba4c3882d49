"""The case that the collectors ask about, and the runner that goes from hop to hop; no server is asked."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest

from spanprofiles.clients import ClientError, PyroscopeClient, TempoClient
from spanprofiles.doctor import Finding, Verdict, runner
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.hop import Hop
from spanprofiles.doctor.observations import ProfileFacts
from spanprofiles.doctor.question import Question
from spanprofiles.model import CPU, Endpoints
from tests.support.doctor import MS, NOW_NS, SERVICE, a_span

WALL = "wall:wall:nanoseconds:wall:nanoseconds"
COUNTED = "process_cpu:samples:count:cpu:nanoseconds"
CASE = Case(cast(TempoClient, None), cast(PyroscopeClient, None), Question(SERVICE, NOW_NS))


def of_types(*types: str, looked_at: str = "") -> ProfileFacts:
    return ProfileFacts(series=tuple({"__profile_type__": name} for name in types), looked_at=looked_at)


def test_the_window_has_two_minutes_before_the_time_that_is_asked_about() -> None:
    first_s, last_s = CASE.question.window_s
    window = CASE.window()

    assert (window.start_ms, window.end_ms) == (int((first_s - 120) * 1000), int(last_s * 1000))
    assert (window.selector, window.profile_type) == (CASE.selector, CPU)
    assert CASE.window("{}").selector == "{}"
    assert CASE.window("").selector == ""


def test_a_span_is_asked_about_with_the_margin_that_is_given() -> None:
    span = a_span(ago_s=60, ms=100)
    start_ms = NOW_NS // MS - 60_000
    query = CASE.around(span, 30)

    assert (query.start_ms, query.end_ms) == (start_ms - 30_000, start_ms + 100 + 30_000)
    assert (query.selector, CASE.around(span, 30, "{}").selector) == (CASE.selector, "{}")


def test_spans_far_apart_are_asked_about_with_an_hour_on_either_side() -> None:
    query = CASE.far_around([a_span(ago_s=900), a_span(ago_s=60, ms=100)])

    assert query.start_ms == NOW_NS // MS - 900_000 - 3_600_000
    assert query.end_ms == NOW_NS // MS - 60_000 + 100 + 3_600_000
    assert (query.selector, query.profile_type) == (CASE.selector, CPU)


def test_what_stands_in_for_cpu_is_asked_about_after_the_type_that_was_found() -> None:
    found = CASE.looking_at(of_types(CPU, COUNTED, WALL, looked_at=COUNTED))

    assert found.profile_type == COUNTED
    assert [case.profile_type for case in found.each_type] == [COUNTED, *found.stand_ins]
    assert WALL in found.stand_ins
    assert all(case.stand_ins == () for case in found.each_type[1:])


def test_another_type_than_cpu_has_no_stand_ins() -> None:
    asked = replace(CASE, question=replace(CASE.question, profile_type=WALL))

    assert asked.looking_at(of_types(CPU, WALL, looked_at=WALL)).stand_ins == ()
    assert CASE.looking_at(of_types(CPU, WALL)) is CASE


def test_answers_come_in_order_without_those_that_are_missing() -> None:
    assert CASE.each(lambda number: number or None, [3, 0, 1, 2]) == [3, 1, 2]


def test_after_the_deadline_nothing_more_is_asked() -> None:
    asked: list[int] = []
    late = replace(CASE, deadline=time.monotonic() - 1)

    assert late.is_overdue
    assert not CASE.is_overdue
    assert late.each(asked.append, [1, 2]) == []
    assert asked == []


def hop(name: str, verdict: Verdict = Verdict.OK) -> Hop:
    return Hop(name, lambda _: Finding(name, verdict, ("judged",)))


def failing(_: Case, __: Facts) -> Facts:
    raise ClientError("Tempo does not answer")


def collected(_: Case, facts: Facts) -> Facts:
    return replace(facts, question=replace(facts.question, service="found"))


def verdicts(monkeypatch: pytest.MonkeyPatch, *hops: Hop, case: Case = CASE) -> list[tuple[str, Verdict, str]]:
    """What a run finds of each hop, with its evidence."""
    monkeypatch.setattr(runner, "ORDER", hops)
    examination = runner._run(case)
    assert examination.could_look == all("not answer" not in "".join(row.evidence) for row in examination.findings)
    return [(row.hop, row.verdict, "".join(row.evidence)) for row in examination.findings]


def test_after_a_hop_that_is_broken_none_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(monkeypatch, hop("a"), hop("b", Verdict.BROKEN), hop("c"), replace(hop("d"), collect=failing)) == [
        ("a", Verdict.OK, "judged"),
        ("b", Verdict.BROKEN, "judged"),
        ("c", Verdict.NOT_CHECKED, ""),
        ("d", Verdict.NOT_CHECKED, ""),
    ]


def test_a_doubtful_hop_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [verdict for _, verdict, _ in verdicts(monkeypatch, hop("a", Verdict.DOUBTFUL), hop("b"))] == [
        Verdict.DOUBTFUL,
        Verdict.OK,
    ]


def test_after_a_server_that_fails_nothing_is_checked_and_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(monkeypatch, hop("a"), replace(hop("b"), collect=failing), hop("c")) == [
        ("a", Verdict.OK, "judged"),
        ("b", Verdict.NOT_CHECKED, "Tempo does not answer"),
        ("c", Verdict.NOT_CHECKED, ""),
    ]


def test_what_nobody_wants_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    unwanted = replace(hop("a"), collect=failing, is_wanted=lambda _: False)

    assert verdicts(monkeypatch, unwanted, hop("b")) == [("a", Verdict.OK, "judged"), ("b", Verdict.OK, "judged")]


def test_each_hop_sees_what_the_hops_before_it_have_found(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def look(case: Case, facts: Facts) -> Facts:
        seen.append((case.service, facts.service))
        return facts

    verdicts(monkeypatch, replace(hop("a"), collect=collected), replace(hop("b"), collect=look))

    assert seen == [("found", "found")]


def test_where_time_is_up_hops_are_judged_until_one_has_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(CASE, deadline=time.monotonic() - 1)
    monkeypatch.setattr(runner, "ORDER", (hop("a"), replace(hop("b"), collect=collected), hop("c")))

    examination = runner._run(late)

    assert [(row.verdict, row.evidence) for row in examination.findings] == [
        (Verdict.OK, ("judged",)),
        (Verdict.NOT_CHECKED, ("the servers answer too slowly for a quick look",)),
        (Verdict.NOT_CHECKED, ()),
    ]
    assert not examination.could_look
    assert examination.service == SERVICE


@pytest.mark.parametrize("since_s", [0.0, -1.0, 20 * 3600.0 + 1, float("nan")])
def test_the_doctor_looks_back_by_some_time_and_at_most_twenty_hours(since_s: float) -> None:
    with pytest.raises(ValueError, match=r"look back by more than 0 s and at most 20 h, not -?[\dna,]+ s"):
        runner.examine(cast(Endpoints, None), since_s=since_s)
