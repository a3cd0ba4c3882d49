"""The comparison of answers tells apart what differs, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.support.conformance.exchanges import in_the_present
from tests.support.conformance.meaning import call_tree, meaning_of_answer, two_call_trees
from tests.support.conformance.pair import Pair, running_pair
from tests.support.pprof_writer import pprof


def graph(names: list[str], *levels: list[int]) -> str:
    return json.dumps({"flamegraph": {"names": names, "levels": [{"values": level} for level in levels], "total": "3"}})


def test_siblings_in_another_order_with_other_numbers_mean_the_same() -> None:
    graph_of_f = graph(["total", "f", "g"], [0, 3, 0, 0], [0, 1, 1, 1, 0, 2, 2, 2])
    other = graph(["total", "g", "f"], [0, 3, 0, 0], [0, 2, 2, 1, 0, 1, 1, 2])
    assert meaning_of_answer(200, graph_of_f) == meaning_of_answer(200, other)


@pytest.mark.parametrize(
    "changed",
    [
        graph(["total", "f", "h"], [0, 3, 0, 0], [0, 1, 1, 1, 0, 2, 2, 2]),
        graph(["total", "f", "g"], [0, 3, 0, 0], [0, 1, 1, 2, 0, 2, 2, 1]),
        graph(["total", "f", "g"], [0, 3, 0, 0], [0, 3, 1, 1], [1, 2, 2, 2]),
    ],
    ids=["another name", "values exchanged", "a call instead of a sibling"],
)
def test_another_call_tree_means_something_else(changed: str) -> None:
    original = graph(["total", "f", "g"], [0, 3, 0, 0], [0, 1, 1, 1, 0, 2, 2, 2])
    assert meaning_of_answer(200, original) != meaning_of_answer(200, changed)


def test_a_frame_belongs_to_the_frame_above_it() -> None:
    levels = [{"values": ["0", "10", "0", "0"]}, {"values": ["0", "4", "1", "1", "0", "6", "6", "2"]}]
    levels.append({"values": ["1", "3", "3", "2"]})
    assert call_tree(["total", "f", "g"], levels) == {
        ("total",): (10, 0),
        ("total", "f"): (4, 1),
        ("total", "g"): (6, 6),
        ("total", "f", "g"): (3, 3),
    }


def test_the_sides_of_a_difference_are_told_apart() -> None:
    levels = [[0, 5, 0, 0, 7, 0, 0], [0, 5, 5, 0, 0, 0, 1, 0, 0, 0, 0, 7, 7, 2]]
    left, right = two_call_trees(["total", "f", "g"], levels)
    assert left == {("total",): (5, 0), ("total", "f"): (5, 5)}
    assert right == {("total",): (7, 0), ("total", "g"): (7, 7)}


def test_the_order_of_points_says_something_and_that_of_labels_nothing() -> None:
    assert meaning_of_answer(200, '{"points": [1, 2]}') != meaning_of_answer(200, '{"points": [2, 1]}')
    assert meaning_of_answer(200, '{"labels": [1, 2]}') == meaning_of_answer(200, '{"labels": [2, 1]}')
    assert meaning_of_answer(200, '{"labels": [1, 2]}') != meaning_of_answer(200, '{"labels": [2, 2, 1]}')


def test_an_error_means_its_code_whatever_its_words() -> None:
    assert meaning_of_answer(400, '{"code": "x", "message": "a"}') == meaning_of_answer(400, '{"code": "x"}')
    assert meaning_of_answer(400, '{"code": "x"}') != meaning_of_answer(400, '{"code": "y"}')
    assert meaning_of_answer(400, "words") != meaning_of_answer(400, '{"code": "x"}')


def test_marks_become_times_to_the_nanosecond() -> None:
    assert (
        in_the_present("{{ns:-99.999}} {{ms:60}} {{s:0}}", 1_700_000_000)
        == "1699999900001000000 1700000060000 1700000000"
    )


def test_a_written_profile_is_read_by_the_pair_with_its_stack_the_right_way_round() -> None:
    description = {
        "t": None,
        "types": [["cpu", "nanoseconds"]],
        "samples": [{"stack": ["leaf", "root"], "values": [9]}],
    }
    with running_pair() as pair:
        status, _ = pair.send("pyroscope", "POST", "/ingest?name=x&format=pprof", pprof(description, 0))
        assert status == 200
        assert "root" in _levels(pair)[1]
        assert "leaf" in _levels(pair)[2]


def _levels(pair: Pair) -> list[str]:
    path = "/pyroscope/render?from=now-1m&query=process_cpu:cpu:nanoseconds:cpu:nanoseconds%7B%7D"
    status, body = pair.send("pyroscope", "GET", path)
    assert status == 200
    graph = json.loads(body)["flamebearer"]
    return [graph["names"][level[3]] for level in graph["levels"]]
