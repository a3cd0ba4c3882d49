"""Call trees keep every value, and every form of them says the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.pyroscope.flamegraph import Node, build, difference, everything_below, flamegraph, tree_bytes
from tests.support.conformance.meaning import Tree, call_tree, two_call_trees

NAMES = st.sampled_from(["main", "f", "g", "h", "total", "other stuff", "é"])
STACKS = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=6).map(tuple), st.integers(1, 1000)), max_size=12)


def expected(stacks: list[tuple[tuple[str, ...], int]]) -> Tree:
    """(total, self) of each call path, counted stack by stack."""
    totals: Counter[tuple[str, ...]] = Counter()
    owns: Counter[tuple[str, ...]] = Counter()
    for names, value in stacks:
        path = ("total", *names)
        owns[path] += value
        totals.update({path[:length]: value for length in range(1, len(path) + 1)})
    return {path: (totals[path], owns[path]) for path in totals} or {("total",): (0, 0)}


def tree_of(graph: Any) -> Tree:
    return call_tree(list(graph.names), [list(level.values) for level in graph.levels])


@given(STACKS)
def test_the_levels_of_a_flame_graph_say_what_each_path_cost(stacks: list[tuple[tuple[str, ...], int]]) -> None:
    graph = flamegraph(build(stacks))
    assert tree_of(graph) == expected(stacks)
    assert graph.total == sum(value for _, value in stacks)
    assert graph.max_self == max([own for _, own in expected(stacks).values()])


@given(STACKS, STACKS)
def test_a_difference_has_both_sides_as_they_are(
    left: list[tuple[tuple[str, ...], int]], right: list[tuple[tuple[str, ...], int]]
) -> None:
    graph = difference(build(left), build(right))
    sides = two_call_trees(list(graph.names), [list(level.values) for level in graph.levels])
    for side, stacks in zip(sides, (left, right), strict=True):
        assert side == {path: values for path, values in expected(stacks).items() if values[0]}
    assert (graph.leftTicks, graph.rightTicks) == (sum(value for _, value in left), sum(value for _, value in right))


def test_a_difference_keeps_what_is_large_on_either_side_and_adds_up_the_rest() -> None:
    left = build([(("f", "g"), 50), (("h",), 3), (("i",), 2)])
    right = build([(("f",), 1), (("h",), 40), (("i",), 4)])

    def sides(max_nodes: int) -> list[Tree]:
        graph = difference(left, right, max_nodes)
        return list(two_call_trees(list(graph.names), [list(level.values) for level in graph.levels]))

    assert sides(4) == [
        {("total",): (55, 0), ("total", "f"): (50, 0), ("total", "f", "g"): (50, 50), ("total", "h"): (3, 3),
         ("total", "other"): (2, 2)},
        {("total",): (45, 0), ("total", "f"): (1, 1), ("total", "h"): (40, 40), ("total", "other"): (4, 4)},
    ]  # fmt: skip
    assert ("total", "i") in sides(5)[0]
    assert sides(5) == sides(0)


def read_tree(data: bytes) -> Tree:
    """Serialized tree bytes, read as they are described: name, own value, number of children, the last child first."""
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def node(path: tuple[str, ...]) -> tuple[int, Tree]:
        nonlocal position
        length = number()
        name = data[position : position + length].decode()
        position += length
        own, count = number(), number()
        here = (*path, name or "total") if not path else (*path, name)
        found: Tree = {}
        total = own
        for _ in range(count):
            below, more = node(here)
            total += below
            found |= more
        return total, found | {here: (total, own)}

    tree = node(())[1]
    assert position == len(data)
    return tree


@given(STACKS.filter(bool))
def test_tree_bytes_say_the_same(stacks: list[tuple[tuple[str, ...], int]]) -> None:
    assert read_tree(tree_bytes(build(stacks))) == expected(stacks)


@given(STACKS, st.integers(1, 10))
def test_folding_small_frames_keeps_the_total(stacks: list[tuple[tuple[str, ...], int]], limit: int) -> None:
    tree = build(stacks)
    graph = flamegraph(tree, limit)
    folded = tree_of(graph)
    assert sum(own for _, own in folded.values()) == tree.total == graph.total
    kept = {path: values for path, values in folded.items() if path[-1] != "other"}
    whole = expected(stacks)
    assert all(whole[path] == values for path, values in kept.items())


def test_recursion_and_values_that_are_none_are_told_apart() -> None:
    tree = build([(("f", "g", "f"), 3), (("f",), 2), (("g",), 0), (("g",), -5), ((), 7)])
    assert tree_of(flamegraph(tree)) == {
        ("total",): (5, 0),
        ("total", "f"): (5, 2),
        ("total", "f", "g"): (3, 0),
        ("total", "f", "g", "f"): (3, 3),
    }


def test_no_samples_are_a_flame_graph_of_nothing() -> None:
    graph = flamegraph(build([]))
    assert list(graph.names) == ["total"]
    assert [list(level.values) for level in graph.levels] == [[0, 0, 0, 0]]
    assert tree_bytes(Node("")) == b""
    assert list(everything_below(Node(""))) == []
