"""Labels on threads: from a local root span's start to its end, on the thread where it runs."""

from __future__ import annotations

from tests.processor.conftest import ScenarioError, Scenarios
from tests.processor.test_tasks import STEPPING
from tests.support.processor.outcomes import assert_labelled, assert_no_mixture
from tests.support.processor.rows import both, defect


@both
def test_concurrent_threads_do_not_mix(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("concurrent_threads", processor)
    for name in ("red", "blue", "green"):
        assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels)
    assert_no_mixture(outcome)


@both
def test_child_spans_carry_no_profile_id_and_roots_their_own(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("concurrent_threads", processor)
    assert outcome.span("child of red").profile_id is None
    assert outcome.span("red").profile_id == outcome.span("red").span_id


@defect("the old name of a renamed span stays on the thread")
def test_a_renamed_span_leaves_nothing_on_its_thread(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("renamed", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)


@defect("the labels of a span ended on another thread stay for ever, until samples have over 100")
def test_spans_ended_on_another_thread_leave_nothing_in_later_spans(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("ended_on_another_thread", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", ())


@defect("the labels of a span ended on another thread stay for ever")
def test_a_child_of_a_span_ended_elsewhere_has_labels_of_its_own(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("child_after_end_on_another_thread", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)


@defect("a thread that ends within its span leaves the labels to the next thread of its number")
def test_a_thread_does_not_inherit_labels_with_its_number(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("thread_dies_with_its_span_open", processor)
    if "same_number" not in outcome.notes:
        raise ScenarioError("no later thread got the number of the first, so nothing can be said")
    assert_labelled(outcome, "work_of_nobody", ())


@defect("a span that is never ended labels its thread for ever")
def test_spans_dropped_without_an_end_leave_nothing(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("abandoned", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)


@defect("two span IDs inside the inner root")
def test_a_root_inside_another_has_the_samples_to_itself(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("nested_remote_roots", processor)
    assert_labelled(outcome, "work_of_blue", outcome.span("blue").labels)


@defect("the inner root's end takes the trace ID off the outer one")
def test_the_outer_root_gets_its_labels_back(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("nested_remote_roots", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", ())


@defect("there is no way to take labels to an executor")
def test_carried_work_is_its_spans_and_later_work_is_not(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("executor_of_a_thread", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("red").labels)
    assert_labelled(outcome, "work_of_nobody", ())


def test_carried_work_that_starts_after_its_span_is_nobodys(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("executor_of_a_thread", "ours")
    assert_labelled(outcome, "work_of_blue", ())


def test_children_with_labels_of_their_own_have_their_own_samples(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("children_of_each_kind", "each span")
    assert [span.name for span in outcome.spans if span.profile_id != span.span_id] == []
    for name in ("red", "blue"):
        assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels)
    assert_labelled(outcome, "work_of_green", outcome.span("red").labels)  # after its child
    for name in ("gold", "white"):
        assert_labelled(outcome, f"work_of_{name}", outcome.span(name).labels, share=STEPPING)
    assert_labelled(outcome, "work_of_nobody", ())
    assert_no_mixture(outcome)
