"""Which child spans count for the local root span above them: those a processor labels besides their root."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.model import PROFILE_ID_ATTRIBUTE, Span, SpanKind, Trace

TRACE = "0af7651916cd43dd8448eb211c80319c"


def a_span(span_id: str, parent_id: str | None = None, start: int = 0, end: int = 100, **fields: Any) -> Span:
    """A span that carries its own ID as its profile ID; IDs are short, since the model takes them as they are."""
    fields = {
        "name": span_id,
        "kind": SpanKind.INTERNAL,
        "resource": {"service.name": "a"},
        "attributes": {PROFILE_ID_ATTRIBUTE: span_id},
        "parent_is_remote": False if parent_id else None,
        **fields,
    }
    return Span(TRACE, span_id, parent_id, start_ns=start, end_ns=end, **fields)


def added(*spans: Span) -> dict[str, list[str]]:
    trace = Trace.of(TRACE, list(spans))
    return {span.span_id: [child.span_id for child in span.added] for span in trace.spans if span.added}


def test_children_and_theirs_count_for_their_root() -> None:
    assert added(a_span("root"), a_span("in", "root", 10, 90), a_span("inner", "in", 20, 30)) == {
        "root": ["in", "inner"]
    }


def test_a_child_without_a_profile_id_is_passed_through() -> None:
    bare = a_span("bare", "root", 10, 90, attributes={})
    assert added(a_span("root"), bare, a_span("inner", "bare", 20, 30)) == {"root": ["inner"]}


def test_where_roots_alone_are_labelled_nothing_is_added() -> None:
    assert added(a_span("root"), a_span("in", "root", 10, 90, attributes={})) == {}


@pytest.mark.parametrize(("start", "end"), [(10, 150), (100, 150), (120, 150), (-50, 60)])
def test_what_goes_on_without_its_root_is_a_late_root_and_counts_for_itself(start: int, end: int) -> None:
    trace = Trace.of(TRACE, [a_span("root"), a_span("late", "root", start, end)])
    assert [span.span_id for span in trace.late_roots] == ["late"]
    assert [span.added for span in trace.spans] == [(), ()]


def test_where_every_span_is_labelled_one_that_outlasts_its_root_counts_for_it() -> None:
    spans = a_span("root"), a_span("in", "root", 10, 90), a_span("long", "root", 20, 150)
    assert added(*spans) == {"root": ["in", "long"]}
    assert Trace.of(TRACE, list(spans)).late_roots == ()


def test_where_every_span_is_labelled_one_that_starts_after_its_root_is_a_late_root() -> None:
    trace = Trace.of(TRACE, [a_span("root"), a_span("in", "root", 10, 90), a_span("after", "root", 110, 150)])
    assert [span.span_id for span in trace.late_roots] == ["after"]
    assert [child.span_id for child in trace.spans[0].added] == ["in"]


def test_a_child_may_begin_and_end_with_its_root_and_not_begin_as_it_ends() -> None:
    spans = a_span("root"), a_span("whole", "root", 0, 100), a_span("after", "root", 100, 150)
    assert added(*spans) == {"root": ["whole"]}
    assert added(a_span("root"), a_span("end", "root", 90, 100)) == {"root": ["end"]}


def test_a_root_that_takes_no_time_has_the_children_of_that_moment() -> None:
    spans = a_span("root", end=0), a_span("now", "root", 0, 0), a_span("then", "root", 1, 1)
    assert added(*spans) == {"root": ["now"]}


def test_a_request_to_another_process_counts_for_nobody_else() -> None:
    server = a_span("server", "call", 20, 80, kind=SpanKind.SERVER, parent_is_remote=True)
    spans = [a_span("root"), a_span("call", "root", 10, 90), server, a_span("there", "server", 30, 40)]
    assert added(*spans) == {"root": ["call"], "server": ["there"]}


def test_a_span_of_a_forked_process_does_not_count_for_its_parents_root() -> None:
    forked = a_span("forked", "root", 10, 90, resource={"service.name": "a", "process.pid": 2})
    assert added(a_span("root"), forked) == {}


def test_a_profile_id_that_is_another_spans_does_not_count_twice() -> None:
    copied = a_span("copy", "root", 10, 90, attributes={PROFILE_ID_ATTRIBUTE: "root"})
    assert added(a_span("root"), copied) == {}


def test_a_root_without_a_profile_id_of_its_own_has_nothing_added() -> None:
    assert added(a_span("root", attributes={}), a_span("in", "root", 10, 90)) == {}


def test_a_span_whose_parent_is_lost_counts_for_nobody() -> None:
    assert added(a_span("root"), a_span("lost", "nowhere", 10, 90)) == {}


def test_spans_that_name_each_other_as_parent_end_the_climb() -> None:
    assert added(a_span("root"), a_span("x", "y", 10, 90), a_span("y", "x", 10, 90)) == {}


def test_a_deep_trace_is_climbed_once() -> None:
    spans = [a_span("0", end=100_000)]
    spans += [a_span(str(number), str(number - 1), number, 90_000) for number in range(1, 5_000)]
    assert len(added(*spans)["0"]) == 4_999


def test_all_samples_of_a_root_are_asked_for_by_all_ids_until_the_last_has_ended() -> None:
    trace = Trace.of(TRACE, [a_span("root"), a_span("in", "root", 10, 90), a_span("long", "root", 20, 150)])
    root = trace.spans[0]
    assert root.profile_ids == ("root", "in", "long")
    assert root.last_sample_ns == 150
    assert trace.spans[1].profile_ids == ("in",)
    assert a_span("bare", attributes={}).profile_ids == ()
