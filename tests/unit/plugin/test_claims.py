"""What a test asks of its requests, against servers that are a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from spanprofiles.clients import ClientError
from spanprofiles.linking import Linker, NoProfileIdError, NoSamplesError, NotTracedError, TracedSession, Waiting
from spanprofiles.model import Endpoints, TraceContext
from spanprofiles.pytest_plugin import SpanProfiles
from tests.support.linking import ANSWERING, CALL, INNER, OURS, TRACE, Scene, Upload, server_span
from tests.unit.conftest import Answer, Serve

_SENT = TraceContext(TRACE, OURS)
_WORK = ("main", "search")

Claims = Callable[[Scene], SpanProfiles]


@pytest.fixture
def claims(serve: Serve, request: pytest.FixtureRequest) -> Claims:
    def start(scene: Scene) -> SpanProfiles:
        url = serve(scene.respond).url
        endpoints = Endpoints(url, url)
        waiting = Waiting(0.05, first_s=0.01, longest_s=0.03, clock=scene.clock, sleep=scene.clock.sleep)
        return SpanProfiles(endpoints, Linker.of(endpoints, waiting=waiting, upload_interval_s=0.0), request.node)

    return start


def _forwarded() -> Scene:
    """A request that was forwarded: two local root spans, and the call between them."""
    scene = Scene(uploads=[Upload({_WORK: 30}), Upload({("main", "pay"): 10}, INNER)])
    return scene.add(server_span(), server_span(CALL, ANSWERING, kind=3, profile_id=None), server_span(INNER, CALL))


def test_the_servers_can_be_asked_questions_of_ones_own(claims: Claims) -> None:
    asked = claims(_forwarded())
    assert asked.tempo is asked.linker.tempo
    assert asked.pyroscope is asked.linker.pyroscope
    span = asked.linker.answering_span(_SENT)
    assert asked.flamegraph(span).share("search") == 1.0


def test_a_session_sends_requests_that_can_be_followed(claims: Claims, serve: Serve) -> None:
    session = claims(Scene()).session(serve(lambda _: Answer("hello")).url)
    assert isinstance(session, TracedSession)
    assert TraceContext.parse(session.get("/").request.headers["traceparent"])


def test_a_request_through_two_processes_has_two_linked_spans(claims: Claims) -> None:
    linked = claims(_forwarded()).linked_spans(_SENT, count=2)
    assert [span.span_id for span in linked] == [ANSWERING, INNER]
    assert [span.flamegraph.total for span in linked] == [30, 10]


def test_what_was_seen_is_remembered_by_trace_with_the_latest_question_last(claims: Claims) -> None:
    asked = claims(_forwarded())
    asked.linked_span(_SENT)
    evidence = asked.seen[TRACE]
    with pytest.raises(ClientError):  # of another trace the script knows nothing
        asked.trace(TraceContext("ab" * 16, OURS))
    assert list(asked.seen) == [TRACE, "ab" * 16]

    asked.trace(TRACE)

    assert list(asked.seen) == ["ab" * 16, TRACE]
    assert asked.seen[TRACE] is evidence
    assert evidence.flamegraphs[ANSWERING].total == 30


def test_requests_that_are_merged_are_remembered_as_the_longest_of_them(claims: Claims) -> None:
    asked = claims(_forwarded())
    assert asked.merged([_SENT, _SENT]).total == 30
    (evidence,) = asked.seen.values()
    assert evidence.merged is not None
    assert evidence.merged[0] == 2


def test_merging_fails_at_the_request_that_is_not_linked(claims: Claims) -> None:
    asked = claims(Scene().add(server_span(profile_id=None)))
    with pytest.raises(NoProfileIdError):
        asked.merged([_SENT])
    assert list(asked.seen) == [TRACE]


def test_merging_requests_of_which_none_has_samples_explains_the_longest(claims: Claims) -> None:
    asked = claims(Scene().add(server_span()))
    with pytest.raises(NoSamplesError, match="none of 2 spans has samples; of the longest: the span a1a1"):
        asked.merged([_SENT, _SENT])
    assert list(asked.seen) == [TRACE]


@pytest.mark.parametrize("single", [_SENT, TRACE])
def test_merging_takes_several_requests_and_not_a_single_one(claims: Claims, single: object) -> None:
    with pytest.raises(TypeError, match="merged takes several requests"):
        claims(Scene()).merged(single)  # type: ignore[arg-type]


def test_there_is_nothing_to_merge_without_requests(claims: Claims) -> None:
    with pytest.raises(ValueError, match="no requests"):
        claims(Scene()).merged([])


def test_a_request_without_traceparent_is_refused_and_leaves_nothing_behind(claims: Claims, serve: Serve) -> None:
    asked = claims(Scene())
    with pytest.raises(NotTracedError, match="carried no traceparent"):
        asked.linked_span(requests.get(serve(lambda _: Answer("hello")).url, timeout=10))
    assert not asked.seen


@pytest.mark.parametrize("at_most", [-0.1, 1.0, float("nan")])
def test_a_span_cannot_be_claimed_to_wait_for_an_odd_part_of_its_time(claims: Claims, at_most: float) -> None:
    with pytest.raises(ValueError, match="is not a part of a span's time: give 0 to 1"):
        claims(Scene()).waiting_span(_SENT, at_most=at_most)
