from __future__ import annotations

from typing import Any

from spanprofiles.model import PROFILE_ID_ATTRIBUTE, Span, SpanKind, Trace

_TRACE = "0af7651916cd43dd8448eb211c80319c"


def _span(span_id: str, parent_id: str | None = None, start: int = 0, **fields: Any) -> Span:
    """A span of service `a` that lasts 10 ns; IDs are short, since the model takes them as they are."""
    fields.setdefault("resource", {"service.name": "a"})
    fields.setdefault("name", span_id)
    fields.setdefault("kind", SpanKind.INTERNAL)
    fields.setdefault("end_ns", start + 10)
    return Span(_TRACE, span_id, parent_id, start_ns=start, **fields)


def _trace(*spans: Span) -> Trace:
    return Trace.of(_TRACE, list(spans))


def _walked(trace: Trace) -> list[tuple[int, str]]:
    return [(depth, span.span_id) for depth, span in trace.walk()]


def test_spans_stand_in_order_of_their_start_whatever_order_they_came_in() -> None:
    trace = _trace(_span("c", "a", 5), _span("a", None, 0), _span("b", "a", 2))
    assert [span.span_id for span in trace.spans] == ["a", "b", "c"]


def test_of_two_that_start_at_once_the_longer_stands_first() -> None:
    assert [span.span_id for span in _trace(_span("in", "out", 0), _span("out", end_ns=99)).spans] == ["out", "in"]


def test_a_span_that_was_delivered_twice_stands_there_once() -> None:
    trace = _trace(_span("a"), _span("b", "a"), _span("b", "a"))
    assert [span.span_id for span in trace.spans] == ["a", "b"]


def test_two_ends_of_a_call_that_share_an_id_are_two_spans() -> None:
    client, server = _span("b", "a", 1, kind=SpanKind.CLIENT), _span("b", "a", 2, kind=SpanKind.SERVER)
    assert len(_trace(_span("a"), client, server).spans) == 3


def test_a_walk_goes_from_parents_to_children_and_by_start_among_siblings() -> None:
    trace = _trace(
        _span("root"),
        _span("late", "root", 6),
        _span("early", "root", 1),
        _span("leaf", "early", 3),
        _span("x", "late", 7),
    )
    assert _walked(trace) == [(0, "root"), (1, "early"), (2, "leaf"), (1, "late"), (2, "x")]


def test_a_span_whose_parent_is_missing_is_a_top_of_its_own() -> None:
    trace = _trace(_span("root"), _span("lost", "nowhere", 3), _span("child", "lost", 4))
    assert _walked(trace) == [(0, "root"), (0, "lost"), (1, "child")]
    assert [span.span_id for span in trace.tops] == ["root", "lost"]


def test_spans_that_name_each_other_as_parent_are_all_walked_once() -> None:
    trace = _trace(_span("root"), _span("x", "y", 1), _span("y", "x", 2), _span("z", "y", 3))
    assert _walked(trace) == [(0, "root"), (0, "x"), (1, "y"), (2, "z")]


def test_a_span_that_names_itself_as_parent_is_a_top() -> None:
    trace = _trace(_span("a", "a"), _span("b", "a", 1))
    assert _walked(trace) == [(0, "a"), (1, "b")]
    assert trace.parent(trace.spans[0]) is None


def test_a_trace_of_thousands_of_spans_is_walked_at_once() -> None:
    chain = [_span(f"{number:016x}", f"{number - 1:016x}" if number else None, number) for number in range(8000)]
    assert max(depth for depth, _ in _trace(*chain).walk()) == 7999


def test_a_trace_knows_its_spans_services_and_length() -> None:
    other = {"service.name": "b"}
    trace = _trace(_span("root", start=100, end_ns=900), _span("far", "root", 200, resource=other, end_ns=1000))
    assert trace.services == ("a", "b")
    assert trace.duration_ns == 900
    found = trace.span("far")
    assert found is not None
    assert found.service == "b"
    assert trace.span("nope") is None
    assert [child.span_id for child in trace.children(trace.spans[0])] == ["far"]


def test_an_empty_trace_has_no_length_and_nothing_to_walk() -> None:
    assert _trace().duration_ns == 0
    assert _walked(_trace()) == []
    assert _trace().local_roots == ()


def test_a_span_without_a_parent_is_a_local_root_whatever_its_flags_say() -> None:
    assert _trace(_span("a", parent_is_remote=False)).is_local_root(_span("a", parent_is_remote=False))


def test_where_the_exporter_said_whether_the_parent_is_remote_that_decides() -> None:
    far = {"service.name": "b"}
    root = _span("root")
    remote = _span("remote", "root", 1, parent_is_remote=True)  # same resource: only the flag tells
    local = _span("local", "root", 2, resource=far, parent_is_remote=False)  # other resource: the flag still tells
    lost = _span("lost", "nowhere", 3, parent_is_remote=False)
    assert [span.span_id for span in _trace(root, remote, local, lost).local_roots] == ["root", "remote"]


def test_without_flags_another_resource_makes_a_local_root_and_the_same_does_not() -> None:
    north, south = {"service.name": "a", "region": "north"}, {"service.name": "a", "region": "south"}
    root = _span("root", resource=north)
    same, other = _span("same", "root", 1, resource=dict(north)), _span("other", "root", 2, resource=south)
    assert [span.span_id for span in _trace(root, same, other).local_roots] == ["root", "other"]


def test_without_flags_a_missing_parent_makes_a_local_root() -> None:
    assert [span.span_id for span in _trace(_span("root"), _span("lost", "nowhere", 1)).local_roots] == ["root", "lost"]


def test_without_flags_the_other_end_of_a_call_within_one_resource_is_a_local_root() -> None:
    trace = _trace(
        _span("root", kind=SpanKind.SERVER),
        _span("call", "root", 1, kind=SpanKind.CLIENT),
        _span("answer", "call", 2, kind=SpanKind.SERVER),
        _span("publish", "root", 3, kind=SpanKind.PRODUCER),
        _span("consume", "publish", 4, kind=SpanKind.CONSUMER),
        _span("nested", "root", 5, kind=SpanKind.SERVER),  # its parent is no call
    )
    assert [span.span_id for span in trace.local_roots] == ["root", "answer", "consume"]


def test_only_a_text_that_is_not_empty_is_a_profile_id() -> None:
    def with_value(value: Any) -> str | None:
        return _span("a", attributes={PROFILE_ID_ATTRIBUTE: value}).profile_id

    assert with_value("a1a1a1a1a1a1a1a1") == "a1a1a1a1a1a1a1a1"
    assert [with_value(""), with_value(7), with_value(None)] == [None, None, None]
    assert _span("a").profile_id is None


def test_only_local_roots_with_a_profile_id_are_linkable() -> None:
    marked = {PROFILE_ID_ATTRIBUTE: "a1a1a1a1a1a1a1a1"}
    trace = _trace(
        _span("root", attributes=marked), _span("child", "root", 1, attributes=marked), _span("lost", "nowhere", 2)
    )
    assert [span.span_id for span in trace.linkable] == ["root"]


def test_a_span_without_service_name_belongs_to_no_service() -> None:
    assert _span("a", resource={}).service == ""
    assert _span("a", resource={"service.name": 5}).service == ""


def test_what_goes_on_after_its_local_root_has_ended_is_found_however_deep() -> None:
    trace = _trace(
        _span("root"),
        _span("within", "root", 2, end_ns=8),
        _span("task", "root", 5, end_ns=40),
        _span("step", "task", 6, end_ns=30),
        _span("early", "task", 6, end_ns=7),
    )
    assert [span.span_id for span in trace.outlasting(trace.spans[0])] == ["task", "step"]


def test_what_other_processes_and_other_profiles_do_afterwards_is_not_the_roots() -> None:
    trace = _trace(
        _span("root"),
        _span("remote", "root", 5, end_ns=40, parent_is_remote=True),
        _span("below", "remote", 6, end_ns=50),
        _span("own", "root", 5, end_ns=60, attributes={PROFILE_ID_ATTRIBUTE: "own"}),
    )
    assert trace.outlasting(trace.spans[0]) == ()


def test_spans_that_outlast_the_root_are_found_beside_those_with_profiles() -> None:
    own = {PROFILE_ID_ATTRIBUTE: "own"}
    trace = _trace(
        _span("root"),
        _span("task", "root", 5, end_ns=40),
        _span("own", "root", 6, end_ns=60, attributes=own),
        _span("next", "root", 7, end_ns=70),
    )
    assert [span.span_id for span in trace.outlasting(trace.spans[0])] == ["task", "next"]


def test_spans_of_one_id_that_stand_below_each_other_are_found_once() -> None:
    trace = _trace(
        _span("root"),
        _span("twice", "root", 5, end_ns=40, name="first"),
        _span("between", "twice", 6, end_ns=50),
        _span("twice", "between", 7, end_ns=60, name="second", kind=SpanKind.CLIENT),
    )
    assert [span.name for span in trace.outlasting(trace.spans[0])] == ["first", "between", "second"]


def test_a_span_below_a_local_root_with_its_own_profile_is_a_late_root() -> None:
    root = _span("root", attributes={PROFILE_ID_ATTRIBUTE: "root"})
    job = _span("job", "root", 20, attributes={PROFILE_ID_ATTRIBUTE: "job"})
    copied = _span("copied", "root", 30, attributes={PROFILE_ID_ATTRIBUTE: "root"})
    trace = _trace(root, job, copied, _span("child", "job", 21))
    assert trace.late_roots == (job,)
    assert trace.local_roots == (root,)
    assert trace.linkable == (root,)
