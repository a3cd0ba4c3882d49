from __future__ import annotations

import base64

import pytest

from spanprofiles.clients import ClientError
from spanprofiles.linking import Linker, LinkError, NoProfileIdError, NoSamplesError, TraceNotFoundError, Waiting
from spanprofiles.model import Credentials, Endpoints, IdentifierError, TraceContext
from tests.support.linking import ANSWERING, CALL, INNER, OURS, SERVICE, TRACE, Scene, Upload, server_span
from tests.unit.conftest import Answer, Seen, Serve
from tests.unit.linking.conftest import Follow

_SENT = TraceContext(TRACE, OURS)
_SEARCH, _PRICE = ("main", "search"), ("main", "price")


def test_a_span_that_arrives_late_is_waited_for(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})]).add(server_span(), after_looks=4)
    linked = follow(scene).linked_span(_SENT)
    assert scene.trace_looks == 5
    assert (linked.trace_id, linked.span_id, linked.profile_id) == (TRACE, ANSWERING, ANSWERING)
    assert (linked.name, linked.service, linked.cpu_ns) == ("GET /bike", SERVICE, 30)


def test_a_profile_id_that_arrives_after_other_spans_is_waited_for(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})])
    scene.add(server_span(CALL, ANSWERING, profile_id=None, kind=1)).add(server_span(), after_looks=3)
    assert follow(scene).linked_span(_SENT).span_id == ANSWERING
    assert scene.trace_looks == 4


def test_an_answering_span_without_a_profile_id_is_told_without_waiting_to_the_end(follow: Follow) -> None:
    scene = Scene().add(server_span(profile_id=None, ended_s_ago=0.1))
    with pytest.raises(NoProfileIdError, match="span processor"):
        follow(scene, timeout_s=300).linked_span(_SENT)
    assert scene.clock() < 150  # by the scene's clock, which sleeping moves on


def test_an_answering_span_that_comes_after_one_without_a_profile_id_is_still_found(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})])
    scene.add(server_span(CALL, profile_id=None, ended_s_ago=0.1)).add(server_span(), after_looks=3)
    assert follow(scene).linked_span(_SENT).span_id == ANSWERING


def test_where_more_processes_are_awaited_than_have_answered_it_waits_for_them(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_PRICE: 30}, INNER)])
    scene.add(server_span(profile_id=None, ended_s_ago=0.1)).add(server_span(), server_span(INNER, CALL), after_looks=9)
    assert len(follow(scene).linked_spans(_SENT, count=2)) == 2


def test_samples_that_arrive_in_two_uploads_are_all_there(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_SEARCH: 20, _PRICE: 10}, after_s=0.4)])
    linked = follow(scene.add(server_span(ended_s_ago=-5)), upload_interval_s=0.5).linked_span(_SENT)
    assert linked.flamegraph.stacks == {_SEARCH: 50, _PRICE: 10}
    assert linked.waited_s > 0.5


def test_samples_of_a_span_that_ended_long_ago_are_taken_at_the_first_look(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})]).add(server_span(ended_s_ago=20))
    assert follow(scene, upload_interval_s=10).linked_span(_SENT).cpu_ns == 30
    assert scene.profile_looks == 1


def test_samples_whose_upload_began_after_the_request_are_taken_as_soon_as_they_come(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}, after_s=0.8)]).add(server_span(ended_s_ago=-5))
    linked = follow(scene, timeout_s=20, upload_interval_s=15).linked_span(_SENT)
    assert linked.cpu_ns == 30
    assert linked.waited_s < 10


@pytest.mark.parametrize(("queryable_after_s", "second_s", "whole"), [(0.5, 0.9, True), (0.0, 10, False)])
def test_samples_that_are_found_late_may_have_been_sent_before_the_request_ended(
    follow: Follow, queryable_after_s: float, second_s: float, whole: bool
) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 60}, after_s=0.4), Upload({_SEARCH: 110}, after_s=second_s)])
    scene.add(server_span(ended_s_ago=-5))
    linker = follow(scene, upload_interval_s=0.5, queryable_after_s=queryable_after_s)
    assert linker.linked_span(_SENT).cpu_ns == (170 if whole else 60)


def test_samples_are_waited_for_until_they_are_complete_past_a_short_deadline(follow: Follow) -> None:
    # The second upload is one that was under way when the interval was over.
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_PRICE: 10}, after_s=0.6)]).add(server_span(ended_s_ago=-5))
    linked = follow(scene, timeout_s=0.1, upload_interval_s=0.5).linked_span(_SENT)
    assert linked.flamegraph.stacks == {_SEARCH: 30, _PRICE: 10}


def test_without_any_samples_a_short_deadline_is_kept(follow: Follow) -> None:
    scene = Scene().add(server_span(ended_s_ago=-5))
    with pytest.raises(NoSamplesError):
        follow(scene, timeout_s=0.1, upload_interval_s=60).linked_span(_SENT)


@pytest.mark.parametrize("count", [0, -1])
def test_no_linked_spans_at_all_are_no_claim(follow: Follow, count: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 or more"):
        follow(Scene()).linked_spans(_SENT, count=count)


def test_spans_are_merged_with_one_question_for_each_service_though_some_are_empty(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_SEARCH: 10, _PRICE: 5}, INNER, service="other")])
    scene.add(server_span(), server_span(CALL)).add(server_span(INNER, CALL), service="other")
    linker = follow(scene)
    spans = linker.trace(_SENT, lambda trace: len(trace.spans) == 3).spans
    assert linker.merged_samples(spans).stacks == {_SEARCH: 40, _PRICE: 5}
    assert scene.profile_looks == 2


def test_merged_samples_are_waited_for_until_every_process_has_uploaded(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}, after_s=0.4), Upload({_PRICE: 10}, CALL, after_s=0.7)])
    linker = follow(scene.add(server_span(ended_s_ago=-5), server_span(CALL, ended_s_ago=-5)), upload_interval_s=0.6)
    spans = linker.trace(_SENT, lambda trace: len(trace.spans) == 2).spans
    assert linker.merged_samples(iter(spans)).stacks == {_SEARCH: 30, _PRICE: 10}


def test_spans_none_of_which_has_samples_are_explained_by_the_longest(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}, INNER)]).add(server_span(lasted_ms=4), server_span(CALL, lasted_ms=15))
    linker = follow(scene, timeout_s=0.1)
    with pytest.raises(
        NoSamplesError, match=rf"none of 2 spans has samples; of the longest: the span {CALL}.*"
    ) as failed:
        linker.merged_samples(linker.trace(_SENT, lambda trace: len(trace.spans) == 2).spans)
    assert failed.value.evidence is not None
    assert failed.value.evidence.excused
    assert failed.value.evidence.trace is not None


def test_of_several_spans_the_one_whose_profile_id_is_none_is_shown(follow: Follow) -> None:
    linker = follow(Scene().add(server_span(lasted_ms=900), server_span(CALL, profile_id="xyz")))
    with pytest.raises(NoSamplesError, match=rf"'xyz' of the span {CALL} .* is not 16 hexadecimal") as failed:
        linker.merged_samples(linker.trace(_SENT, lambda trace: len(trace.spans) == 2).spans)
    assert failed.value.evidence is not None
    assert failed.value.evidence.trace is not None
    assert list(failed.value.evidence.flamegraphs) == ["xyz"]


def test_spans_without_a_profile_id_and_no_spans_at_all_cannot_be_merged(follow: Follow) -> None:
    linker = follow(Scene().add(server_span(), server_span(CALL, profile_id=None)))
    with pytest.raises(NoProfileIdError, match=rf"{CALL} .* carries no pyroscope.profile.id"):
        linker.merged_samples(linker.trace(_SENT, lambda trace: len(trace.spans) == 2).spans)
    with pytest.raises(ValueError, match="nothing to merge"):
        linker.merged_samples([])


def test_each_of_several_spans_gets_its_own_samples_after_one_wait_for_all(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}, after_s=0.4), Upload({_PRICE: 10}, CALL, after_s=0.7)])
    scene.add(*(server_span(span_id, ended_s_ago=-5) for span_id in (ANSWERING, CALL, INNER)))
    linker = follow(scene, upload_interval_s=0.6)
    spans = linker.trace(_SENT, lambda trace: len(trace.spans) == 3).spans
    linked = linker.samples_of_each(iter(spans))
    assert [(span.span_id, dict(span.flamegraph.stacks)) for span in linked] == [
        (ANSWERING, {_SEARCH: 30}), (CALL, {_PRICE: 10}), (INNER, {}),
    ]  # fmt: skip
    assert scene.clock() < 2


def test_samples_of_each_span_are_of_the_one_type_that_the_spans_are_linked_by(follow: Follow) -> None:
    wall = "wall:wall:nanoseconds:wall:nanoseconds"
    scene = Scene(uploads=[Upload({_SEARCH: 30}, profile_type=wall)]).add(server_span(), server_span(CALL))
    linker = follow(scene)
    spans = linker.trace(_SENT, lambda trace: len(trace.spans) == 2).spans
    linked = linker.samples_of_each(spans)
    assert [span.profile_type for span in linked] == [wall, wall]
    assert [span.flamegraph.total for span in linked] == [30, 0]


def test_where_no_span_has_samples_each_is_as_unlinked_as_all(follow: Follow) -> None:
    linker = follow(Scene().add(server_span()), timeout_s=0.1)
    with pytest.raises(NoSamplesError, match="none of 1 spans has samples"):
        linker.samples_of_each(linker.trace(_SENT).spans)
    with pytest.raises(ValueError, match="nothing to merge"):
        linker.samples_of_each([])


def _forwarded(*, answering_after: int = 0) -> Scene:
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_PRICE: 70}, INNER)])
    scene.add(server_span(INNER, CALL, lasted_ms=50))
    call = server_span(CALL, ANSWERING, profile_id=None, kind=3, lasted_ms=80)
    return scene.add(server_span(lasted_ms=120), call, after_looks=answering_after)


def test_the_answering_span_is_waited_for_though_an_inner_span_came_first(follow: Follow) -> None:
    scene = _forwarded(answering_after=3)
    linked = follow(scene).linked_span(_SENT)
    assert linked.span_id == ANSWERING
    assert linked.flamegraph.stacks == {_SEARCH: 30}
    assert scene.trace_looks == 4


def test_of_a_forwarded_request_both_linked_spans_have_their_own_samples(follow: Follow) -> None:
    linked = follow(_forwarded(answering_after=2)).linked_spans(_SENT, 2)
    assert [(span.span_id, span.flamegraph.stacks) for span in linked] == [
        (ANSWERING, {_SEARCH: 30}),
        (INNER, {_PRICE: 70}),
    ]


def test_by_its_trace_id_alone_a_request_is_answered_by_the_span_with_none_above_it(follow: Follow) -> None:
    assert follow(_forwarded()).linked_span(TRACE.upper()).span_id == ANSWERING


def test_an_inner_span_is_never_taken_for_the_answering_one(follow: Follow) -> None:
    linker = follow(_forwarded(answering_after=10_000), timeout_s=0.1)
    with pytest.raises(NoProfileIdError) as failed:
        linker.linked_span(_SENT)
    message = str(failed.value)
    assert (
        "the local root span that answered the request has no pyroscope.profile.id, or is not in the trace" in message
    )
    assert f"{INNER} further down has one" in message


def test_fewer_linked_spans_than_awaited_are_counted(follow: Follow) -> None:
    scene = Scene().add(server_span()).add(server_span(INNER, CALL, profile_id=None, name="GET /car"), service="other")
    with pytest.raises(NoProfileIdError) as failed:
        follow(scene, timeout_s=0.1).linked_spans(_SENT, 2)
    message = str(failed.value)
    assert f"1 local root span(s) of the trace {TRACE} carry pyroscope.profile.id, 2 are awaited" in message
    assert f"GET /bike ({ANSWERING}, {SERVICE})" in message
    assert f"GET /car ({INNER}, other)" in message


def test_without_the_span_processor_the_message_says_so(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})]).add(server_span(profile_id=None))
    with pytest.raises(NoProfileIdError) as failed:
        follow(scene, timeout_s=0.1).linked_span(_SENT)
    assert "no local root span of the trace" in str(failed.value)
    assert "pyroscope.otel.PyroscopeSpanProcessor" in str(failed.value)
    assert failed.value.evidence is not None
    assert failed.value.evidence.trace is not None
    assert scene.profile_looks == 0


def test_an_id_that_the_processor_withholds_is_no_missing_processor(follow: Follow) -> None:
    scene = Scene().add(server_span(profile_id=None, missing="no agent in this process"))
    with pytest.raises(NoProfileIdError) as failed:
        follow(scene, timeout_s=0.1).linked_span(_SENT)
    message = str(failed.value)
    assert "withholds the profile ID: no agent in this process (1 span(s))" in message
    assert "is not added" not in message
    assert "PyroscopeSpanProcessor" not in message


def test_a_profile_id_on_a_child_span_does_not_make_it_linkable(follow: Follow) -> None:
    scene = Scene().add(server_span(profile_id=None), server_span(CALL, ANSWERING, kind=1))
    with pytest.raises(NoProfileIdError, match="no local root span"):
        follow(scene, timeout_s=0.1).linked_spans(_SENT)


def test_a_trace_that_never_comes_is_reported_with_the_services_there_are(follow: Follow) -> None:
    linker = follow(Scene(services=["ride-sharing-app", "payments"]), timeout_s=0.1)
    with pytest.raises(TraceNotFoundError) as failed:
        linker.linked_span(_SENT)
    message = str(failed.value)
    assert f"Tempo has no span of the trace {TRACE} after 0.1 s: the app is not instrumented" in message
    assert "services Tempo has spans of: ride-sharing-app, payments" in message
    assert failed.value.evidence is not None
    assert failed.value.evidence.trace is None


def test_a_trace_that_tempo_had_and_lost_does_not_accuse_the_app(serve: Serve) -> None:
    """With a full disk Tempo has a trace for a second or two, and then no longer."""
    scene = Scene().add(server_span())
    has_it: list[bool] = []

    def forget(seen: Seen) -> Answer:
        if seen.path.startswith("/api/v2/traces/") and has_it:
            return Answer('{"trace":{},"metrics":{}}')
        return scene.respond(seen)

    url = serve(forget).url
    linker = Linker.of(Endpoints(tempo=url, pyroscope=url, otlp_http=url), waiting=Waiting(0.1))
    request = linker.follow(_SENT)
    request.trace()
    has_it.append(False)

    with pytest.raises(TraceNotFoundError, match=r"had the trace .* and has lost it: it cannot write") as failed:
        request.trace()
    assert "instrumented" not in str(failed.value)


def test_where_tempo_knows_no_service_at_all_the_message_says_none(follow: Follow) -> None:
    with pytest.raises(TraceNotFoundError, match="services Tempo has spans of: none"):
        follow(Scene(), timeout_s=0.05).trace(_SENT)


def test_where_even_the_explanation_fails_the_reason_stands_with_the_failure(follow: Follow) -> None:
    with pytest.raises(TraceNotFoundError, match=r"Tempo has no span .*; Tempo refused .* with 500: out of order"):
        follow(Scene(broken=("/api/v2/search",)), timeout_s=0.05).trace(_SENT)


def test_a_trace_is_waited_for_until_it_is_as_awaited(follow: Follow) -> None:
    scene = Scene().add(server_span()).add(server_span(INNER, CALL), service="other", after_looks=3)
    trace = follow(scene).trace(_SENT, until=lambda found: len(found.services) == 2)
    assert trace.services == (SERVICE, "other")
    assert scene.trace_looks == 4


def test_a_trace_that_does_not_become_as_awaited_is_shown_as_it_was(follow: Follow) -> None:
    with pytest.raises(TraceNotFoundError, match=r"is not as expected after 0\.05 s; its spans: GET /bike$"):
        follow(Scene().add(server_span()), timeout_s=0.05).trace(_SENT, until=lambda found: len(found.spans) > 1)


def _dead_link(follow: Follow, scene: Scene, **fields: object) -> str:
    scene.add(server_span(**fields))  # type: ignore[arg-type]  # handed on as they came
    with pytest.raises(NoSamplesError) as failed:
        follow(scene, timeout_s=0.05).linked_span(_SENT)
    assert failed.value.evidence is not None
    return str(failed.value)


def test_a_dead_link_names_the_span_its_profile_id_and_what_was_asked(follow: Follow) -> None:
    message = _dead_link(follow, Scene())
    assert (
        f"the span {ANSWERING} (GET /bike, 100.0 ms) carries the profile ID {ANSWERING} and no sample has it" in message
    )
    assert f'asked {{service_name="{SERVICE}"}}, process_cpu:cpu:nanoseconds:cpu:nanoseconds' in message


def test_samples_under_another_service_name_are_found_and_named(follow: Follow) -> None:
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 30}, service="other.name")]))
    assert f"the samples are there, but not under service_name='{SERVICE}'" in message
    assert "(services with profiles: other.name)" in message


def test_where_the_work_goes_on_without_its_request_the_span_that_has_it_is_named(follow: Follow) -> None:
    task = server_span(CALL, ANSWERING, name="burn", kind=1, lasted_ms=283)
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 28}, CALL)]).add(task), lasted_ms=1)
    assert f"span profiles of its own: burn ({CALL}, 283 ms)" in message


def test_a_span_that_outlives_its_request_is_no_local_root_and_has_its_own_samples(follow: Follow) -> None:
    task = server_span(CALL, ANSWERING, name="burn", kind=1)
    scene = Scene(uploads=[Upload({_SEARCH: 30}), Upload({_SEARCH: 28}, CALL)]).add(server_span(), task)
    linker = follow(scene)
    assert [span.span_id for span in linker.linked_spans(_SENT)] == [ANSWERING]
    (late,) = linker.trace(_SENT).late_roots
    assert linker.linked_span(late).span_id == CALL


def test_samples_outside_the_window_are_found_and_named(follow: Follow) -> None:
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 30}, ago_s=3600)]))
    assert "the samples are there, but outside the window asked" in message


def test_no_profile_of_anybody_points_to_the_agent(follow: Follow) -> None:
    assert "Pyroscope has no profile of any service in that window: no agent runs" in _dead_link(follow, Scene())


def test_profiles_of_others_only_point_to_the_agent_of_this_service(follow: Follow) -> None:
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 30}, INNER, "payments")]))
    assert f"Pyroscope has no profile of '{SERVICE}': no agent runs there, or the process used no CPU" in message
    assert "(services with profiles: payments)" in message


def test_a_span_shorter_than_three_sample_periods_may_have_been_missed(follow: Follow) -> None:
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 30}, INNER)]), lasted_ms=29)
    assert "shorter than 3 sample periods of 10 ms" in message


def test_of_a_long_span_without_samples_the_cpu_without_a_span_is_told(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30}, INNER)], unlabelled={("pool", "burn"): 280_000_000})
    message = _dead_link(follow, scene, lasted_ms=30)
    assert f"'{SERVICE}' has profiles, but none of this span" in message
    assert "in its time they hold 280 ms of CPU without a span: burn 280 ms" in message


def test_of_a_long_span_that_waited_it_is_told_that_there_is_no_other_cpu(follow: Follow) -> None:
    message = _dead_link(follow, Scene(uploads=[Upload({_SEARCH: 30}, INNER)]), lasted_ms=400)
    assert "in its time they hold 0 ms of CPU without a span" in message


def test_a_profile_id_that_is_another_spans_is_noticed(follow: Follow) -> None:
    assert "the profile ID is not the span's own ID" in _dead_link(follow, Scene(), profile_id=INNER)


@pytest.mark.parametrize("profile_id", ["xyz", "a1a1a1a1a1a1a1a", "0" * 16, TRACE])
def test_a_profile_id_that_no_server_takes_is_a_dead_link_and_never_asked_for(follow: Follow, profile_id: str) -> None:
    scene = Scene()
    message = _dead_link(follow, scene, profile_id=profile_id)
    assert f"the profile ID '{profile_id}' of the span {ANSWERING} (GET /bike) is not 16 hexadecimal digits" in message
    assert scene.profile_looks == 0


def test_where_pyroscope_cannot_explain_a_dead_link_its_failure_is_noted(follow: Follow) -> None:
    message = _dead_link(follow, Scene(broken=("/LabelValues",)))
    assert message.endswith("with 500: out of order")


def test_the_evidence_has_what_was_seen_on_the_way(follow: Follow) -> None:
    scene = _forwarded()
    linker = follow(scene)
    request = linker.follow(_SENT)
    linked = request.linked_spans(2)
    evidence = request.evidence
    assert evidence.trace_id == request.trace_id == TRACE
    assert evidence.trace is not None
    assert len(evidence.trace.spans) == 3
    assert evidence.flamegraphs == {span.profile_id: span.flamegraph for span in linked}
    assert evidence.selectors == dict.fromkeys((ANSWERING, INNER), f'{{service_name="{SERVICE}"}}')
    first_ms, last_ms = evidence.window_ms or (0, 0)
    inner = linked[1].span
    assert (inner.start_ns // 1_000_000 - first_ms, last_ms - inner.end_ns // 1_000_000) == (60_000, 60_000)
    assert evidence.notes == []


def test_one_look_for_samples_does_not_wait(follow: Follow) -> None:
    scene = Scene().add(server_span())
    linker = follow(scene)
    span = linker.answering_span(_SENT)
    assert linker.flamegraph(span).is_empty
    assert scene.profile_looks == 1


def test_a_span_without_profile_id_cannot_be_asked_for(follow: Follow) -> None:
    linker = follow(Scene().add(server_span(profile_id=None)))
    span = linker.trace(_SENT).spans[0]
    for ask in (linker.flamegraph, linker.samples):
        with pytest.raises(NoProfileIdError, match=rf"the span {ANSWERING} \(GET /bike\) carries no"):
            ask(span)


def test_a_span_of_no_named_service_is_looked_for_in_all(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({_SEARCH: 30})]).add(server_span(), service="")
    linker = follow(scene)
    assert linker.linked_span(_SENT).cpu_ns == 30
    assert linker.query(linker.answering_span(_SENT)).selector == "{}"


def test_what_is_no_trace_id_is_refused_before_anything_is_asked(follow: Follow) -> None:
    scene = Scene()
    with pytest.raises(IdentifierError):
        follow(scene).linked_span("xyz")
    assert scene.trace_looks == 0


def test_a_link_error_is_a_failed_claim_and_not_a_broken_test() -> None:
    assert issubclass(LinkError, AssertionError)


def test_a_linker_of_endpoints_brings_their_credentials_to_both_servers(serve: Serve) -> None:
    stub = serve(lambda _: Answer.of({}))
    linker = Linker.of(Endpoints(stub.url, stub.url, credentials=Credentials(tenant="team")))
    assert linker.tempo.trace(TRACE) is None
    assert linker.pyroscope.label_names(1, 2) == []
    assert [seen.headers["X-Scope-Orgid"] for seen in stub.seen] == ["team", "team"]


def test_each_server_gets_the_credentials_of_its_own_address(serve: Serve) -> None:
    stub = serve(lambda _: Answer.of({}))
    tempo, pyroscope = (stub.url.replace("://", f"://{name}:word@") for name in ("of-tempo", "of-pyroscope"))
    linker = Linker.of(Endpoints(tempo, pyroscope), upload_interval_s=7.0)
    assert linker.tempo.trace(TRACE) is None
    assert linker.pyroscope.label_names(1, 2) == []
    sent = [seen.headers["Authorization"].removeprefix("Basic ") for seen in stub.seen]
    assert [base64.b64decode(pair) for pair in sent] == [b"of-tempo:word", b"of-pyroscope:word"]
    assert linker.upload_interval_s == 7.0


def test_a_server_that_fails_ends_the_waiting_at_once(follow: Follow) -> None:
    scene = Scene(broken=("/api/v2/traces",))
    with pytest.raises(ClientError, match=r"Tempo refused .* with 500"):
        follow(scene, timeout_s=30).linked_span(_SENT)
    assert scene.clock() < 10  # by the scene's clock, which sleeping moves on


def test_the_cpu_of_a_child_is_in_the_profile_of_the_next_span_above_with_an_id(follow: Follow) -> None:
    scene = Scene().add(
        server_span(), server_span(CALL, ANSWERING, kind=1), server_span(INNER, CALL, profile_id=None, kind=1)
    )
    linker = follow(scene)
    child = linker.trace(_SENT, lambda trace: len(trace.spans) == 3).span(INNER)
    assert child is not None
    with pytest.raises(NoProfileIdError, match=rf"in the span profile of the span above it, GET /bike \({CALL}\)"):
        linker.linked_span(child)
