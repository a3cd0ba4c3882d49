"""The time a question about profiles may take binds every stage of its answer, and questions have a size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE, OPTION
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    FlameGraph,
    Level,
    SelectMergeStacktracesRequest,
    SelectMergeStacktracesResponse,
)
from spanprofiles.embedded.pyroscope.connect import PIECE_BYTES, message_json
from spanprofiles.embedded.pyroscope.limits import (
    GROUP_LIMIT,
    IDS_LIMIT,
    MATCHERS_LIMIT,
    SELECTOR_LENGTH_LIMIT,
)
from spanprofiles.embedded.pyroscope.selector import SelectorError, parse_selector
from spanprofiles.embedded.store.database import Database
from tests.support.conformance.random_queries import ProfileQueries
from tests.support.embedded.step_clock import CALLS_LIMIT, steps_of
from tests.unit.embedded.conftest import Applications, applications_on
from tests.unit.embedded.test_profiles import CPU, NOW_S, SPAN, TRACE, WINDOW, profile, pushed, sample, shop

pytestmark = pytest.mark.slow

__all__ = ["shop"]  # a fixture
STACKS, SERIES, PROFILES = 1_500, 400, 40
QUESTION: dict[str, Any] = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a merge": ("SelectMergeStacktraces", {}),
    "a merge of few nodes": ("SelectMergeStacktraces", {"maxNodes": 100}),
    "a tree": ("SelectMergeStacktraces", {"format": "PROFILE_FORMAT_TREE"}),
    "a merge as pprof": ("SelectMergeStacktraces", {"format": "PROFILE_FORMAT_PPROF"}),
    "a profile": ("SelectMergeProfile", {}),
    "a span": ("SelectMergeSpanProfile", {"spanSelector": [SPAN]}),
    "many spans": ("SelectMergeSpanProfile", {"spanSelector": [f"{number:016x}" for number in range(200)]}),
    "a trace": ("SelectMergeStacktraces", {"traceIdSelector": [TRACE]}),
    "series": ("SelectSeries", {"step": 15, "groupBy": ["split"], "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL"}),
    "a heatmap": (
        "SelectHeatmap",
        {"step": 10, "queryType": "HEATMAP_QUERY_TYPE_SPAN", "exemplarType": "EXEMPLAR_TYPE_SPAN"},
    ),
    "a heatmap by label": (
        "SelectHeatmap",
        {"step": 10, "queryType": "HEATMAP_QUERY_TYPE_INDIVIDUAL", "groupBy": ["split"]},
    ),
    "a difference": ("Diff", {"left": QUESTION, "right": QUESTION}),
    "a difference of few nodes": ("Diff", {"left": QUESTION | {"maxNodes": 50}, "right": QUESTION}),
    "label names": ("LabelNames", {"matchers": ['{split=~"s.*1"}']}),
    "label values": ("LabelValues", {"name": "split"}),
    "sets of labels": ("Series", {"labelNames": ["split"]}),
    "profile types": ("ProfileTypes", {}),
}  # fmt: skip
RENDER = f"/pyroscope/render?query={CPU}{{}}&from={NOW_S - 3_000}&until={NOW_S + 600}&groupBy=split"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store in which work for all stacks, series or profiles at once would be seen."""
    database = Database(tmp_path_factory.mktemp("large"))
    applications = applications_on(database)
    stacks = [sample(f"f{number}", "g", f"h{number % 7}", span_id=SPAN, trace_id=TRACE) for number in range(STACKS)]
    assert pushed(applications, profile(*stacks)) == 200
    split = [sample("leaf", "main", split=f"s{number}") for number in range(SERIES)]
    assert pushed(applications, profile(*split)) == 200
    spans = (sample("leaf", "main", span_id=f"{number:016x}") for number in range(PROFILES))
    assert pushed(applications, *(profile(span) for span in spans)) == 200
    yield database
    database.close()


def asked(applications: Applications, call: tuple[str, dict[str, Any]]) -> TestResponse:
    method, more = call
    body = more if method == "Diff" else QUESTION | more
    return applications.pyroscope.post(f"/querier.v1.QuerierService/{method}", json=body)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_work_between_two_looks_at_the_clock_is_bounded_however_much_there_is(
    large: Database, call: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(applications_on(large), call)  # what is imported and compiled once does not count
    applications = applications_on(large)
    with steps_of(large, monkeypatch) as steps, steps.counting():
        answer = asked(applications, call)
    assert answer.status_code == 200, answer.text
    assert steps.most_calls < CALLS_LIMIT


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_question_that_is_late_in_any_stage_is_given_up_with_connects_code(
    large: Database, call: tuple[str, dict[str, Any]], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with steps_of(large, monkeypatch) as steps:
        asked(applications_on(large), call)
    with steps_of(large, monkeypatch, int(steps.now * share)) as fewer:
        answer = asked(applications_on(large), call)
    assert answer.status_code == 504, answer.text
    assert answer.get_json()["code"] == "deadline_exceeded"
    assert OPTION in answer.get_json()["message"]
    assert fewer.now <= steps.now * share + 3


def test_the_older_api_keeps_to_the_same_deadline(large: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    applications = applications_on(large)
    applications.pyroscope.get(RENDER)  # likewise
    with steps_of(large, monkeypatch) as steps, steps.counting():
        assert applications.pyroscope.get(RENDER).status_code == 200
    assert steps.most_calls < CALLS_LIMIT
    for share in (0.0, 0.5, 0.95):
        with steps_of(large, monkeypatch, int(steps.now * share)):
            assert applications.pyroscope.get(RENDER).status_code == 504


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 200))
def test_any_question_is_answered_or_given_up_within_its_steps(
    large: Database, monkeypatch: pytest.MonkeyPatch, seed: int, limit: int
) -> None:
    call = ProfileQueries(seed, NOW_S * 1_000).call()
    with steps_of(large, monkeypatch, limit) as steps:
        answer = asked(applications_on(large), call)
    assert answer.status_code in {200, 504}, answer.text
    assert steps.now <= limit + 3


TOO_MUCH: dict[str, tuple[str, dict[str, Any]]] = {
    "matchers": ("SelectMergeProfile", {"labelSelector": f"{{{','.join(['a=`b`'] * (MATCHERS_LIMIT + 1))}}}"}),
    "matchers in all": ("LabelNames", {"matchers": ["{a=`b`}"] * (MATCHERS_LIMIT + 1)}),
    "a selector's length": ("LabelNames", {"matchers": [f"{{a=`{'b' * SELECTOR_LENGTH_LIMIT}`}}"]}),
    "spans": ("SelectMergeSpanProfile", {"spanSelector": [SPAN] * (IDS_LIMIT + 1)}),
    "traces": ("SelectMergeStacktraces", {"traceIdSelector": [TRACE] * (IDS_LIMIT + 1)}),
    "labels to group by": (
        "SelectSeries",
        {"step": 15, "groupBy": [f"l{number}" for number in range(GROUP_LIMIT + 1)]},
    ),
    "labels to group a heatmap by": (
        "SelectHeatmap",
        {"step": 15, "queryType": 1, "groupBy": [f"l{number}" for number in range(GROUP_LIMIT + 1)]},
    ),
}
ENOUGH: dict[str, tuple[str, dict[str, Any]]] = {
    "matchers": ("SelectMergeProfile", {"labelSelector": f"{{{','.join(['a=`b`'] * MATCHERS_LIMIT)}}}"}),
    "matchers in all": ("LabelNames", {"matchers": ["{a=`b`}"] * MATCHERS_LIMIT}),
    "a selector's length": ("LabelNames", {"matchers": [f"{{a=`{'b' * (SELECTOR_LENGTH_LIMIT - 10)}`}}"]}),
    "spans": ("SelectMergeSpanProfile", {"spanSelector": [SPAN] * IDS_LIMIT}),
    "labels to group by": ("SelectSeries", {"step": 15, "groupBy": [f"l{number}" for number in range(GROUP_LIMIT)]}),
}


@pytest.mark.parametrize("call", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_question_that_names_too_much_is_refused_with_the_limit(
    applications: Applications, call: tuple[str, dict[str, Any]]
) -> None:
    answer = asked(applications, call)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_argument")
    assert "more than" in answer.get_json()["message"] or "longer than" in answer.get_json()["message"]


@pytest.mark.parametrize("call", ENOUGH.values(), ids=ENOUGH)
def test_a_question_that_names_as_much_as_it_may_is_answered(
    applications: Applications, call: tuple[str, dict[str, Any]]
) -> None:
    assert asked(applications, call).status_code == 200


def test_selectors_are_remembered_up_to_a_bound() -> None:
    with pytest.raises(SelectorError, match="more than"):
        parse_selector(f"{{{','.join(['a=`b`'] * (MATCHERS_LIMIT + 1))}}}")
    assert parse_selector("{a=`b`}") is parse_selector("{a=`b`}")


NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30)
GRAPHS = st.builds(
    lambda names, levels, total, repeated: SelectMergeStacktracesResponse(
        flamegraph=FlameGraph(
            names=names * repeated,
            levels=[Level(values=values * repeated) for values in levels],
            total=total,
        ),
    ),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=5),
    st.lists(NUMBERS, max_size=3),
    st.integers(0, 2**62),
    st.sampled_from([1, PIECE_BYTES // 20]),
)


@settings(max_examples=40)
@given(GRAPHS)
def test_a_message_written_in_pieces_is_that_written_at_once(graph: Any) -> None:
    written = JsonWriter(NO_DEADLINE).written(message_json(graph))
    assert json.loads(written) == json_format.MessageToDict(graph)


def test_an_answer_that_is_too_large_is_refused_in_either_form(
    shop: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanprofiles.embedded.answers.JsonWriter.__init__.__defaults__", (50,))
    answer = asked(shop, ("SelectMergeStacktraces", {}))
    assert (answer.status_code, answer.get_json()["code"]) == (429, "resource_exhausted")
    request = json_format.ParseDict(QUESTION, SelectMergeStacktracesRequest())
    answer = shop.pyroscope.post(
        "/querier.v1.QuerierService/SelectMergeStacktraces",
        data=request.SerializeToString(),
        content_type="application/proto",
    )
    assert (answer.status_code, answer.get_json()["code"]) == (429, "resource_exhausted")
