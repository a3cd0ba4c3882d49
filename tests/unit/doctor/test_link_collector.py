"""What is asked about links when there is no more time to ask."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.doctor.collectors import links
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.observations import LabelCheck, Link, Place
from spanprofiles.doctor.question import Question
from spanprofiles.model import Span
from tests.support.doctor import NOW_NS, SERVICE, a_span


def test_checks_made_in_time_are_kept_when_none_is_left_for_their_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = "http://127.0.0.1:9"
    case = Case(TempoClient(nowhere), PyroscopeClient(nowhere), Question(SERVICE, NOW_NS))
    span = replace(a_span(), end_ns=NOW_NS - 10**12)
    found = [Link(span, Place.EMBEDDED, 10**7)]

    def last_in_time(case: Case, span: Span, *, with_names: bool) -> LabelCheck:
        assert with_names
        object.__setattr__(case, "deadline", time.monotonic())
        return LabelCheck(span, late_ns=10**7, foreign_ns=10**7)

    monkeypatch.setattr(links, "_check", last_in_time)

    checks = links._checks(case, found, with_names=True)

    assert [(check.late_ns, check.neighbours) for check in checks] == [(10**7, ())]
