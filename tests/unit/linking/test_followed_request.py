"""A followed request owns what was seen of it, and its errors carry that."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from spanprofiles.linking import (
    Evidence,
    Linker,
    LinkError,
    NoProfileIdError,
    NoSamplesError,
    TraceNotFoundError,
    Waiting,
)
from spanprofiles.model import PROFILE_ID_ATTRIBUTE, IdentifierError, TraceContext
from spanprofiles.model.printable import LONGEST_LINE, printable
from tests.support.linking import ANSWERING, CALL, OURS, TRACE, Scene, Upload, server_span
from tests.unit.linking.conftest import Follow

_SENT = TraceContext(TRACE, OURS)


def test_following_a_request_asks_nothing_yet(follow: Follow) -> None:
    scene = Scene()
    request = follow(scene).follow(_SENT)
    assert request.evidence == Evidence(TRACE)
    assert (scene.trace_looks, scene.profile_looks) == (0, 0)


@pytest.mark.parametrize(
    ("scene", "kind"),
    [
        (Scene(), TraceNotFoundError),
        (Scene().add(server_span(profile_id=None)), NoProfileIdError),
        (Scene().add(server_span()), NoSamplesError),
    ],
    ids=["trace", "profile ID", "samples"],
)
def test_an_error_carries_what_was_seen_until_then(follow: Follow, scene: Scene, kind: type[LinkError]) -> None:
    request = follow(scene, timeout_s=0.05).follow(_SENT)

    with pytest.raises(kind) as failed:
        request.linked_span()

    assert failed.value.evidence is request.evidence
    assert (request.evidence.trace is None) == (kind is TraceNotFoundError)


def test_a_linker_asked_directly_gives_the_same_evidence_with_its_error(follow: Follow) -> None:
    with pytest.raises(NoSamplesError) as failed:
        follow(Scene().add(server_span()), timeout_s=0.05).linked_span(_SENT)
    evidence = failed.value.evidence
    assert evidence is not None
    assert list(evidence.flamegraphs) == [ANSWERING]


def test_what_was_seen_before_is_added_to_and_notes_are_made_once(follow: Follow) -> None:
    linker = follow(Scene().add(server_span()), timeout_s=0.0)
    known = Evidence(TRACE, notes=["seen before"])
    for _ in range(2):
        with pytest.raises(NoSamplesError):
            linker.follow(_SENT, known).linked_span()
    assert known.notes[0] == "seen before"
    assert len(known.notes) == len(set(known.notes)) > 1


def test_the_same_trace_is_followed_by_whatever_names_it(follow: Follow) -> None:
    linker = follow(Scene().add(server_span()))
    span = linker.answering_span(_SENT)
    assert {linker.follow(traced).trace_id for traced in (_SENT, TRACE, TRACE.upper(), span)} == {TRACE}
    with pytest.raises(IdentifierError):
        linker.follow("no trace ID")


def test_a_linker_that_waits_otherwise_leaves_the_first_as_it_was(follow: Follow) -> None:
    linker = follow(Scene().add(server_span()), timeout_s=5.0)
    patient = linker.waiting
    hasty = linker.with_waiting(Waiting(0.0))

    assert isinstance(hasty, Linker)
    assert (linker.waiting, hasty.waiting) == (patient, Waiting(0.0))
    assert (hasty.tempo, hasty.pyroscope, hasty.margin_ms) == (linker.tempo, linker.pyroscope, linker.margin_ms)
    with pytest.raises(NoSamplesError):
        hasty.linked_span(_SENT)


def test_a_child_far_below_is_told_where_its_cpu_is(follow: Follow) -> None:
    middle, inner = "c1" * 8, "c2" * 8
    scene = Scene().add(
        server_span(),
        server_span(middle, ANSWERING, kind=1, profile_id=None),
        server_span(inner, middle, kind=1, profile_id=None),
    )
    linker = follow(scene)
    span = linker.trace(_SENT).span(inner)
    assert span is not None

    with pytest.raises(NoProfileIdError, match=rf"its CPU is in the span profile of the span above it, .*{ANSWERING}"):
        linker.linked_span(span)


def test_a_child_below_a_root_without_a_profile_id_is_told_that_none_has_one(follow: Follow) -> None:
    inner = "c2" * 8
    scene = Scene().add(server_span(profile_id=None), server_span(inner, "c9" * 8, kind=1, profile_id=None))
    linker = follow(scene, timeout_s=0.05)
    span = linker.trace(_SENT).span(inner)
    assert span is not None

    with pytest.raises(NoProfileIdError, match="no local root span of the trace"):
        linker.linked_span(span)


def test_a_server_that_cannot_tell_its_types_of_profiles_is_no_other_failure(follow: Follow) -> None:
    with pytest.raises(NoSamplesError, match="carries the profile ID"):
        follow(Scene(broken=("/Series",)).add(server_span()), timeout_s=0.05).linked_span(_SENT)


@pytest.mark.parametrize("profile_id", [None, "tomorrow"])
def test_the_errors_of_a_span_that_cannot_be_linked_carry_what_was_seen(follow: Follow, profile_id: str | None) -> None:
    scene = Scene().add(server_span(profile_id=profile_id))
    span = follow(scene).trace(_SENT).spans[0]
    request = follow(scene, timeout_s=0.0).follow(span)

    for ask in (request.linked_span, lambda: request.flamegraph(span)):
        with pytest.raises(LinkError) as failed:
            ask()
        assert failed.value.evidence is request.evidence


def test_children_that_count_by_now_are_found_and_a_failing_tempo_hides_no_samples(follow: Follow) -> None:
    late = server_span(CALL, ANSWERING, name="find", kind=1, ended_s_ago=20.01, lasted_ms=80)
    scene = Scene().add(server_span()).add(late, after_looks=1)
    request = follow(scene).follow(_SENT)
    span = request.answering_span()
    assert span.added == ()

    scene.broken = ("/api/v2/traces/",)
    assert request.with_later_children(span) is span
    scene.broken = ()
    assert [child.span_id for child in request.with_later_children(span).added] == [CALL]
    assert request.evidence.trace is not None
    assert len(request.evidence.trace.spans) == 2

    other = replace(span, attributes={**span.attributes, PROFILE_ID_ATTRIBUTE: CALL})
    assert request.with_later_children(other) is other
    scene.spans.clear()
    assert request.with_later_children(span) is span


@pytest.mark.parametrize(("enough_ns", "total"), [(float("inf"), 75), (70, 75), (69, 70)])
def test_all_samples_of_a_span_are_awaited_unless_fewer_are_enough(
    follow: Follow, enough_ns: float, total: int
) -> None:
    uploads = [Upload({("main",): 70}, ago_s=0.5), Upload({("main",): 5}, after_s=4.0, ago_s=0.5)]
    linker = follow(Scene(uploads=uploads).add(server_span(ended_s_ago=0.5)), upload_interval_s=10.0)
    span = linker.answering_span(_SENT)

    assert linker.follow(span).all_samples(span, enough_ns).total == total


def test_of_a_span_that_ended_long_ago_all_samples_are_there(follow: Follow) -> None:
    scene = Scene(uploads=[Upload({("main",): 70}), Upload({("main",): 5}, after_s=4.0)]).add(server_span())
    linker = follow(scene, upload_interval_s=10.0)
    span = linker.answering_span(_SENT)

    assert linker.follow(span).all_samples(span).total == 70
    assert scene.profile_looks == 1


def test_the_message_of_an_error_is_one_line_of_a_length_that_can_be_read() -> None:
    message = "first\x1b line " + "x" * 2 * LONGEST_LINE

    shown = str(LinkError(message))

    assert shown == printable(message, LONGEST_LINE)
    assert shown.isprintable()
    assert len(shown) <= LONGEST_LINE


def test_a_trace_that_is_not_as_awaited_is_told_with_its_spans_and_what_was_seen(follow: Follow) -> None:
    request = follow(Scene().add(server_span(name="GET /bike"))).follow(_SENT)

    with pytest.raises(TraceNotFoundError) as failed:
        request.trace(lambda _: False)

    assert str(failed.value) == f"the trace {TRACE} is not as expected after 5 s; its spans: GET /bike"
    assert failed.value.evidence is request.evidence


def test_an_answered_request_is_followed_by_the_context_that_was_sent_with_it(follow: Follow) -> None:
    answered = SimpleNamespace(request=SimpleNamespace(headers={"traceparent": _SENT.traceparent}))
    request = follow(Scene().add(server_span())).follow(answered)

    assert request.trace_id == TRACE
    assert request.answering_span().span_id == ANSWERING
