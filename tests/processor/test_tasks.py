"""Labels on event loops: they follow the task."""

from __future__ import annotations

import sys

import pytest

from tests.processor.conftest import Scenarios
from tests.support.processor.outcomes import assert_labelled, assert_no_mixture
from tests.support.processor.rows import defect

STEPPING = 0.4
"""Of tasks that alternate every few milliseconds, each step has two borders, and a busy machine moves whole batches of
samples to the neighbour: 63 % were right at a load of eleven on two cores. The official processor has 0 to 10 %."""


@defect("every sample carries the IDs of both spans")
def test_concurrent_tasks_have_their_own_samples(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("concurrent_tasks", processor)
    for name in ("red", "blue"):
        assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels, share=STEPPING)
    assert_no_mixture(outcome)


@defect("a task without a span is labelled with its neighbours'")
def test_a_task_without_a_span_has_samples_without_one(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("concurrent_tasks", processor)
    assert_labelled(outcome, "work_of_nobody", (), share=STEPPING)


@defect("a neighbour's samples carry the span")
def test_tasks_and_timers_of_a_span_are_labelled_and_its_neighbour_is_not(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("tasks_of_a_span", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels, share=STEPPING)
    assert_labelled(outcome, "work_of_green", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", (), share=STEPPING)


@pytest.mark.parametrize("function", ["work_of_red", "work_of_blue"])
@defect("work in other threads carries no span")
def test_to_thread_and_executor_work_is_the_tasks(scenarios: Scenarios, processor: str, function: str) -> None:
    outcome = scenarios.outcome("threads_of_a_task", processor)
    assert_labelled(outcome, function, outcome.span("red").labels)


def test_an_executors_thread_keeps_no_labels(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("threads_of_a_task", "ours")
    assert_labelled(outcome, "work_of_nobody", ())


@defect("two span IDs inside the inner root, and part of the labels after it")
def test_a_loop_run_within_a_span_gives_the_labels_back(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("loop_inside_a_span", processor)
    assert_labelled(outcome, "work_of_blue", outcome.span("blue").labels, share=STEPPING)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before Python 3.12")
@defect("every sample carries the IDs of all open spans")
def test_eager_tasks_leave_no_labels_with_who_creates_them(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("eager_tasks", processor)
    assert_labelled(outcome, "work_of_nobody", ())
    for name in ("red", "blue"):
        assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels, share=STEPPING)
