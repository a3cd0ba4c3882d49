from __future__ import annotations

import re
import time

import pytest

from spanprofiles.model.similar_names import similar_names
from tests.unit.conftest import graph_of

_KNOWN = ["main", "Flask.dispatch_request", "View.dispatch_request", "find_nearest_vehicle", "find_nearest_driver"]


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("find_nearest_vehicel", ["find_nearest_vehicle", "find_nearest_driver"]),
        ("Find_Nearest_Vehicle", ["find_nearest_vehicle"]),
        ("dispatch_request", ["Flask.dispatch_request", "View.dispatch_request"]),
        ("rideshare.fleet.find_nearest_vehicle", ["find_nearest_vehicle"]),
        ("quicksort", []),
        ("", []),
    ],
)
def test_a_misspelt_or_otherwise_qualified_name_leads_to_the_known_ones(name: str, similar: list[str]) -> None:
    assert similar_names(name, _KNOWN)[: len(similar)] == similar
    assert similar or not similar_names(name, _KNOWN)


def test_the_name_itself_is_not_similar_to_itself() -> None:
    assert "main" not in similar_names("main", _KNOWN)


def test_there_are_three_at_most_and_names_nobody_writes_are_left_out() -> None:
    assert len(similar_names("handle", [f"A{number}.handle" for number in range(50)])) == 3
    began_s = time.process_time()
    assert similar_names("f" * 150, ["f" * 100_000 + str(number) for number in range(500)]) == []
    assert similar_names("f" * 100_000, ["f" * 150]) == []
    assert time.process_time() - began_s < 5


@pytest.mark.parametrize(("length", "similar"), [(200, True), (201, False)])
def test_names_of_two_hundred_characters_are_still_compared(length: int, similar: bool) -> None:
    known = "f" * (length - 1) + "h"
    assert similar_names("f" * (length - 1) + "g", [known]) == ([known] if similar else [])
    assert similar_names("f" * 199 + "g", [known]) == ([known] if similar else [])


@pytest.mark.parametrize("name", ["", "::"])
def test_punctuation_is_not_like_other_punctuation(name: str) -> None:
    assert similar_names(name, ["--", "...", "main"]) == []


def test_a_flame_graph_remembers_the_names_it_was_asked_about_in_vain() -> None:
    graph = graph_of({("main", "find_nearest_vehicle"): 10, ("main",): 5})
    assert graph.unknown_functions == {}

    assert graph.share("find_nearest_vehicel") == 0.0
    assert graph.self_of("mian") == graph.below("main").total_of("sort") == 0
    assert graph.share("main") == 1.0
    assert graph.total_of(re.compile("sort.*")) == 0, "a pattern may match nothing"
    assert graph.callees_of("wait").is_empty
    assert graph.callers_of("poll").is_empty
    assert graph.below("find_nearest_vehicle").total_of("main") == 0, "the whole has it, only this part has not"

    assert graph.unknown_functions == {
        "find_nearest_vehicel": ["find_nearest_vehicle"],
        "mian": ["main"],
        "sort": [],
        "wait": [],
        "poll": [],
    }
    assert graph == graph_of({("main", "find_nearest_vehicle"): 10, ("main",): 5}), "that is no part of its value"


def test_a_flame_graph_without_samples_has_no_names_to_compare_with() -> None:
    empty = graph_of({})
    assert empty.share("main") == 0.0
    assert empty.unknown_functions == {}
