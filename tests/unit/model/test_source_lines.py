from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from spanprofiles.model.source_lines import Place, SourceFrame, SourceLines
from tests.unit.conftest import graph_of

MAIN = SourceFrame("main", "app.py", 1)
STACKS = [
    ((MAIN, SourceFrame("search", "fleet.py", 88)), 60),
    ((MAIN, SourceFrame("search", "fleet.py", 90)), 30),
    ((SourceFrame("main", "app.py", 2), SourceFrame("search", "fleet.py", 88), SourceFrame("far", "geo.py", 7)), 10),
]


def frame(lines: SourceLines, *path: str) -> int:
    node: int | None = lines.ROOT
    for name in path:
        assert node is not None
        node = lines.below(node, name)
    assert node is not None
    return node


def test_the_lines_of_a_frame_count_what_ran_there_and_what_was_called_from_there() -> None:
    lines = SourceLines(STACKS)

    assert lines.places(frame(lines, "main")) == [Place("app.py", 1, 90), Place("app.py", 2, 10)]
    assert lines.places(frame(lines, "main", "search")) == [Place("fleet.py", 88, 70), Place("fleet.py", 90, 30)]


def test_the_lines_of_a_functions_own_code_leave_out_what_it_called() -> None:
    lines = SourceLines(STACKS)

    assert lines.own_places("search") == [Place("fleet.py", 88, 60), Place("fleet.py", 90, 30)]
    assert lines.own_places("main") == []
    assert lines.own_places("nobody") == []


def test_the_files_of_a_function_are_all_that_it_was_seen_in() -> None:
    lines = SourceLines([*STACKS, ((SourceFrame("search", "other.py"),), 1), ((SourceFrame("bare"),), 1)])

    assert lines.files["search"] == {"fleet.py", "other.py"}
    assert "bare" not in lines.files


def test_a_frame_that_is_not_there_has_no_number() -> None:
    lines = SourceLines(STACKS)

    assert lines.below(lines.ROOT, "search") is None
    assert SourceLines().total == 0


_frames = some.builds(SourceFrame, some.sampled_from("fgh"), some.sampled_from(["", "a.py"]), some.integers(0, 3))
_samples = some.lists(some.tuples(some.lists(_frames, max_size=5).map(tuple), some.integers(1, 10**12)), max_size=15)


@given(_samples)
def test_by_names_alone_it_is_the_flame_graph_of_the_same_samples(
    samples: list[tuple[tuple[SourceFrame, ...], int]],
) -> None:
    lines = SourceLines(samples)
    stacks: dict[tuple[str, ...], int] = {}
    for frames, value in samples:
        path = tuple(frame.name for frame in frames)
        stacks[path] = stacks.get(path, 0) + value

    assert lines.flamegraph == graph_of(stacks)
    for child in lines.flamegraph.root.children:
        assert sum(place.value for place in lines.places(frame(lines, child.name))) == child.total


def test_the_values_of_a_line_that_two_call_paths_end_in_are_added_up() -> None:
    search = SourceFrame("search", "fleet.py", 88)
    lines = SourceLines([((MAIN, search), 60), ((search,), 5)])

    assert lines.own_places("search") == [Place("fleet.py", 88, 65)]
