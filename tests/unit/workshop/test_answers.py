"""What judges say of typical answers, from what they have seen: no program is run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from spanprofiles.linking import Evidence
from spanprofiles.linking.grafana import DataSource, DataSources
from spanprofiles.model import CPU, Endpoints, FlameGraph, Trace
from spanprofiles.workshop import Workbench, WorkshopError
from spanprofiles.workshop.exercise import exercise_of
from spanprofiles.workshop.exercises.e01_look import judge as look
from spanprofiles.workshop.exercises.e03_forks import judge as forks
from spanprofiles.workshop.exercises.e05_grafana.mistakes import keys_of_nothing, mistakes, unknown_labels
from spanprofiles.workshop.exercises.e10_your_own import judge as own
from spanprofiles.workshop.program import FinishedProgram
from spanprofiles.workshop.workbench import EXAMINE_S
from tests.support.grafana_settings import PYROSCOPE, TAGS, a_span, settings, tempo

SPANS = ["GET /bike", "calculate_price", "find_nearest_vehicle"]
SPAN = a_span(resource={"service.name": "rides", "service.namespace": "sky"})
NAMESPACE = {"key": "service.namespace", "value": "service_namespace"}
LABELS = {"service_name", "span_name"}
PASSED, FAILED = FinishedProgram(0, "1 passed"), FinishedProgram(1, "1 failed")


@pytest.mark.parametrize("answer", ["GET /bike", "get  /bike", "calculate_price"])
def test_a_spans_name_is_told_apart_from_a_functions(answer: str) -> None:
    judgement = look._judged(answer, "merge_tolls", SPANS)

    assert not judgement.passed
    assert "is the name of a span" in judgement.text
    assert "a function: one of the boxes of the flame graph" in judgement.text


@pytest.mark.parametrize("answer", ["merge_tolls", "merge_tolls()", "city.merge_tolls"])
def test_the_right_function_is_right_however_it_is_written(answer: str) -> None:
    assert look._judged(answer, "merge_tolls", SPANS).passed


def test_any_caller_in_the_flame_graph_is_told_that_it_waits_for_what_it_calls() -> None:
    text = look._judged("_price", "merge_tolls", callers=["Flask.wsgi_app", "_price"], functions=["_price"]).text

    assert "_price is above the function that did the work" in text
    assert "with the most self time" in text
    wsgi = look._judged("wsgi_app", "merge_tolls", callers=["Flask.wsgi_app", "_price"], functions=["Flask.wsgi_app"])
    assert "wsgi_app is above the function that did the work" in wsgi.text


@pytest.mark.parametrize(
    ("answer", "fragment"),
    [
        ("merge_toll", "no function of the name 'merge_toll' is in the slow ride's flame graph"),
        ("Merge_Tolls", "there is merge_tolls, and upper and lower case count"),
        ("moving", "'moving' did not use the slow ride's CPU"),
    ],
)
def test_a_name_that_is_in_no_flame_graph_is_told_so(answer: str, fragment: str) -> None:
    judgement = look._judged(answer, "merge_tolls", functions=["merge_tolls", "Road.moving"])

    assert not judgement.passed
    assert fragment in judgement.text


def test_a_function_of_every_ride_is_called_so_although_a_span_has_its_name() -> None:
    assert "every ride calls find_nearest_vehicle" in look._judged("find_nearest_vehicle", "merge_tolls", SPANS).text


def test_a_master_that_is_sampled_while_it_loads_the_app_is_noticed() -> None:
    worker = ("Arbiter.run", "Arbiter.spawn_worker", "draw_timetable")

    assert forks._master_is_sampled(FlameGraph([(("Arbiter.run", "draw_timetable"), 10), (worker, 10)]))
    assert not forks._master_is_sampled(FlameGraph([(worker, 10), (("Arbiter.run", "load_cars"), 10)]))


def mistakes_of(**changes: Any) -> list[str]:
    sources = DataSources([DataSource.of(tempo(settings(**changes))), DataSource.of(PYROSCOPE)])
    return mistakes(sources, SPAN, Trace.of(SPAN.trace_id, [SPAN]), LABELS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"tags": [*TAGS, NAMESPACE]}, ["service_namespace"]),
        ({"tags": [{"key": "service.name"}, NAMESPACE]}, ["service.name", "service_namespace"]),
        ({"tags": None}, ["service_namespace"]),
        ({"profileTypeId": "cpu"}, ["profileTypeId"]),
        ({"datasourceUid": "nowhere", "profileTypeId": "cpu"}, ["datasourceUid", "profileTypeId"]),
        (
            {"datasourceUid": "nowhere", "profileTypeId": "cpu", "tags": [{"key": "service.name"}, NAMESPACE]},
            ["datasourceUid", "profileTypeId", "service.name", "service_namespace"],
        ),
        ({"tags": [{"key": "nothing", "value": "x"}]}, ["no label"]),
        ({"tags": [{"key": "service_name"}, NAMESPACE]}, ["no service_name", "service_namespace"]),
    ],
    ids=[
        "none",
        "namespace",
        "two labels",
        "default",
        "type",
        "one hides one",
        "all four",
        "no label",
        "a tag of no attribute",
    ],
)
def test_every_mistake_that_is_left_is_counted(changes: dict[str, Any], expected: list[str]) -> None:
    assert mistakes_of(**changes) == expected
    assert settings()["profileTypeId"] == CPU


def test_a_tag_for_an_attribute_that_the_span_lacks_is_named() -> None:
    tags = [*TAGS, {"key": "service_name"}, NAMESPACE]
    sources = DataSources([DataSource.of(tempo(settings(tags=tags))), DataSource.of(PYROSCOPE)])

    assert keys_of_nothing(sources, SPAN) == ["service_name"]


def test_a_value_that_looks_like_a_comparison_is_no_label() -> None:
    assert unknown_labels('{service_name="a=b", region="x"}', LABELS) == ["region"]


def test_on_a_busy_machine_the_doctor_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[float] = []
    monkeypatch.setattr("spanprofiles.doctor.examine_request", lambda _, __, budget_s: budgets.append(budget_s))
    nowhere = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9")

    Workbench(exercise_of(10), tmp_path, nowhere).examine(Evidence("a" * 32))

    assert budgets == [EXAMINE_S]
    assert EXAMINE_S >= 10


@pytest.mark.parametrize(
    ("run", "noticed"),
    [
        (own._TestRun(FAILED, failed=("NoSamplesError: the span ...",)), True),
        (own._TestRun(FAILED, failed=("AssertionError: assert 0 > 1",)), True),
        (own._TestRun(FAILED, failed=("spanprofiles.linking.errors.TraceNotFoundError: late",)), False),
        (own._TestRun(FAILED, errors=1), False),
        (own._TestRun(PASSED, passed=1), False),
    ],
    ids=["no samples", "a claim", "a late trace", "it did not start", "passed"],
)
def test_tests_notice_lost_samples_only_where_nothing_else_can_have_failed(run: own._TestRun, noticed: bool) -> None:
    assert run.noticed_the_cut == noticed


def test_where_there_is_no_room_for_tests_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Endpoints(tempo="http://127.0.0.1:9", pyroscope="http://127.0.0.1:9")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(own, "TemporaryDirectory", Mock(side_effect=full))

    with (
        pytest.raises(WorkshopError, match=r"^your tests cannot be run: No space left on device$"),
        own._Tests(Workbench(exercise_of(10), tmp_path, nowhere), own.Own(tests="test_app.py"), tmp_path),
    ):
        pass
