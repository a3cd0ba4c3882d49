"""The set-ups whose users report dead links: FastAPI under uvicorn, streamed bodies, gunicorn with ``--preload``."""

from __future__ import annotations

import pytest

from tests.processor.conftest import Scenarios
from tests.processor.test_tasks import STEPPING
from tests.support.processor.outcomes import assert_labelled, assert_no_mixture
from tests.support.processor.rows import both, defect

ROUTES = [("coroutine", "red"), ("neighbour", "white"), ("function", "blue"), ("executor", "green"), ("stream", "gold")]


@pytest.mark.parametrize(("route", "name"), ROUTES)
@defect("overlapping requests mix, and work in other threads carries no span")
def test_overlapping_requests_of_fastapi_have_their_own_samples(
    scenarios: Scenarios, processor: str, route: str, name: str
) -> None:
    outcome = scenarios.outcome("fastapi_under_uvicorn", processor)
    span = outcome.span(f"GET /{route}")
    assert span.profile_id == span.span_id
    assert_labelled(outcome, f"work_of_{name}", span.labels, share=STEPPING)


@defect("an untraced request is labelled with whoever else is served")
def test_an_untraced_request_has_no_labels_of_others(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("fastapi_under_uvicorn", processor)
    assert_labelled(outcome, "work_of_nobody", (), share=STEPPING)


def test_every_step_of_every_request_had_its_own_labels_set(scenarios: Scenarios) -> None:
    """What was set, exactly; the tests above are of what the agent made of it."""
    assert scenarios.outcome("fastapi_on_record", "ours").notes["seen"] == [
        ["blue", "GET /function"],
        ["gold", "GET /stream"],
        ["green", "GET /executor"],
        ["nobody", None],
        ["red", "GET /coroutine"],
        ["white", "GET /neighbour"],
    ]


def test_no_sample_of_fastapi_carries_two_spans(scenarios: Scenarios) -> None:
    assert_no_mixture(scenarios.outcome("fastapi_under_uvicorn", "ours"))


@defect("the span has ended when the body is computed, and samples carry none")
def test_a_streamed_body_of_flask_is_its_requests(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("flask_streaming", processor)
    assert_labelled(outcome, "work_of_red", outcome.span("GET /stream").labels)


@both
def test_a_request_after_a_streamed_body_is_its_own(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("flask_streaming", processor)
    assert_labelled(outcome, "work_of_blue", outcome.span("GET /plain").labels)
    assert_labelled(outcome, "work_of_nobody", ())


@defect("workers of gunicorn --preload have no agent, and each of their spans a profile ID")
def test_a_preloaded_worker_has_no_dead_link(scenarios: Scenarios, processor: str) -> None:
    outcome = scenarios.outcome("gunicorn_preload", processor)
    assert [span.profile_id for span in outcome.spans] == [None, None, None]


def test_a_preloaded_workers_spans_say_that_no_agent_runs_there(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("gunicorn_preload", "ours")
    assert {span.missing for span in outcome.spans} == {"no agent in this process"}


def test_a_preloaded_worker_is_linked_where_the_processor_starts_the_agent(scenarios: Scenarios) -> None:
    outcome = scenarios.outcome("gunicorn_preload", "starting")
    for name in ("red", "blue", "green"):
        span = outcome.span(name)
        assert span.profile_id == span.span_id
        assert_labelled(outcome, f"work_of_{name}", span.labels)
