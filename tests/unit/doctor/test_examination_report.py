"""What an examination says as a whole, in lines and in JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.doctor import Cause, Examination, Explanation, Finding, Verdict
from tests.support.doctor import a_span

SPANS = [a_span() for _ in range(6)]
OK = Finding("traces", Verdict.OK, ("12 traces", "2 processes"), {"traces": 12})
NOTE = Finding("profile type", Verdict.OK, ("wall time", "no CPU time"), advice="set the type")
DOUBT = Finding("clocks", Verdict.DOUBTFUL, ("they differ", "by 9 s"), advice="set them")
BROKEN = Finding("link", Verdict.BROKEN, ("0 of 12 linked", "on host h2"), {"share": 0.0}, "start the agent")
UNSEEN = Finding("probe", Verdict.NOT_CHECKED)
SILENT = Finding("profiles", Verdict.NOT_CHECKED, ("Pyroscope does not answer", "connection refused"))
WHY = tuple(Explanation(span, Cause.LOST, f"it lasted {number} ms") for number, span in enumerate(SPANS))


def test_its_lines_have_what_is_wrong_in_full_and_what_is_in_order_by_name() -> None:
    found = Examination("rides", (OK, NOTE, DOUBT, BROKEN, UNSEEN), WHY[:1])

    assert found.lines() == [
        "doctor: rides: broken",
        "  note: profile type: wall time; no CPU time: set the type",
        "  doubtful: clocks: they differ; by 9 s",
        "    do: set them",
        "  broken: link: 0 of 12 linked; on host h2",
        "    do: start the agent",
        f"  span {SPANS[0].span_id}: {Cause.LOST.value}: it lasted 0 ms",
        "  in order: traces, profile type",
    ]


def test_its_lines_say_why_it_could_not_look() -> None:
    assert Examination("", (SILENT, UNSEEN), could_look=False).lines() == [
        "doctor: no service: not checked",
        "  in order: nothing",
        "  not checked: profiles: Pyroscope does not answer; connection refused",
    ]


def test_its_lines_do_not_tell_what_nobody_asked_to_check() -> None:
    assert Examination("rides", (OK, SILENT)).lines() == ["doctor: rides: ok", "  in order: traces"]


def test_its_lines_name_five_spans_and_its_json_has_all() -> None:
    found = Examination("rides", (OK,), WHY)

    assert [line.split(":")[0] for line in found.lines()[1:-1]] == [f"  span {span.span_id}" for span in SPANS[:5]]
    assert found.as_json()["unlinked"] == [explanation.as_json() for explanation in WHY]


def test_its_json_has_each_hop_and_the_one_that_is_broken() -> None:
    assert Examination("rides", (OK, BROKEN)).as_json() == {
        "service": "rides",
        "verdict": "broken",
        "broken": "link",
        "could_look": True,
        "findings": [
            {"hop": "traces", "verdict": "ok", "evidence": list(OK.evidence), "seen": {"traces": 12}, "advice": None},
            {
                "hop": "link",
                "verdict": "broken",
                "evidence": list(BROKEN.evidence),
                "seen": {"share": 0.0},
                "advice": "start the agent",
            },
        ],
        "unlinked": [],
    }
    assert Examination("", (), could_look=False).as_json() == {
        "service": None,
        "verdict": "not checked",
        "broken": None,
        "could_look": False,
        "findings": [],
        "unlinked": [],
    }


@pytest.mark.parametrize(
    ("findings", "could_look", "verdict"),
    [
        ((OK, DOUBT, BROKEN), False, Verdict.BROKEN),
        ((OK, DOUBT), False, Verdict.NOT_CHECKED),
        ((OK, DOUBT, UNSEEN), True, Verdict.DOUBTFUL),
        ((OK, UNSEEN), True, Verdict.OK),
    ],
)
def test_its_verdict_is_the_worst_of_all_hops(
    findings: tuple[Finding, ...], could_look: bool, verdict: Verdict
) -> None:
    assert Examination("rides", findings, could_look=could_look).verdict is verdict


def test_a_finding_is_found_by_its_hop_and_stands_for_the_one_before_it() -> None:
    found = Examination("rides", (OK, DOUBT), WHY)
    better = Finding("clocks", Verdict.OK)

    assert found.finding("clocks") is DOUBT
    assert found.with_finding(better) == Examination("rides", (OK, better), WHY)
    with pytest.raises(KeyError, match="weather"):
        found.finding("weather")


def test_a_span_has_its_own_explanation_and_others_have_none() -> None:
    found = Examination("rides", (OK,), WHY)

    assert found.explanation_of(SPANS[1].span_id) is WHY[1]
    assert found.explanation_of(a_span().span_id) is None


def test_its_lines_say_what_to_do_only_where_that_is_known() -> None:
    told = Examination("rides", (replace(BROKEN, advice=""), DOUBT)).lines()

    assert told[1:4] == [
        "  broken: link: 0 of 12 linked; on host h2",
        "  doubtful: clocks: they differ; by 9 s",
        "    do: set them",
    ]
