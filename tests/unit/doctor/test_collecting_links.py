"""What is asked about links when there is no more time to ask."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib import import_module

import pytest

from spanprofiles.clients import PyroscopeClient, TempoClient
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import LabelCheck, Link, Place
from spanprofiles.model import Span
from tests.support.doctor import NOW_NS, SERVICE, a_span

links = import_module("spanprofiles.doctor.collectors.links")  # by its name in the package, a function is meant


def test_checks_that_were_made_in_time_are_kept_when_there_is_none_left_for_their_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case(TempoClient("http://127.0.0.1:9"), PyroscopeClient("http://127.0.0.1:9"), SERVICE, NOW_NS)
    span = replace(a_span(), end_ns=NOW_NS - 10**12)
    found = [Link(span, Place.EMBEDDED, 10**7)]

    def last_in_time(case: Case, span: Span, *, with_names: bool) -> LabelCheck:
        assert with_names
        object.__setattr__(case, "deadline", time.monotonic())
        return LabelCheck(span, late_ns=10**7, foreign_ns=10**7)

    monkeypatch.setattr(links, "_check", last_in_time)

    checks = links._checks(case, found, with_names=True)

    assert [(one.late_ns, one.neighbours) for one in checks] == [(10**7, ())]
