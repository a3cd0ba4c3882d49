"""A local root span whose children have profile IDs of their own is linked by the samples of all of them."""

from __future__ import annotations

import pytest

from spanprofiles.linking import NoSamplesError
from spanprofiles.model import TraceContext
from tests.support.linking import ANSWERING, CALL, INNER, OURS, TRACE, Scene, Upload, server_span
from tests.unit.linking.conftest import Follow

SENT = TraceContext(TRACE, OURS)
SEARCH, PRICE = ("main", "search"), ("main", "price")


def labelled_request(*uploads: Upload) -> Scene:
    """A request of 100 ms with a child of 80 ms in it, each with its own ID."""
    child = server_span(CALL, ANSWERING, name="find", kind=1, ended_s_ago=20.01, lasted_ms=80)
    return Scene(uploads=list(uploads)).add(server_span(), child)


def test_the_samples_of_its_children_are_added(follow: Follow) -> None:
    scene = labelled_request(Upload({PRICE: 10}), Upload({SEARCH: 70}, CALL))
    linked = follow(scene).linked_span(SENT)
    assert linked.flamegraph.total_of("search") == 70
    assert linked.cpu_ns == 80
    assert [span.name for span in linked.added] == ["find"]
    assert linked.profile_id == ANSWERING


def test_a_root_that_leaves_all_work_to_its_children_is_linked(follow: Follow) -> None:
    assert follow(labelled_request(Upload({SEARCH: 70}, CALL))).linked_span(SENT).cpu_ns == 70


def test_a_child_by_itself_has_its_own_samples(follow: Follow) -> None:
    linker = follow(labelled_request(Upload({PRICE: 10}), Upload({SEARCH: 70}, CALL)))
    (child,) = linker.trace(SENT).spans[0].added
    linked = linker.linked_span(child)
    assert (linked.cpu_ns, linked.added) == (70, ())


def test_merged_samples_are_those_of_all(follow: Follow) -> None:
    linker = follow(labelled_request(Upload({PRICE: 10}), Upload({SEARCH: 70}, CALL)))
    assert linker.merged_samples([linker.answering_span(SENT)]).total == 80


def test_children_do_not_count_as_linked_spans_of_processes(follow: Follow) -> None:
    linker = follow(labelled_request(Upload({SEARCH: 70}, CALL)))
    assert [linked.span_id for linked in linker.linked_spans(SENT)] == [ANSWERING]
    assert linker.trace(SENT).late_roots == ()


def test_where_none_of_them_has_samples_the_message_says_so(follow: Follow) -> None:
    with pytest.raises(NoSamplesError, match="no sample has it, nor one of the IDs of 1 span below it"):
        follow(labelled_request(), timeout_s=0.05).linked_span(SENT)


def test_a_child_that_is_exported_after_its_root_is_added_when_it_is_there(follow: Follow) -> None:
    scene = labelled_request(Upload({PRICE: 10}), Upload({SEARCH: 70}, CALL), Upload({SEARCH: 5}, INNER))
    late = server_span(INNER, CALL, name="goes on", kind=1, ended_s_ago=19.9, lasted_ms=150)
    linked = follow(scene.add(late, after_looks=1)).linked_span(SENT)
    assert [span.name for span in linked.added] == ["find", "goes on"]
    assert linked.cpu_ns == 85


def test_a_root_whose_children_come_late_is_no_dead_link(follow: Follow) -> None:
    child = server_span(CALL, ANSWERING, name="find", kind=1, ended_s_ago=20.01, lasted_ms=80)
    scene = Scene(uploads=[Upload({SEARCH: 70}, CALL)]).add(server_span()).add(child, after_looks=1)
    assert follow(scene, timeout_s=0.05).linked_span(SENT).cpu_ns == 70


def test_without_ids_of_its_children_a_span_adds_nothing(follow: Follow) -> None:
    child = server_span(CALL, ANSWERING, profile_id=None, name="find", kind=1, ended_s_ago=20.01, lasted_ms=80)
    linked = follow(Scene(uploads=[Upload({PRICE: 10})]).add(server_span(), child)).linked_span(SENT)
    assert (linked.cpu_ns, linked.added) == (10, ())


def test_of_each_of_several_spans_the_children_that_come_late_count_too(follow: Follow) -> None:
    scene = labelled_request(Upload({PRICE: 10}), Upload({SEARCH: 70}, CALL), Upload({SEARCH: 5}, INNER))
    late = server_span(INNER, CALL, name="goes on", kind=1, ended_s_ago=19.9, lasted_ms=150)
    linker = follow(scene.add(late, after_looks=1))
    span = linker.answering_span(SENT)
    assert [child.name for child in span.added] == ["find"]

    (linked,) = linker.samples_of_each([span])

    assert ([child.name for child in linked.added], linked.cpu_ns) == (["find", "goes on"], 85)


def test_without_spans_there_is_nothing_to_merge(follow: Follow) -> None:
    with pytest.raises(ValueError, match=r"^no spans, so there is nothing to merge$"):
        follow(Scene()).merged_samples([])
