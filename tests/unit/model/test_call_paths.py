"""How much of one flame graph is on the call paths of another."""

from __future__ import annotations

import pytest

from spanprofiles.model import FlameGraph
from spanprofiles.model.call_paths import share_on_paths_of

RIDE_PATHS: dict[tuple[str, ...], int] = {("serve", "order", "search", "measure"): 60, ("serve", "order", "check"): 40}
RIDE = FlameGraph(RIDE_PATHS)


@pytest.mark.parametrize(
    ("paths", "share"),
    [
        ({("serve", "order", "check"): 30}, 1.0),
        ({("serve", "order", "search"): 30}, 1.0),
        ({("serve", "order", "search", "sort"): 30}, 1.0),
        ({("serve", "order", "plan"): 30}, 0.0),
        ({("serve", "order", "plan", "measure"): 30}, 0.0),
        ({("pool", "order", "search"): 30}, 0.0),
        ({("search",): 30}, 0.0),
        ({("serve", "order", "check"): 30, ("pool", "search"): 90}, 0.25),
        ({("serve",): 30}, 1.0),
        ({}, 0.0),
    ],
    ids=[
        "the same",
        "a caller",
        "a sibling",
        "a sibling on the trunk",
        "below it",
        "elsewhere",
        "without callers",
        "in part",
        "where all begin",
        "nothing",
    ],
)
def test_a_path_counts_where_the_other_has_its_callers(paths: dict[tuple[str, ...], int], share: float) -> None:
    assert share_on_paths_of(FlameGraph(paths), RIDE) == share


def test_nothing_is_on_the_paths_of_an_empty_flame_graph() -> None:
    assert share_on_paths_of(RIDE, FlameGraph()) == 0.0


def test_where_one_path_is_the_beginning_of_the_other_their_end_may_differ() -> None:
    serving = FlameGraph([(("serve", "order"), 10), (("serve", "order", "check"), 10)])
    assert share_on_paths_of(FlameGraph([(("serve", "order", "plan"), 30)]), serving) == 0.0
    assert share_on_paths_of(FlameGraph([(("serve", "order", "check", "measure"), 30)]), serving) == 1.0


def test_what_has_no_frames_is_on_no_path() -> None:
    assert share_on_paths_of(FlameGraph([((), 30), (("serve",), 10)]), RIDE) == 0.25
    assert share_on_paths_of(FlameGraph([(("search",), 30)]), FlameGraph([(("serve",), 10), (("check",), 10)])) == 0.0
