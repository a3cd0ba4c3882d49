"""Spans that run although no local root span of their process is open have a profile of their own."""

from __future__ import annotations

import pytest

from tests.processor.conftest import Scenarios
from tests.processor.test_tasks import STEPPING
from tests.support.processor.outcomes import Outcome, assert_labelled, assert_no_mixture
from tests.support.processor.rows import defect


def assert_linked(outcome: Outcome, *names: str) -> None:
    """These spans and no others have a profile ID, each its own."""
    having = {span.name: span.profile_id for span in outcome.spans if span.profile_id}
    assert having == {name: outcome.span(name).span_id for name in names}


@defect("what follows the root's end has no labels")
def test_a_child_that_outlives_its_root_has_the_rest_to_itself(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("child_outlives_its_root", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_linked(outcome, "blue", "red", "green")


def test_what_was_done_before_the_roots_end_is_the_roots(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("child_outlives_its_root", "ours")
    assert_labelled(outcome, "work_of_blue", outcome.span("blue").labels)


def test_it_leaves_nothing_behind(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("child_outlives_its_root", "ours")
    assert_labelled(outcome, "work_of_nobody", ())
    assert_labelled(outcome, "work_of_green", outcome.span("green").labels)
    assert_no_mixture(outcome)


@defect("a child of a span that has ended has no labels")
def test_a_child_that_starts_after_its_root_has_its_own_samples(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("child_starts_after_its_root", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_linked(outcome, "blue", "red", "green")  # and not the child of red, which is inside of it


def test_the_next_request_of_its_thread_is_not_its_own(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("child_starts_after_its_root", "ours")
    assert_labelled(outcome, "work_of_nobody", ())
    assert_labelled(outcome, "work_of_green", outcome.span("green").labels)


def test_a_root_that_ends_elsewhere_gives_way_at_the_next_span(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("root_ends_elsewhere", "ours")
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", ())
    assert_linked(outcome, "root", "red")


def test_carried_work_that_outlives_its_request_is_its_own_from_the_next_span_on(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("carried_work_outlives_its_root", "ours")
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", ())
    assert_linked(outcome, "root", "red")


@pytest.mark.parametrize("name", ["red", "blue", "green"])
@defect("samples of tasks mix, and those of tasks that outlive their request carry no span")
def test_tasks_that_outlive_their_request_have_their_own_samples(
    scenarios: Scenarios, processor: str, name: str
) -> None:
    outcome = scenarios.outcome("tasks_outlive_their_root", processor)
    assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels, share=STEPPING)
    assert_linked(outcome, "root", "red", "blue", "green")


def test_what_such_a_task_hands_to_a_thread_is_its_own(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("tasks_outlive_their_root", "ours")
    assert_labelled(outcome, "work_of_gold", outcome.span("red").labels)


def test_a_task_without_a_span_of_its_own_is_nobodys_when_its_request_has_ended(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("tasks_outlive_their_root", "ours")
    assert_labelled(outcome, "work_of_nobody", (), share=STEPPING)
    assert_no_mixture(outcome)


@defect("the first span of a process that was forked within a span is taken for a child of its own")
def test_a_span_of_a_process_that_was_forked_within_another_span_has_its_own_samples(
    scenarios: Scenarios, processor: str
) -> None:
    outcome = scenarios.outcome("forked_within_a_span", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_linked(outcome, "red")


@pytest.mark.parametrize(("task", "name"), [("in_a_thread", "red"), ("in_the_loop", "blue")])
@defect("background tasks run after the request's span, and have no labels")
def test_background_tasks_of_fastapi_have_their_own_samples(
    scenarios: Scenarios, processor: str, task: str, name: str
) -> None:
    outcome = scenarios.outcome("fastapi_background", processor)
    assert_labelled(outcome, f"work_of_{name}", outcome.span(f"BackgroundTask {task}").labels, share=STEPPING)
    assert_linked(outcome, "GET /order", "BackgroundTask in_a_thread", "BackgroundTask in_the_loop", "GET /next")


def test_a_request_after_fastapis_background_tasks_is_its_own(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("fastapi_background", "ours")
    assert_labelled(outcome, "work_of_green", outcome.span("GET /next").labels)
    assert_no_mixture(outcome)


@pytest.mark.parametrize("name", ["red", "blue"])
@defect("background tasks run after the request's span, and have no labels")
def test_spans_in_background_tasks_of_starlette_have_their_own_samples(
    scenarios: Scenarios, processor: str, name: str
) -> None:
    outcome = scenarios.outcome("starlette_background", processor)
    assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels, share=STEPPING)
    assert_linked(outcome, "/first", "red", "/second", "blue", "/third")


def test_a_request_after_starlettes_background_tasks_is_its_own(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("starlette_background", "ours")
    assert_labelled(outcome, "work_of_green", outcome.span("/third").labels)
    assert_labelled(outcome, "work_of_nobody", ())
    assert_no_mixture(outcome)
