from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.model import FlameGraph, Frame
from spanprofiles.report import Box, flame_lines, icicle
from spanprofiles.report.icicle import fold
from tests.unit.conftest import graph_of

_paths = st.lists(st.sampled_from(["main", "bike", "car", "find_nearest_vehicle", "f"]), min_size=1, max_size=7)
_graphs = st.dictionaries(_paths.map(tuple), st.integers(1, 10**12), max_size=12).map(FlameGraph)
_widths = st.integers(1, 200)


@settings(max_examples=40)
@given(_graphs, _widths)
def test_the_boxes_of_a_row_do_not_overlap_and_stay_inside_the_width(graph: FlameGraph, width: int) -> None:
    for row in icicle(graph, width):
        end = 0
        for box in row:
            assert box.left >= end
            assert box.width >= 1
            end = box.left + box.width
        assert end <= width


@settings(max_examples=40)
@given(_graphs, _widths)
def test_every_box_stays_inside_the_one_it_was_called_from(graph: FlameGraph, width: int) -> None:
    rows = icicle(graph, width)
    for above, row in pairwise(rows):
        for box in row:
            parents = [
                parent
                for parent in above
                if parent.left <= box.left and box.left + box.width <= parent.left + parent.width
            ]
            assert len(parents) == 1
            assert box.total < parents[0].total  # a callee with all of it would have been folded


@settings(max_examples=40)
@given(_graphs, _widths)
def test_a_box_is_as_wide_as_its_share_to_within_a_column(graph: FlameGraph, width: int) -> None:
    for box in (box for row in icicle(graph, width) for box in row):
        assert abs(box.width - box.total * width / graph.total) <= 1


@settings(max_examples=40)
@given(_graphs, _widths)
def test_the_label_of_a_box_leaves_a_column_to_its_neighbour(graph: FlameGraph, width: int) -> None:
    for box in (box for row in icicle(graph, width) for box in row):
        assert len(box.label) <= box.width - 1


@settings(max_examples=40)
@given(_graphs, _widths)
def test_the_picture_has_a_line_for_each_row_and_no_line_is_too_wide(graph: FlameGraph, width: int) -> None:
    lines = flame_lines(graph, width)
    if graph.is_empty:
        assert lines == ["no samples"]
    else:
        rows = icicle(graph, width)
        assert len(lines) == max(1, len(rows))
        for line, row in zip(lines, rows, strict=False):
            assert len(line) <= width
            assert [column for column, letter in enumerate(line) if letter == "▌"] == [box.left for box in row]


def test_nothing_is_drawn_of_an_empty_flame_graph() -> None:
    assert icicle(FlameGraph(), 80) == []
    assert flame_lines(FlameGraph()) == ["no samples"]


def test_what_is_narrower_than_a_column_is_left_out() -> None:
    rows = icicle(graph_of({("main", "work"): 999, ("main", "tick"): 1}), 100)
    assert [[box.names for box in row] for row in rows] == [[("main",)], [("work",)]]
    assert len(icicle(graph_of({("main", "work"): 50, ("main", "tick"): 50}), 100)[1]) == 2


def test_callees_stand_under_their_caller_the_largest_first() -> None:
    rows = icicle(graph_of({("a", "x"): 20, ("a", "y"): 30, ("b",): 50}), 100)
    assert rows == [
        [Box(0, 50, ("a",), 50, 0), Box(50, 50, ("b",), 50, 50)],
        [Box(0, 30, ("y",), 30, 30), Box(30, 20, ("x",), 20, 20)],
    ]


def test_a_chain_of_only_callees_is_one_box_and_its_label_ends_with_the_innermost() -> None:
    graph = graph_of(
        {("Thread.run", "Flask.wsgi_app", "bike", "search"): 70, ("Thread.run", "Flask.wsgi_app", "bike"): 30}
    )
    ((box,), (search,)) = icicle(graph, 60)
    assert box.names == ("Thread.run", "Flask.wsgi_app", "bike")
    assert (box.total, box.self) == (100, 30)
    assert box.label == "Thread.run > Flask.wsgi_app > bike"
    assert (search.names, search.width) == (("search",), 42)


def test_a_label_keeps_the_innermost_functions_that_fit() -> None:
    names = ("Thread.run", "Flask.wsgi_app", "bike", "find_nearest_vehicle")

    def label(width: int) -> str:
        return Box(0, width, names, 1, 1).label

    assert label(80) == "Thread.run > Flask.wsgi_app > bike > find_nearest_vehicle"
    assert label(40) == "… > bike > find_nearest_vehicle"
    assert label(26) == "… > find_nearest_vehicle"
    assert label(22) == "find_nearest_vehicle"
    assert label(10) == "find_near"
    assert label(1) == ""


def test_a_chain_ends_where_a_function_does_work_of_its_own() -> None:
    graph = graph_of({("main", "bike", "search"): 9, ("main", "bike"): 1})
    names, last = fold(graph.root.children[0])
    assert names == ("main", "bike")
    assert last == Frame("bike", 10, 1, (Frame("search", 9, 9),))


def test_a_frame_without_callees_is_a_chain_of_its_own() -> None:
    assert fold(Frame("leaf", 5, 5)) == (("leaf",), Frame("leaf", 5, 5))


def test_a_stack_two_thousand_calls_deep_is_one_box() -> None:
    (row,) = icicle(FlameGraph({tuple(f"f{depth}" for depth in range(2000)): 10}), 80)
    assert row[0].names[-1] == "f1999"
    assert row[0].label.endswith("f1998 > f1999")
