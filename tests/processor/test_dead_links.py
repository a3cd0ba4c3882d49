"""A profile ID is on a span where samples can be, and nowhere else."""

from __future__ import annotations

import pytest

from tests.processor.conftest import Scenarios
from tests.support.processor.outcomes import assert_labelled, assert_no_mixture
from tests.support.processor.rows import both, defect


@defect("the attribute is set although no agent runs")
def test_without_an_agent_there_is_no_profile_id(scenarios: Scenarios, processor: str) -> None:
    assert scenarios.outcome("no_agent", processor).span("red").profile_id is None


@defect("the attribute is set although the agent has been shut down")
def test_a_stopped_agent_gives_no_more_profile_ids(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("agent_stopped", processor)
    assert outcome.span("before").profile_id == outcome.span("before").span_id
    assert outcome.span("after").profile_id is None


@defect("the attribute is set in a forked child, where no agent runs")
def test_a_forked_child_has_no_profile_id(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("forked_child", processor)
    assert outcome.span("parent").profile_id == outcome.span("parent").span_id
    assert outcome.span("child").profile_id is None


def test_a_forked_child_is_linked_where_the_processor_starts_the_agent(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("forked_child", "starting")
    child = outcome.span("child")
    assert child.profile_id == child.span_id
    assert_labelled(outcome, "work_of_blue", child.labels)
    assert_labelled(outcome, "work_of_nobody", ())
    assert_labelled(outcome, "work_of_red", outcome.span("parent").labels)


@pytest.mark.parametrize(
    ("scenario", "name"), [("no_agent", "red"), ("agent_stopped", "after"), ("forked_child", "child")]
)
def test_a_span_without_a_profile_id_says_that_no_agent_runs(scenarios: Scenarios, scenario: str, name: str) -> None:
    outcome = scenarios.outcome(scenario, "ours")
    assert outcome.span(name).missing == "no agent in this process"


@pytest.mark.parametrize(("scenario", "name"), [("agent_stopped", "before"), ("forked_child", "parent")])
def test_a_span_with_a_profile_id_misses_none(scenarios: Scenarios, scenario: str, name: str) -> None:
    assert scenarios.outcome(scenario, "ours").span(name).missing is None


def test_child_spans_say_nothing_of_a_profile_id(scenarios: Scenarios) -> None:
    assert scenarios.outcome("concurrent_threads", "ours").span("child of red").missing is None
    assert scenarios.outcome("no_agent", "ours").span("child of red").missing is None


@both
def test_a_dropped_trace_leaves_no_labels(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("dropped", processor)
    assert outcome.spans == ()
    assert_labelled(outcome, "work_of_red", ())


@defect("a span that is recorded and never exported is labelled")
def test_a_span_that_is_only_recorded_is_not_labelled(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("record_only", processor)
    assert outcome.span("red").profile_id is None
    assert_labelled(outcome, "work_of_red", ())


@defect("a name that cannot be encoded raises in the app")
def test_no_span_name_makes_trouble(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("odd_names", processor)
    assert outcome.notes["errors"] == []
    samples = {value for sample in outcome.samples for key, value in sample.labels if key == "span_id"}
    assert samples == {span.span_id for span in outcome.spans}
    assert_no_mixture(outcome)
