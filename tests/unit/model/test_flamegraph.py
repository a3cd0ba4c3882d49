from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.clients.flamebearer import flamegraph
from spanprofiles.model import FlameGraph, Frame
from tests.unit.conftest import flamebearer, graph_of

_functions = st.sampled_from(["main", "bike", "car", "f", "g", "λ"])
_paths = st.lists(_functions, max_size=6).map(tuple)
_stacks = st.dictionaries(_paths, st.integers(1, 10**15), max_size=12)
_SAMPLE_NS = 10_000_000

#: main calls f, which calls g, which calls f again (10); f does work of its own (20), as does main (5)
_RECURSIVE = graph_of({("main", "f", "g", "f"): 10, ("main", "f"): 20, ("main",): 5})


def samples_of(counts: dict[tuple[str, ...], int]) -> FlameGraph:
    return FlameGraph({path: count * _SAMPLE_NS for path, count in counts.items()})


def test_total_counts_every_sample_and_self_only_the_innermost_function() -> None:
    assert _RECURSIVE.total == 35
    assert _RECURSIVE.self_of("main") == 5
    assert _RECURSIVE.total_of("main") == 35
    assert _RECURSIVE.self_of("g") == 0
    assert _RECURSIVE.total_of("g") == 10


def test_a_recursive_function_counts_once_for_each_call_path() -> None:
    assert _RECURSIVE.total_of("f") == 30  # and not 40
    assert _RECURSIVE.self_of("f") == 30
    assert _RECURSIVE.share("f") == 30 / 35
    assert graph_of({("f", "f", "f"): 7}).share("f") == 1.0


def test_a_function_that_is_not_there_has_nothing() -> None:
    assert _RECURSIVE.total_of("nope") == 0
    assert _RECURSIVE.self_of("nope") == 0
    assert _RECURSIVE.share("nope") == 0.0


def test_a_name_is_matched_whole_and_a_pattern_too() -> None:
    graph = graph_of({("Flask.dispatch_request", "bike"): 30, ("Flask.wsgi_app",): 10})
    assert graph.total_of("Flask") == 0
    assert graph.total_of(re.compile("Flask")) == 0
    assert graph.total_of(re.compile(r"Flask\..*")) == 40
    assert graph.self_of(re.compile(r"Flask\..*")) == 10
    assert graph.total_of("Flask.dispatch_reques.") == 0  # a text is not a pattern


def test_paths_that_come_twice_are_summed_and_those_without_value_left_out() -> None:
    graph = FlameGraph([(("a", "b"), 1), (("a", "b"), 2), (("a",), 0)])
    assert graph.stacks == {("a", "b"): 3}
    assert graph == graph_of({("a", "b"): 3})
    assert hash(graph) == hash(graph_of({("a", "b"): 3}))
    assert len({hash(graph_of({("a", "b"): value})) for value in range(1, 9)}) > 1
    assert graph != graph_of({("a", "b"): 4})


def test_a_negative_value_is_refused_with_its_path() -> None:
    with pytest.raises(ValueError, match="negative value -1: a > b"):
        graph_of({("a", "b"): -1})


def test_the_top_table_has_the_largest_own_time_first_and_no_function_without_any() -> None:
    graph = graph_of({("main", "b"): 10, ("main", "a"): 10, ("main", "c"): 30})
    assert [(row.name, row.self, row.total) for row in graph.top()] == [("c", 30, 30), ("a", 10, 10), ("b", 10, 10)]
    assert [row.name for row in graph.top(1)] == ["c"]
    assert len(graph_of({(f"f{number}",): 1 for number in range(20)}).top(None)) == 20


def test_below_starts_at_the_outermost_occurrence() -> None:
    assert _RECURSIVE.below("f").stacks == {("f", "g", "f"): 10, ("f",): 20}
    assert _RECURSIVE.below("main") == _RECURSIVE
    assert _RECURSIVE.below("nope").is_empty
    assert list(_RECURSIVE.unknown_functions) == ["nope"]


def test_below_merges_what_was_called_from_two_places() -> None:
    graph = graph_of({("a", "work", "x"): 1, ("b", "work", "x"): 2, ("b", "rest"): 4})
    assert graph.below("work").stacks == {("work", "x"): 3}


def test_the_flame_graph_of_two_spans_is_the_sum_of_theirs() -> None:
    both = graph_of({("a",): 1, ("b",): 2}) + graph_of({("b",): 3})
    assert both.stacks == {("a",): 1, ("b",): 5}
    with pytest.raises(TypeError):
        both + {("a",): 1}  # type: ignore[operator]  # that it is refused is what is tested


def test_an_empty_flame_graph_answers_every_question_with_nothing() -> None:
    empty = FlameGraph()
    assert empty.is_empty
    assert empty.total == 0
    assert empty.share("f") == 0.0
    assert empty.top() == []
    assert empty.functions == frozenset()
    assert empty.root == Frame("total", 0, 0)
    assert list(empty.walk()) == [(0, Frame("total", 0, 0))]
    assert repr(empty) == "<FlameGraph: no samples>"
    assert empty + _RECURSIVE == _RECURSIVE
    assert empty.diff(empty).top_regression is None


def test_what_a_failed_assertion_prints_names_the_functions_that_matter() -> None:
    assert repr(graph_of({("main", "a"): 30_000_000, ("main",): 10_000_000})) == (
        "<FlameGraph of 40 ms; own time: a 75%, main 25%>"
    )
    assert repr(graph_of({(f"f{number}",): number for number in range(1, 8)})) == (
        "<FlameGraph of 2.8e-05 ms; own time: f7 25%, f6 21%, f5 18%, f4 14%, f3 11%>"
    )


def test_what_is_given_out_cannot_change_the_flame_graph() -> None:
    stacks = dict(_RECURSIVE.stacks)
    stacks.clear()
    assert _RECURSIVE.total == 35
    assert len(_RECURSIVE.stacks) == 3


def test_a_difference_names_the_function_whose_own_code_grew_most() -> None:
    before = samples_of({("main", "search"): 100, ("main", "price"): 50})
    after = samples_of({("main", "search"): 90, ("main", "price", "round"): 80, ("main", "price"): 55})
    difference = before.diff(after)
    regression = difference.top_regression
    assert regression is not None
    assert (regression.name, regression.self_before, regression.self_after, regression.self_change) == (
        "round",
        0,
        80 * _SAMPLE_NS,
        80 * _SAMPLE_NS,
    )
    changes = {
        change.name: (change.self_change // _SAMPLE_NS, change.total_change // _SAMPLE_NS)
        for change in difference.changes
    }
    assert changes == {"round": (80, 80), "search": (-10, -10), "price": (5, 85), "main": (0, 75)}
    assert [change.name for change in difference.changes] == ["round", "search", "price", "main"]
    assert difference.total_change == 75 * _SAMPLE_NS
    assert difference.guilty is difference.top_regression, "the earlier name"


def test_a_function_that_only_calls_more_than_before_is_no_regression() -> None:
    before = samples_of({("main",): 100})
    after = samples_of({("main",): 20, ("main", "log"): 60, ("main", "check"): 50})
    regression = before.diff(after).top_regression
    assert before.diff(after).changes[0].total_change == 30 * _SAMPLE_NS  # main's, whose own code shrank most
    assert regression is not None
    assert regression.name == "log"


def test_where_nothing_grew_there_is_no_top_regression() -> None:
    before = samples_of({("a",): 100, ("b",): 50})
    assert before.diff(samples_of({("a",): 20})).top_regression is None
    assert before.diff(before).top_regression is None
    assert before.diff(FlameGraph()).total_change == -150 * _SAMPLE_NS


@settings(max_examples=60)
@given(_stacks)
def test_in_every_frame_own_value_and_callees_make_up_the_total(stacks: dict[tuple[str, ...], int]) -> None:
    graph = FlameGraph(stacks)
    frames = list(graph.walk())
    for _, frame in frames:
        assert frame.total == frame.self + sum(child.total for child in frame.children)
        assert [child.total for child in frame.children] == sorted((c.total for c in frame.children), reverse=True)
        assert len({child.name for child in frame.children}) == len(frame.children)
    assert graph.root.total == graph.total == sum(stacks.values())
    assert sum(frame.self for _, frame in frames) == graph.total


@settings(max_examples=60)
@given(_stacks)
def test_the_tree_walked_from_the_root_gives_the_call_paths_back(stacks: dict[tuple[str, ...], int]) -> None:
    path: list[str] = []
    walked = {}
    for depth, frame in FlameGraph(stacks).walk():
        path[depth:] = [frame.name]
        if frame.self:
            walked[tuple(path[1:])] = frame.self
    assert walked == stacks


@settings(max_examples=60)
@given(_stacks)
def test_function_totals_agree_with_the_questions_one_by_one(stacks: dict[tuple[str, ...], int]) -> None:
    graph = FlameGraph(stacks)
    assert graph.by_function.keys() == graph.functions
    for name, row in graph.by_function.items():
        assert (row.self, row.total, row.share) == (graph.self_of(name), graph.total_of(name), graph.share(name))
        assert 0 < row.share <= 1


@settings(max_examples=60)
@given(_stacks)
def test_what_a_server_encodes_as_levels_reads_back_as_the_same_call_paths(stacks: dict[tuple[str, ...], int]) -> None:
    assert flamegraph(flamebearer(stacks)) == FlameGraph(stacks)


def test_a_stack_two_thousand_calls_deep_is_no_trouble() -> None:
    path = tuple(f"f{depth % 7}" for depth in range(2000))
    graph = graph_of({path: 10, path[:1000]: 5})
    assert max(depth for depth, _ in graph.walk()) == 2000
    assert graph.share("f3") == 1.0
    assert graph.by_function["f3"].total == 15
    assert flamegraph(flamebearer(graph.stacks)) == graph


@pytest.mark.slow
def test_many_deep_stacks_take_memory_in_proportion_to_their_frames() -> None:
    shared = tuple(f"f{depth}" for depth in range(2000))
    graph = FlameGraph({(f"request {number}", *shared): 1 for number in range(10)})
    tracemalloc.start()
    try:
        assert sum(1 for _ in graph.walk()) == 1 + 10 * 2001
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # a tuple for each path would take four times as much
    finally:
        tracemalloc.stop()


def test_a_box_equals_itself_and_one_with_the_same_tree_and_no_other() -> None:
    first, second = graph_of({("main", "search"): 10}).root, graph_of({("main", "search"): 10}).root
    other = graph_of({("main", "price"): 10}).root
    assert first == first  # noqa: PLR0124  # that is the claim
    assert first == second
    assert hash(first) == hash(second)
    assert first != other
    assert first != "main"


def test_boxes_that_share_a_part_may_differ_in_another() -> None:
    shared = Frame("search", 10, 10)
    first, second = (Frame("price", 10, 0, (Frame(name, 10, 10),)) for name in ("round", "discount"))
    assert Frame("main", 20, 0, (first, shared)) != Frame("main", 20, 0, (second, shared))
    assert Frame("main", 20, 0, (shared, first)) != Frame("main", 20, 0, (shared, second))


def test_different_boxes_have_different_hashes() -> None:
    assert len({hash(Frame("main", total, total)) for total in range(8)}) > 1
    assert len({hash(Frame("main", 8, 0, (Frame("search", total, total),))) for total in range(8)}) > 1
