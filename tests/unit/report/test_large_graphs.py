"""Flame graphs of a hundred thousand frames, and of very long names: drawn in steps and space that grow with them.

Steps are counted and not timed: each function of the package that is called is one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from spanprofiles.clients.flamebearer import flamegraph
from spanprofiles.linking import Evidence
from spanprofiles.model import FlameGraph, Frame
from spanprofiles.model.pprof import pprof_profile
from spanprofiles.model.source_lines import SourceFrame, SourceLines
from spanprofiles.report import call_tree, failure_report, flame_lines, icicle, top_table
from spanprofiles.report.folded import folded_lines, folded_text
from spanprofiles.report.icicle import MOST_ROWS
from spanprofiles.report.svg import Origin, difference_document, difference_layout, flame_document, flame_layout
from spanprofiles.report.svg.flame import flame_data, flame_svg
from spanprofiles.report.svg.layout import MOST_BOXES
from tests.unit.conftest import graph_of

_DEPTH = 8_000
_CHAIN = tuple(f"f{depth % 1000}" for depth in range(_DEPTH))
_STAIRS = 1_000

#: A chain with a sample at each depth: no two of its boxes are equally wide.
_STAIRCASE = FlameGraph((_CHAIN[:depth], 1) for depth in range(1, _STAIRS + 1))


class Steps:
    """How many calls there were."""

    count = 0


@contextmanager
def counted() -> Iterator[Steps]:
    steps = Steps()

    def see(_: FrameType, event: str, __: Any) -> None:
        steps.count += event in {"call", "c_call"}

    sys.setprofile(see)
    try:
        yield steps
    finally:
        sys.setprofile(None)


_FORMS: dict[str, Callable[[FlameGraph], object]] = {
    "text": call_tree,
    "picture of characters": flame_lines,
    "table": top_table,
    "folded": folded_text,
    "SVG": lambda graph: flame_document(graph, title="x"),
    "page": lambda graph: json.dumps(flame_data(flame_layout(graph))),
    "page with libraries": lambda graph: flame_data(flame_layout(graph, origin_of=lambda _: Origin.LIBRARY)),
    "difference": lambda graph: difference_document(graph, graph, title="x"),
    "pprof": pprof_profile,
    "callers and callees": lambda graph: (graph.callers_of("f5").root, graph.callees_of("f5").root),
    "difference by function": lambda graph: graph.diff(graph).changes,
    "comparison": lambda graph: (graph.root == FlameGraph(graph.stacks).root, hash(graph.root), repr(graph.root)),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", _FORMS.values(), ids=_FORMS)
def test_a_deep_chain_takes_steps_in_proportion_to_its_depth(form: Callable[[FlameGraph], object]) -> None:
    steps = []
    for depth in (_DEPTH // 4, _DEPTH):
        with counted() as counter:
            form(FlameGraph({_CHAIN[:depth]: 10, (*_CHAIN[: depth // 2], "g"): 3}))
        steps.append(counter.count)
    assert steps[1] < 6 * steps[0] + 20_000  # and not sixteen times as many
    assert steps[1] < 150 * _DEPTH


def test_a_deep_chain_is_read_in_steps_in_proportion_to_its_depth() -> None:
    answer = {"names": ["total", "f"], "levels": [{"values": [0, 9, 9 * (n == _DEPTH), 1]} for n in range(_DEPTH + 1)]}
    with counted() as steps:
        graph = flamegraph(answer)
    assert list(graph.stacks.values()) == [9]
    assert len(next(iter(graph.stacks))) == _DEPTH
    assert steps.count < 60 * _DEPTH


def test_lines_of_a_deep_chain_are_told_apart_in_steps_in_proportion_to_its_depth() -> None:
    with counted() as steps:
        lines = SourceLines([(tuple(SourceFrame(name, "app.py", 1) for name in _CHAIN), 5)])
        assert lines.callees_of("f1").total == 5
    assert steps.count < 40 * _DEPTH


def test_a_deep_frame_is_equal_to_its_like_and_not_to_another() -> None:
    deep, same = (graph_of({_CHAIN: 3}).root for _ in range(2))
    assert deep == same
    assert hash(deep) == hash(same)
    assert deep != graph_of({(*_CHAIN[:-1], "other"): 3}).root
    assert deep != "total"
    assert repr(Frame("f", 3, 1)) == "Frame(name='f', total=3, self=1)"


def test_text_has_so_many_lines_and_says_how_many_paths_are_left_out() -> None:
    lines = call_tree(_STAIRCASE)
    assert len(lines) == 201
    assert lines[-1].strip() == "(792 narrower call paths are not shown)"
    assert max(map(len, lines)) < 200  # what is deep is not indented without end
    assert lines[0].split()[-1] == "f0"


def test_a_picture_of_characters_is_cut_and_counts_the_functions_left_out() -> None:
    lines = flame_lines(_STAIRCASE)
    assert len(icicle(_STAIRCASE, 100)) == MOST_ROWS
    assert len(lines) == MOST_ROWS + 1
    assert lines[-1] == f"({_STAIRS - MOST_ROWS} deeper or narrower functions are not shown)"
    assert "not shown" not in "\n".join(flame_lines(graph_of({("a", "b"): 3})))


def test_a_file_says_how_many_boxes_are_left_out_and_keeps_the_widest() -> None:
    wide = [((f"wide{number}",), 1_000) for number in range(100)]
    graph = FlameGraph([*wide, *(((f"f{number}",), 1) for number in range(7_000))])
    picture = flame_document(graph, title="x")
    assert picture.count('class="box') == 101
    assert "And 7,000 smaller boxes are folded away." in picture
    assert "folded away" not in flame_document(graph_of({("a",): 1}), title="x")


def test_a_layout_makes_no_more_boxes_than_a_picture_may_have() -> None:
    graph = FlameGraph(((f"f{number % 10}", f"g{number}"), 1) for number in range(MOST_BOXES + 500))
    layout = flame_layout(graph)
    assert len(layout.boxes) == MOST_BOXES
    assert layout.left_out == 11 + MOST_BOXES + 500 - MOST_BOXES
    assert all(box.parent < index for index, box in enumerate(layout.boxes))
    assert all(layout.boxes[box.parent].start <= box.start for box in layout.boxes[1:])


def test_a_difference_tells_both_sides_of_each_box() -> None:
    before = graph_of({("a", "b", "c"): 10, ("a", "d"): 5})
    after = graph_of({("a", "b", "c"): 4, ("e",): 6})
    difference = difference_layout(before, after)
    told = {
        box.names[-1]: (difference.before[index], difference.after[index])
        for index, box in enumerate(difference.layout.boxes)
    }
    assert told == {"total": (15, 10), "a": (15, 4), "b": (10, 4), "c": (10, 4), "d": (5, 0), "e": (0, 6)}


def test_names_of_sixty_thousand_characters_make_no_huge_picture() -> None:
    graph = FlameGraph(((f"{number:05d}" * 12_000,), 1_000) for number in range(300))
    layout = flame_layout(graph)
    assert len(flame_svg(layout).svg) < 500_000
    data = flame_data(layout)
    assert sum(map(len, data["names"])) <= 4_000_000
    assert len(set(data["names"])) == 301  # cut, and still told apart
    assert len("".join(call_tree(graph))) < 300_000


def test_names_that_are_not_too_many_are_told_whole() -> None:
    name = "std::map<" + "x" * 5_000
    assert name in flame_data(flame_layout(graph_of({(name,): 1})))["names"]


def test_folded_lines_are_made_one_by_one_and_none_is_left_out() -> None:
    graph = FlameGraph((("main", f"f{number:04d}"), number + 1) for number in range(5_000))
    lines = folded_lines(graph)
    assert next(lines) == "main;f0000 1\n"
    assert sum(1 for _ in lines) == 4_999


def test_a_value_beyond_64_bits_makes_a_profile_all_the_same() -> None:
    assert pprof_profile(graph_of({("a",): 2**64}))


def test_a_report_tells_of_the_largest_profiles_and_how_many_more_there_are() -> None:
    evidence = Evidence("0af7651916cd43dd8448eb211c80319c")
    for number in range(1, 31):
        evidence.flamegraphs[f"{number:016x}"] = graph_of({(f"f{number}",): number})
    report = failure_report(evidence)
    assert report.count("samples of profile ID") == 20
    assert "and 10 more span profiles, each with fewer samples" in report
    assert "f30" in report
