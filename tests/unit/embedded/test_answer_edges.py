"""What queries for profiles give, at the edges: trees, steps, exemplars, types and sums."""

from __future__ import annotations

import itertools
from array import array
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.pyroscope import merged_profile
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.flamegraph import (
    Node,
    build,
    difference,
    everything_below,
    flamegraph,
    fold_smallest,
    kept_children,
    largest,
    least_value,
    tree_bytes,
)
from spanprofiles.embedded.pyroscope.label_queries import profile_type
from spanprofiles.embedded.pyroscope.queries import bad_id, check_profile_type, profile_numbers, profile_uuid
from spanprofiles.embedded.pyroscope.samples import SeriesLabels
from spanprofiles.embedded.pyroscope.timeseries import _Uploads, step_of
from spanprofiles.embedded.pyroscope.totals import OTHER_STACK, Kind, StackTotals

STACKS = [(("main", "a"), 50), (("main", "b"), 30), (("main", "c"), 15), (("other",), 5)]


def tree() -> Node:
    return build(STACKS)


def test_a_flame_graph_of_so_many_nodes_keeps_those_that_are_as_large() -> None:
    assert [least_value(tree(), count) for count in (0, -1, 1, 2, 3, 4, 5, 6, 7)] == [0, 0, 100, 95, 50, 30, 15, 0, 0]
    assert [largest([3, 9, 5], count) for count in (0, 1, 2, 3, 4)] == [0, 9, 5, 0, 0]
    assert {node.name for node in everything_below(tree())} == {"main", "a", "b", "c", "other"}


def test_what_is_too_small_is_one_child_at_the_end() -> None:
    main = tree().children["main"]
    assert [(node.name, node.total, node.own) for node in kept_children(main, 30)] == [
        ("a", 50, 50), ("b", 30, 30), ("other", 15, 15),
    ]  # fmt: skip
    assert [node.name for node in kept_children(main, 0)] == ["a", "b", "c"]
    assert [node.name for node in kept_children(tree(), 0)] == ["main", "other"]


def test_every_form_of_a_tree_is_cut_alike() -> None:
    graph = flamegraph(tree(), 4)
    assert set(graph.names) == {"total", "main", "a", "b", "other"}
    assert (graph.total, graph.max_self) == (100, 50)
    data = tree_bytes(tree(), 4)
    assert all(name in data for name in (b"main", b"\x01a", b"\x01b", b"other"))
    assert b"\x01c" not in data
    assert b"\x01c" in tree_bytes(tree())
    diff = difference(tree(), build([(("main", "c"), 40)]), 3)
    assert (diff.total, diff.max_self, diff.leftTicks, diff.rightTicks) == (140, 50, 100, 40)


def test_a_tree_that_is_full_tells_new_functions_apart_and_not_what_they_call() -> None:
    root = build([(("a",), 9), (("b",), 8), (("c", "d", "e"), 7), (("f",), 6), (("a", "g", "h"), 5)], limit=2)
    found = {node.name: (node.total, node.own) for node in everything_below(root) if node.name != "other"}
    assert root.total == 35
    assert found["a"][0] == 14
    assert "d" not in found
    assert "h" not in found


def test_folding_keeps_the_largest_and_gives_the_rest_to_their_caller() -> None:
    root = tree()
    assert fold_smallest(root, 2) == 4
    main = root.children["main"]
    assert {child.name: child.total for child in main.children.values()} == {"a": 50, "other": 45}
    assert {child.name: (child.total, child.own) for child in root.children.values()} == {
        "main": (95, 0), "other": (5, 5),
    }  # fmt: skip


def test_children_are_in_the_order_of_their_names() -> None:
    root = build([((name,), 1) for name in ("b", "é", "a")])
    assert [child.name for child in root.in_order()] == ["a", "b", "é"]
    assert [list(level.values) for level in flamegraph(root).levels][1] == [0, 1, 1, 3, 0, 1, 1, 2, 0, 1, 1, 1]


def test_names_of_profiles_are_their_numbers() -> None:
    assert profile_uuid(5) == "00000000-0000-4000-8000-000000000005"
    assert profile_numbers([profile_uuid(5), profile_uuid(2**63 - 1), "0" * 32, profile_uuid(0)]) == (5, -1, -1, -1)
    assert profile_numbers([profile_uuid(2**63 - 2), "ffffffff-ffff-4fff-8fff-ffffffffffff"]) == (2**63 - 2, -1)
    assert bad_id("span", "0123456789abcdeg", 16) is not None


def test_the_parts_of_a_profile_type_are_named() -> None:
    text = "memory:inuse_space:bytes:space:bytes"
    assert [str(value) for _, value in profile_type(text).ListFields()] == [text, *text.split(":")]
    assert [str(value) for _, value in profile_type("memory:inuse_space").ListFields()][2:] == ["inuse_space"]


@pytest.mark.parametrize(
    ("time_ms", "end_ms"), [(900, 1_000), (1_000, 1_000), (1_001, 1_030), (1_030, 1_030), (1_031, 1_060)]
)
def test_a_step_ends_at_its_last_moment(time_ms: int, end_ms: int) -> None:
    assert step_of(time_ms, 1_000, 30) == end_ms


def test_of_very_many_uploads_the_largest_of_each_point_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.timeseries.CELLS_LIMIT", 4)
    uploads = _Uploads({"region"})
    labels = {"region": "eu", "zone": "a"}
    for number, (point, total) in enumerate(itertools.product((1, 2), (10, 30, 20, 5, 7))):
        uploads.add(((), point), labels, 1_000 + number, number.to_bytes(8, "big"), total)
    for point in (1, 2):
        (exemplar,) = uploads.exemplars(((), point))
        assert (exemplar.value, exemplar.profile_id) == (30, profile_uuid(1 if point == 1 else 6))
        assert [(pair.name, pair.value) for pair in exemplar.labels] == [("zone", "a")]
        assert exemplar.timestamp == (1_001 if point == 1 else 1_006)
    assert uploads.exemplars(((), 3)) == []
    assert sum(map(len, uploads._cells.values())) <= 8


def test_a_type_of_profile_may_say_that_its_values_are_differences() -> None:
    check_profile_type("a:b:c:d:e:delta")
    check_profile_type("a:b:c:d:e")
    check_profile_type("a:b:c::")
    for wrong in ("a:b:c:d", "a:b:c:d:e:DELTA", "a:b:c:d:e:delta:x"):
        with pytest.raises(ConnectError):
            check_profile_type(wrong)


def test_what_a_merge_did_not_tell_apart_is_one_sample_of_other() -> None:
    totals = StackTotals(Kind.STACKS)
    totals._values[OTHER_STACK] = 7
    nothing = SimpleNamespace(fetchall=list)
    connection: Any = SimpleNamespace(deadline=NO_DEADLINE, execute=lambda *_: nothing)
    numbers: dict[tuple[int, int], int] = {}
    (sample,) = merged_profile._samples(connection, totals, numbers)
    assert (list(sample.location_id), list(sample.value), numbers) == ([1], [7], {merged_profile.OTHER_FRAME: 1})
    functions = list(merged_profile._functions(connection, [merged_profile.OTHER_FUNCTION]))
    assert functions == [(merged_profile.OTHER_FUNCTION, "other", "other", "")]
    assert list(merged_profile._functions(connection, [])) == []


def test_the_sums_of_many_stacks_are_cut_to_the_largest() -> None:
    totals = StackTotals(Kind.STACKS, limit=2)
    places = [(number, (9, number, 1)) for number in range(10, 15)]
    entries = array("q", [part for place in range(5) for part in (place << 32 | 77, place + 1)]).tobytes()
    totals.add_stacks(entries, places)
    assert list(totals.items()) == [(OTHER_STACK, 1 + 2 + 3), (14, 5), (13, 4)]
    assert (len(totals), totals.places) == (3, {14: (9, 14, 1), 13: (9, 13, 1)})
    totals.add_stacks(entries[:16], places)
    assert dict(totals.items()) == {OTHER_STACK: 6, 14: 5, 13: 4, 10: 1}
    assert dict(totals.kept({13, 10}).items()) == {13: 4, 10: 1}
    paths = StackTotals(Kind.PATHS)
    paths.add_entries(entries)
    assert dict(paths.items()) == {77: 15}


def test_a_sum_beyond_64_bits_ends_the_list() -> None:
    totals = StackTotals(Kind.PATHS)
    totals._values.update({1: 2**63 - 5, 2: 10, 3: 1})
    assert list(totals.items()) == [(1, 2**63 - 5), (2, 4)]


def test_labels_of_a_series_are_read_once() -> None:
    asked: list[Any] = []

    def execute(select: str, arguments: Any) -> Any:
        asked.append((select, arguments))
        return SimpleNamespace(fetchone=lambda: ('[["a", "b"]]', "cpu"))

    connection: Any = SimpleNamespace(execute=execute)
    series = SeriesLabels()
    assert [series.get(connection, 7) for _ in range(3)] == [("cpu", {"a": "b"})] * 3
    assert asked == [("SELECT labels, profile_type FROM series WHERE id = ?", (7,))]
