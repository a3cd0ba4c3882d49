"""What a failed test's report says, whatever shape the failure has and whatever goes wrong while it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.linking import Evidence, Linker, Waiting
from spanprofiles.model import Endpoints
from spanprofiles.pytest_plugin import SpanProfiles, diagnosis
from spanprofiles.pytest_plugin.diagnosis import add_diagnosis
from tests.unit.conftest import graph_of

_TRACE = "ab" * 16

Told = Callable[[Any], pytest.TestReport]


@pytest.fixture
def seen(request: pytest.FixtureRequest, dead_url: str) -> Evidence:
    """What a test has seen of a trace, from servers that are gone by now."""
    endpoints = Endpoints(dead_url, dead_url)
    claims = SpanProfiles(endpoints, Linker.of(endpoints, waiting=Waiting(0)), request.node)
    claims.seen[_TRACE] = Evidence(_TRACE, flamegraphs={"cd" * 8: graph_of({("main", "read"): 10_000_000})})
    return claims.seen[_TRACE]


@pytest.fixture
def told(request: pytest.FixtureRequest, seen: Evidence, monkeypatch: pytest.MonkeyPatch) -> Told:  # noqa: ARG001
    """Add the diagnosis to the report of a failure with this text."""

    def tell(longrepr: Any) -> pytest.TestReport:
        monkeypatch.setattr(request.node, "user_properties", [])
        report = pytest.TestReport("test", ("test.py", 1, "test"), {}, "failed", longrepr, "call")
        add_diagnosis(request.node, report)
        return report

    return tell


def test_a_failure_that_is_a_text_gets_the_diagnosis_below_it(told: Told) -> None:
    report = told("it failed")
    assert isinstance(report.longrepr, str)
    assert report.longrepr.startswith("it failed\n--")
    assert f"trace {_TRACE}" in report.longrepr


def test_a_failure_of_another_kind_gets_the_diagnosis_as_a_section(told: Told) -> None:
    report = told(("test.py", 1, "skipped"))
    ((title, text),) = report.sections
    assert title == "span profiles"
    assert f"trace {_TRACE}" in text


def test_without_servers_the_doctor_says_nothing_and_the_rest_is_told(told: Told) -> None:
    report = told("it failed")
    assert "the doctor says\n" in str(report.longrepr)
    assert "does not answer" in str(report.longrepr)
    assert ("span_profiles.trace_id", _TRACE) in report.user_properties


def test_a_diagnosis_that_fails_says_so_and_ends_nothing(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd data")

    monkeypatch.setattr(diagnosis, "failure_report", fail)
    assert "what was seen cannot be told: RuntimeError: odd data" in str(told("it failed").longrepr)


def test_a_folder_for_pictures_that_cannot_be_written_is_named(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SPAN_PROFILES_PICTURES", str(tmp_path / "file"))
    text = str(told("it failed").longrepr)
    assert f"the picture {tmp_path}/file/" in text
    assert "cannot be written: " in text


def test_pictures_of_what_was_seen_are_left_in_the_folder(
    told: Told, seen: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.merged = 2, graph_of({("main",): 20_000_000})
    monkeypatch.setenv("SPAN_PROFILES_PICTURES", str(tmp_path / "pictures"))
    report = told("it failed")
    written = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert [name.rpartition("-")[2] for name in written] == [f"{'cd' * 8}.svg", f"{_TRACE}.svg"]
    assert len([name for name, _ in report.user_properties if name == "span_profiles.picture"]) == 2
