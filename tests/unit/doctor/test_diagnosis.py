"""One verdict on a span without samples, made of an examination."""

from __future__ import annotations

from typing import cast

import pytest

from spanprofiles.clients import ClientError
from spanprofiles.doctor import Cause, Examination, Explanation, Finding, Verdict, diagnose, diagnosis_of
from spanprofiles.doctor import diagnosis as module
from spanprofiles.doctor.diagnosis import examine_request
from spanprofiles.linking import Evidence, Linker
from spanprofiles.model import Span
from tests.support.doctor import a_span

LINKER = cast(Linker, None)
DOUBT = Finding("clocks", Verdict.DOUBTFUL, ("they differ", "by 9 s"), advice="set them")
BROKEN = Finding("profiles", Verdict.BROKEN, ("there are none",), advice="start the agent")


def examination(*findings: Finding, unlinked: tuple[Explanation, ...] = ()) -> Examination:
    return Examination("rides", findings, unlinked)


def why(span: Span, cause: Cause) -> Explanation:
    return Explanation(span, cause, "it lasted 4 ms")


def test_a_harmless_cause_excuses_the_span_even_where_a_hop_is_broken() -> None:
    span = a_span()

    found = diagnosis_of(span, examination(BROKEN, unlinked=(why(span, Cause.TOO_SHORT),)))

    assert found is not None
    assert (found.cause, found.sentence, found.harmless) == (Cause.TOO_SHORT.value, "It lasted 4 ms.", True)
    assert found.excuse == "as is usual of a span so short"
    assert found.line == f"the doctor says: {Cause.TOO_SHORT.value}. It lasted 4 ms."
    assert found.as_json() == {
        "cause": Cause.TOO_SHORT.value,
        "sentence": "It lasted 4 ms.",
        "harmless": True,
        "advice": "",
    }


def test_a_broken_hop_goes_before_a_cause_that_is_not_harmless_and_names_both() -> None:
    span = a_span()

    found = diagnosis_of(span, examination(DOUBT, BROKEN, unlinked=(why(span, Cause.UNLABELLED),)))

    assert found is not None
    assert (found.cause, found.harmless, found.excuse) == ("broken hop: profiles", False, "")
    assert found.line == ("the doctor says: broken hop: profiles. There are none; it lasted 4 ms. Do: start the agent.")


def test_a_cause_stands_alone_where_no_hop_is_broken() -> None:
    span = a_span()

    found = diagnosis_of(span, examination(DOUBT, unlinked=(why(span, Cause.LOST),)))

    assert found is not None
    assert (found.cause, found.harmless, found.excuse) == (Cause.LOST.value, False, "")


def test_without_a_cause_a_doubtful_hop_is_named_and_without_one_nothing_is_said() -> None:
    doubt = diagnosis_of(a_span(), examination(DOUBT))

    assert doubt is not None
    assert (doubt.cause, doubt.sentence, doubt.advice) == ("clocks", "They differ; by 9 s.", "set them")
    assert diagnosis_of(a_span(), examination(Finding("clocks", Verdict.OK))) is None


def test_where_a_server_fails_there_is_no_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Examination:
        raise ClientError("away")

    monkeypatch.setattr(module, "examine_failure", fail)

    assert diagnose(a_span(), LINKER) is None


def test_a_span_is_diagnosed_by_an_examination_of_its_trace_and_service(monkeypatch: pytest.MonkeyPatch) -> None:
    span = a_span()
    asked: list[tuple[object, ...]] = []

    def examine(linker: Linker, evidence: Evidence, _: float, *, service: str) -> Examination:
        asked.append((linker, evidence.trace_id, service))
        return examination(BROKEN)

    monkeypatch.setattr(module, "examine_failure", examine)

    assert diagnose(span, LINKER) == diagnosis_of(span, examination(BROKEN))
    assert asked == [(LINKER, span.trace_id, span.service)]


def test_of_a_request_the_empty_profiles_that_are_in_order_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, lost = a_span(), a_span()
    found = examination(unlinked=(why(waited, Cause.WAITING), why(lost, Cause.LOST)))
    monkeypatch.setattr(module, "examine_failure", lambda *_, **__: found)
    evidence = Evidence("1" * 32, excused={lost.span_id: "of before"})

    assert examine_request(LINKER, evidence) is found

    assert evidence.excused == {waited.span_id: "for it waited instead of computing"}


def test_an_examination_prints_what_it_could_not_look_at_and_its_notes() -> None:
    away = Finding("traces", Verdict.NOT_CHECKED, ("Tempo does not answer",))
    found = Examination("rides", (Finding("servers", Verdict.OK), away), could_look=False)

    with pytest.raises(KeyError):
        found.finding("no such hop")
    assert found.verdict is Verdict.NOT_CHECKED
    assert "  not checked: traces: Tempo does not answer" in found.lines()
    note = Finding("profile type", Verdict.OK, ("wall time has them",), advice="set the type")
    assert "  note: profile type: wall time has them: set the type" in Examination("rides", (note,)).lines()


LABELS = Finding("sample labels", Verdict.DOUBTFUL, ("no sample carries the ID",), advice="use PySpy; start it later")


def test_beside_a_failure_a_span_that_only_waited_needs_no_long_advice() -> None:
    found = examination(LABELS, unlinked=(why(a_span(), Cause.WAITING),))

    assert found.brief_lines()[2] == (
        "    do: nothing, if it should wait or be short; `spanprofiles doctor` says how to make sure"
    )
    assert "    do: use PySpy; start it later" in found.lines()
    assert [line for line in found.brief_lines() if "PySpy" in line] == []


@pytest.mark.parametrize(
    "found",
    [
        examination(LABELS),
        examination(LABELS, unlinked=(why(a_span(), Cause.WAITING), why(a_span(), Cause.UNLABELLED))),
        examination(DOUBT, unlinked=(why(a_span(), Cause.WAITING),)),
        examination(BROKEN, unlinked=(why(a_span(), Cause.WAITING),)),
    ],
    ids=["nothing explained", "one not explained", "another doubt", "broken"],
)
def test_beside_a_failure_all_other_advice_is_given_whole(found: Examination) -> None:
    assert found.brief_lines() == found.lines()
