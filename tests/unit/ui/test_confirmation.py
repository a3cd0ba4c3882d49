"""When the doctor's words make dead links of requests without samples."""

from __future__ import annotations

import pytest

from spanprofiles.clients import ClientError, ServerUnreachableError
from spanprofiles.doctor import Cause, Examination, Explanation, Finding, Verdict
from spanprofiles.linking import Linker
from spanprofiles.model import Endpoints, Span, SpanKind, new_span_id, new_trace_id
from spanprofiles.ui import confirmation
from spanprofiles.ui.confirmation import Confirmation, confirm
from tests.unit.ui.test_pages import NOBODY

SPAN = Span(
    trace_id=new_trace_id(),
    span_id=new_span_id(),
    parent_id=None,
    name="GET /bike",
    kind=SpanKind.SERVER,
    start_ns=0,
    end_ns=10**8,
)


def examination(cause: Cause | None = None, broken: str = "") -> Examination:
    """What the doctor finds: one request without samples for that cause, and a broken hop where one is named."""
    findings = (Finding(broken, Verdict.BROKEN),) if broken else (Finding("link", Verdict.OK),)
    return Examination("shop", findings, (Explanation(SPAN, cause, ""),) if cause else ())


def ask(
    monkeypatch: pytest.MonkeyPatch, one_by_one: Examination | ClientError, whole: Examination | ClientError
) -> Confirmation:
    """Ask about one request; give what is found of it, and of its whole service."""

    def found(answer: Examination | ClientError) -> Examination:
        if isinstance(answer, ClientError):
            raise answer
        return answer

    monkeypatch.setattr(confirmation, "examine_failure", lambda *_, **__: found(one_by_one))
    linker = Linker.of(Endpoints(tempo=NOBODY, pyroscope=NOBODY))
    return confirm(linker, lambda: found(whole), "shop", [(SPAN.trace_id, SPAN.span_id)])


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.DEAD_PROCESS, Cause.UNEXPLAINED, Cause.UNLABELLED])
def test_a_request_that_should_have_samples_is_proof(monkeypatch: pytest.MonkeyPatch, cause: Cause) -> None:
    assert ask(monkeypatch, examination(cause), examination()) == Confirmation(is_dead=True, cause=cause.value)


@pytest.mark.parametrize("cause", [Cause.TOO_SHORT, Cause.WAITING, Cause.UNCLEAR, None])
def test_one_that_may_have_waited_is_none_and_the_whole_service_decides(
    monkeypatch: pytest.MonkeyPatch, cause: Cause | None
) -> None:
    broken = Confirmation(is_dead=True, cause="broken hop: sample labels")

    assert not ask(monkeypatch, examination(cause), examination()).is_dead
    assert ask(monkeypatch, examination(cause), examination(broken="sample labels")) == broken
    assert ask(monkeypatch, examination(cause, broken="sample labels"), examination()) == broken


def test_an_upload_that_is_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(monkeypatch, examination(Cause.NOT_ARRIVED), examination(broken="sample labels"))

    assert not found.is_dead
    assert found.is_open
    assert found.lasts_s < Confirmation(is_dead=False).lasts_s


def test_a_server_that_is_away_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    away = ServerUnreachableError("Tempo", NOBODY, "refused")

    assert not ask(monkeypatch, away, away).is_dead
    assert ask(monkeypatch, away, examination(broken="profiles")).is_dead
