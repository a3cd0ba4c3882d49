"""The stacks of an upload come back as they went in, whatever numbers they have and however a sample is written."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.pyroscope.sample_parts import LOCATIONS_TAG, VALUES_TAG, parts_of
from spanprofiles.embedded.store.stacks import NUMBERS, StackTable, StoredStacks, path_bytes
from tests.support.embedded import raw_profiles as raw
from tests.support.pprof_writer import block, number, numbers
from tests.unit.embedded.conftest import Applications
from tests.unit.embedded.test_frame_limits import CPU, WINDOW, F, flamegraph, pushed

SPAN = "00000000000000a1"
QUESTION: dict[str, Any] = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW
NOT_A_CHARACTER, SURROGATE, BEYOND_CHARACTERS = 0xFFFE, 0xD800, 0x110000


def table_of(functions: int, stacks: list[list[int]]) -> StackTable:
    """A table of so many functions, each with a frame at a line of its own."""
    table = StackTable()
    for place in range(functions):
        table.functions[f"f{place}", "", ""] = place
        table.frames[place, 10 * place - 1] = place + 1
    table.stacks += [array(NUMBERS, stack) for stack in stacks]
    return table


@pytest.mark.parametrize("frames", [1, 255, 256, 65_535, 65_536])
def test_stacks_are_read_as_they_were_written_however_many_frames_there_are(frames: int) -> None:
    stacks = [[1, frames, 1], [], [frames], [1] * 1_000]
    encoded = table_of(frames, stacks).encoded(range(5, frames + 5))
    stored = StoredStacks(encoded.frames, encoded.stacks)
    assert [list(stack) for stack in stored.stacks()] == stacks
    assert list(stored.functions) == list(range(5, frames + 5))
    assert list(stored.lines[-1:]) == [10 * (frames - 1) - 1]
    assert [list(array(NUMBERS, path_bytes(path))) for path in encoded.paths] == [
        [4 + place for place in row] for row in stacks
    ]


@pytest.mark.parametrize("first", [1, NOT_A_CHARACTER, SURROGATE, BEYOND_CHARACTERS - 1, BEYOND_CHARACTERS, 2**31 - 3])
@pytest.mark.parametrize("frames", [3, 300])
def test_call_paths_have_the_numbers_of_their_functions_however_large_these_are(first: int, frames: int) -> None:
    functions = [*range(first, first + 3), *range(1, frames - 2)]
    paths = table_of(frames, [[1, 2, 3], [], [3, 3]]).encoded(functions).paths
    assert [list(array(NUMBERS, path_bytes(path))) for path in paths] == [functions[:3], [], [functions[2]] * 2]


def test_what_few_frames_take_is_a_byte_each() -> None:
    assert len(table_of(255, [[1] * 20] * 10).encoded(range(1, 256)).stacks) == 10 * 21


@given(
    st.lists(st.integers(1, 2**20), max_size=200),
    st.lists(st.integers(0, 2**40), max_size=40),
    st.binary(max_size=8),
)
def test_the_parts_of_a_sample_are_found_whatever_their_lengths(
    locations: list[int], values: list[int], label: bytes
) -> None:
    parts = [numbers(1, locations) if locations else b"", numbers(2, values) if values else b"", block(3, label)]
    assert parts_of(b"".join(parts)) == tuple(parts)
    assert (numbers(1, [1])[0], numbers(2, [1])[0]) == (LOCATIONS_TAG, VALUES_TAG)


def unpacked(field: int, values: list[int]) -> bytes:
    return b"".join(number(field, value) for value in values)


LABEL = block(3, number(1, 4) + number(2, 5))
WAYS = {
    "as protobuf has it": numbers(1, [1, 2]) + numbers(2, [5]) + LABEL,
    "values first": LABEL + numbers(2, [5]) + numbers(1, [1, 2]),
    "in pieces": numbers(1, [1]) + LABEL + numbers(1, [2]) + numbers(2, [5]),
    "unpacked": unpacked(2, [5]) + unpacked(1, [1, 2]) + LABEL,
    "with fields that nobody knows": number(9, 7) + numbers(1, [1, 2]) + numbers(2, [5]) + LABEL + block(10, b"x"),
    "with a length of more bytes than it needs": b"\x0a\x82\x00\x01\x02" + numbers(2, [5]) + LABEL,
}


@pytest.mark.parametrize("sample", WAYS.values(), ids=WAYS)
def test_a_sample_says_the_same_however_it_is_written(applications: Applications, sample: bytes) -> None:
    locations = raw.location(1, raw.line(1)), raw.location(2, raw.line(2))
    strings = [*raw.TABLE, "span_id", SPAN, "main"]
    profile = raw.profile(block(2, sample), *locations, functions=[(1, 3), (2, 6)], strings=strings)
    assert pushed(applications, profile) == (200, "")
    graph = flamegraph(applications, spanSelector=[SPAN])
    assert (graph["names"], graph["total"]) == (["total", "main", "f"], "5")


@pytest.mark.parametrize("first", [1, 120, 2**32])
@pytest.mark.parametrize("count", [5, 400])
def test_stacks_are_told_apart_whatever_the_numbers_of_their_locations(
    applications: Applications, first: int, count: int
) -> None:
    places = range(first, first + count)
    inlined = raw.location(first + count, raw.line(1) + raw.line(2))
    profile = raw.profile(
        *(raw.sample([place, first], [place - first + 1]) for place in places),
        raw.sample([first + count, first], [7]),
        raw.sample([first + count + 1, first], [1_000]),  # of a location that is not there
        *(raw.sample(stack, [2_000]) for stack in ([0, first], [first, 0], [0], [first, 0, first + 1])),  # likewise
        *(raw.location(place, raw.line(place - first + 1)) for place in places),
        inlined,
        functions=[(index, 2 + index) for index in range(1, count + 1)],
        strings=[*raw.TABLE[:3], *(f"f{index}" for index in range(1, count + 1))],
    )
    assert pushed(applications, profile) == (200, "")
    answer = applications.call("SelectMergeProfile", QUESTION)
    expected = {(f"f{index}", "f1"): index for index in range(1, count + 1)} | {("f1", "f2", "f1"): 7}
    assert stacks_of(answer) == expected


def stacks_of(profile: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """The value of each stack of a merged profile, leaf first."""
    texts = profile["stringTable"]
    functions = {function["id"]: texts[int(function["name"])] for function in profile["function"]}
    names = {place["id"]: functions[place["line"][0]["functionId"]] for place in profile["location"]}
    found: Counter[tuple[str, ...]] = Counter()
    for sample in profile["sample"]:
        found[tuple(names[place] for place in sample["locationId"])] += int(sample["value"][0])
    return found


def test_a_stack_that_is_in_several_uploads_is_one_sample_of_a_merged_profile(applications: Applications) -> None:
    other = raw.location(2, block(4, number(1, 1) + number(2, 12)))
    for value in (3, 4):
        profile = raw.profile(raw.sample([2], [10 * value]), raw.sample([1, 2], [value]), F, other)
        assert pushed(applications, profile, raw.profile(raw.sample([1], [value]), F)) == (200, "")
    answer = applications.call("SelectMergeProfile", QUESTION)
    values = sorted(int(sample["value"][0]) for sample in answer["sample"])
    assert values == [7, 7, 70]
    assert sorted(int(place["line"][0].get("line", 0)) for place in answer["location"]) == [0, 12]


def test_a_stack_of_one_span_has_the_lines_of_its_own_upload(applications: Applications) -> None:
    strings = [*raw.TABLE, "span_id", SPAN]
    for line, labels in ((5, []), (6, [(4, 5)])):
        place = raw.location(1, block(4, number(1, 1) + number(2, line)))
        profile = raw.profile(raw.sample([1], [line], labels), place, strings=strings)
        assert pushed(applications, profile) == (200, "")
    more = {"spanSelector": [SPAN], "format": "PROFILE_FORMAT_PPROF"}
    answer = applications.call("SelectMergeStacktraces", QUESTION | more)["pprof"]["profile"]
    assert [int(sample["value"][0]) for sample in answer["sample"]] == [6]
    assert [int(place["line"][0]["line"]) for place in answer["location"]] == [6]
