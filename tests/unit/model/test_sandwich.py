from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as some

from spanprofiles.model.source_lines import Place, SourceFrame, SourceLines
from tests.unit.conftest import graph_of

GRAPH = graph_of({("main", "bike", "search", "far"): 10, ("main", "car", "search"): 20, ("main", "car"): 5})
_paths = some.lists(some.sampled_from(["main", "bike", "f", "g"]), max_size=6).map(tuple)
_stacks = some.dictionaries(_paths, some.integers(1, 10**15), max_size=12)


def test_callers_are_the_paths_to_a_function_its_direct_caller_first() -> None:
    assert GRAPH.callers_of("search").stacks == {("bike", "main"): 10, ("car", "main"): 20}


def test_callees_are_the_paths_from_a_function_on_and_its_own_code_is_nobodys() -> None:
    assert GRAPH.callees_of("search").stacks == {("far",): 10, (): 20}
    assert GRAPH.callees_of("search").root.self == 20


def test_a_function_that_nobody_called_or_that_called_nobody_has_none() -> None:
    assert GRAPH.callers_of("main").stacks == {(): 35}
    assert GRAPH.callees_of("far").stacks == {(): 10}


def test_a_recursive_function_counts_once_and_its_calls_of_itself_are_callees() -> None:
    graph = graph_of({("main", "f", "g", "f"): 10, ("main", "f"): 20})

    assert graph.callers_of("f").stacks == {("main",): 30}
    assert graph.callees_of("f").stacks == {("g", "f"): 10, (): 20}


def test_a_function_that_is_not_there_has_neither() -> None:
    assert GRAPH.callers_of("nobody").is_empty
    assert GRAPH.callees_of("nobody").is_empty


def test_a_pattern_takes_functions_together() -> None:
    assert GRAPH.callers_of(re.compile("bike|car")).stacks == {("main",): 35}


@given(_stacks)
def test_callers_and_callees_have_the_total_of_the_function(stacks: dict[tuple[str, ...], int]) -> None:
    graph = graph_of(stacks)
    for name in graph.functions:
        assert graph.callers_of(name).total == graph.callees_of(name).total == graph.total_of(name)


def test_the_lines_of_callers_are_those_of_the_calls_of_this_function_alone() -> None:
    lines = SourceLines(
        [
            ((SourceFrame("main", "app.py", 1), SourceFrame("search", "fleet.py", 88)), 60),
            ((SourceFrame("main", "app.py", 2), SourceFrame("pay", "till.py", 5)), 30),
        ]
    )
    callers, callees = lines.callers_of("search"), lines.callees_of("main")

    main, pay = callers.below(callers.ROOT, "main"), callees.below(callees.ROOT, "pay")

    assert main is not None
    assert pay is not None
    assert callers.places(main) == [Place("app.py", 1, 60)]
    assert callees.places(pay) == [Place("till.py", 5, 30)]
