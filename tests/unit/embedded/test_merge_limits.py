"""Questions over very many stacks, very large values and very long windows: answered in bounded space, never a 500."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.patterns import PROGRAM_BYTES
from spanprofiles.embedded.pyroscope import limits, merged_profile, timeseries
from spanprofiles.embedded.pyroscope.flamegraph import Node, build, everything_below, flamegraph
from spanprofiles.embedded.pyroscope.samples import PathNames
from spanprofiles.embedded.pyroscope.selector import CACHE_BYTES, _parsed, parse_selector
from spanprofiles.embedded.pyroscope.totals import OTHER_STACK, Kind, StackTotals
from spanprofiles.embedded.store.database import Database
from tests.support.conformance.meaning import call_tree
from tests.support.embedded import raw_profiles as raw
from tests.unit.embedded.conftest import Applications
from tests.unit.embedded.test_frame_limits import CPU, WINDOW, F, pushed
from tests.unit.embedded.test_frame_limits import flamegraph as flamegraph_of

SPAN = "00000000000000a1"
QUESTIONS = ("SelectMergeStacktraces", "SelectMergeProfile", "SelectSeries", "SelectHeatmap", "Diff")


def question(method: str, **more: Any) -> dict[str, Any]:
    body = {"profileTypeID": CPU, "labelSelector": "{}"} | WINDOW | more
    if method == "Diff":
        return {"left": body, "right": body}
    if method == "SelectHeatmap":
        return body | {"step": 10, "queryType": "HEATMAP_QUERY_TYPE_SPAN", "exemplarType": "EXEMPLAR_TYPE_SPAN"}
    return body | ({"step": 10, "exemplarType": "EXEMPLAR_TYPE_INDIVIDUAL"} if method == "SelectSeries" else {})


def huge(*values: int, age_s: float) -> bytes:
    """A profile of one function with a huge value, once for each of two regions, carrying a span's ID."""
    samples = [raw.sample([1], [value], [(4, 5), (6, 7 + place % 2)]) for place, value in enumerate(values)]
    return raw.profile(*samples, F, strings=[*raw.TABLE, "span_id", SPAN, "region", "eu", "us"], age_s=age_s)


@pytest.fixture
def overflowing(applications: Applications) -> Applications:
    """Profiles whose values come to far more than 64 bits hold, in one and over several."""
    for age_s in (60, 50, 40):
        assert pushed(applications, huge(raw.LARGEST, raw.LARGEST, raw.LARGEST, 7, age_s=age_s)) == (200, "")
    return applications


@pytest.mark.parametrize("method", QUESTIONS)
def test_sums_beyond_64_bits_stop_at_the_largest_number(overflowing: Applications, method: str) -> None:
    answer = json.dumps(overflowing.call(method, question(method)))
    assert str(raw.LARGEST) in answer or f"{float(raw.LARGEST):.0f}"[:6] in answer.replace(".", "")


def test_a_flame_graph_of_values_beyond_64_bits_is_whole(overflowing: Applications) -> None:
    for more in ({}, {"spanSelector": [SPAN]}):
        graph = flamegraph_of(overflowing, **more)
        assert call_tree(graph["names"], graph["levels"]) == {
            ("total",): (raw.LARGEST, 0),
            ("total", "f"): (raw.LARGEST, raw.LARGEST),
        }


def test_the_older_api_answers_values_beyond_64_bits(overflowing: Applications) -> None:
    for more in ("", "&groupBy=region"):
        response = overflowing.pyroscope.get(f"/pyroscope/render?query={CPU}%7B%7D&from=now-1h&until=now{more}")
        assert response.status_code == 200
        document = response.get_json()
        assert document["flamebearer"]["numTicks"] == raw.LARGEST
        assert max(document["timeline"]["samples"], default=0) <= raw.LARGEST


def test_values_below_zero_are_left_out(applications: Applications) -> None:
    profile = raw.profile(raw.sample([1], [-5]), raw.sample([1], [-(2**63)]), raw.sample([1], [3]), F)
    assert pushed(applications, profile) == (200, "")
    assert flamegraph_of(applications)["total"] == "3"


EDGES = (-(2**63), -1, 1, 2**62, raw.LARGEST - 1, raw.LARGEST)


@pytest.mark.parametrize("method", [*QUESTIONS, "LabelNames", "Series", "ProfileTypes"])
def test_windows_at_the_edges_of_64_bits_are_answered_or_refused(overflowing: Applications, method: str) -> None:
    for start in EDGES:
        for end in EDGES:
            body = question(method, start=start, end=end)
            response = overflowing.pyroscope.post(f"/querier.v1.QuerierService/{method}", json=body)
            assert response.status_code in {200, 400}, (start, end, response.text)


TIMES = ("now-999999999y", "9" * 20, "0", "-1", "now-0s", str(raw.LARGEST), "", "now")


def test_times_of_the_older_api_at_the_edges_are_answered_or_refused(overflowing: Applications) -> None:
    for start in TIMES:
        for end in TIMES:
            path = f"/pyroscope/render?query={CPU}%7B%7D&from={start}&until={end}"
            assert overflowing.pyroscope.get(path).status_code in {200, 400}, (start, end)


@pytest.mark.parametrize(("nodes", "message"), [(-1, "must be set"), (2**20 + 1, "greater than allowed 1048576")])
def test_a_number_of_nodes_that_cannot_be_is_refused(applications: Applications, nodes: int, message: str) -> None:
    for method in ("SelectMergeStacktraces", "SelectMergeSpanProfile", "Diff"):
        assert message in applications.call(method, question(method, maxNodes=nodes), expected=400)["message"]
    response = applications.pyroscope.get(f"/pyroscope/render?query={CPU}%7B%7D&maxNodes={nodes}&from=now-1h")
    assert response.status_code == 400


def test_a_flame_graph_has_8192_nodes_where_nobody_asks_for_more(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits.NODES_DEFAULT == 8_192
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.queries.NODES_DEFAULT", 80)
    assert pushed(applications, wide(90)) == (200, "")
    for more, names in (({}, 81), ({"maxNodes": 0}, 81), ({"maxNodes": 10}, 11), ({"maxNodes": 20_000}, 91)):
        graph = flamegraph_of(applications, **more)
        assert (len(graph["names"]), "other" in graph["names"]) == (names, names < 90)
        assert graph["total"] == str(sum(range(1, 91)))


def wide(count: int) -> bytes:
    """A profile of so many functions beside each other, each with a value of its own."""
    every = range(1, count + 1)
    return raw.profile(
        *(raw.sample([index], [index]) for index in every),
        *(raw.location(index, raw.line(index)) for index in every),
        functions=[(index, 2 + index) for index in every],
        strings=[*raw.TABLE[:3], *(f"f{index}" for index in every)],
    )


def counted(root: Node) -> int:
    return sum(1 for _ in everything_below(root))


def test_a_tree_of_deep_stacks_stays_within_its_limit() -> None:
    stacks = ((tuple(f"{stack}.{frame}" for frame in range(300)), 300 - stack) for stack in range(300))
    root = build(stacks, limit=1_000)
    assert counted(root) < 2_000
    assert root.total == sum(range(1, 301))
    assert len(root.children) > 10  # the largest are whole
    below, node = 0, root.children["0.0"]
    while node.children:
        below, node = below + 1, next(iter(node.children.values()))
    assert below == 299


def test_a_function_of_many_small_stacks_is_not_lost_behind_larger_ones() -> None:
    stacks = [((f"large{number}", "x"), 3) for number in range(2_000)]
    stacks += [(("small", f"leaf{number}"), 1) for number in range(2_000)]
    root = build(stacks, limit=500)
    assert root.children["small"].total == 2_000
    assert counted(root) < 1_000


NAMES = st.sampled_from(["main", "f", "g", "other", "h"])
STACKS = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=7).map(tuple), st.integers(1, 1_000)), max_size=40)


@given(STACKS, st.integers(2, 20))
def test_a_tree_that_is_cut_keeps_every_total(stacks: list[tuple[tuple[str, ...], int]], limit: int) -> None:
    root = build(stacks, limit=limit)
    whole = build(stacks)
    assert root.total == whole.total == sum(value for _, value in stacks)
    assert counted(root) <= 2 * limit + 8
    pairs = [(root, whole)]
    while pairs:
        cut, full = pairs.pop()
        assert cut.total == cut.own + sum(child.total for child in cut.children.values())
        assert cut.name == "other" or cut.total <= full.total
        pairs += [(child, full.children[name]) for name, child in cut.children.items() if name in full.children
                  and name != "other"]  # fmt: skip
    assert flamegraph(root).total == root.total


@given(st.lists(st.dictionaries(st.integers(1, 60), st.integers(1, 2**62), max_size=30), max_size=8))
def test_totals_keep_the_largest_and_the_sum(profiles: list[dict[int, int]]) -> None:
    expected: Counter[int] = Counter()
    totals = StackTotals(Kind.PATHS, limit=10)
    for profile in profiles:
        more = StackTotals(Kind.PATHS, limit=100)
        more.add_entries(b"".join(number.to_bytes(8, "little") for pair in profile.items() for number in pair))
        totals.add(more, NO_DEADLINE)
        expected.update(profile)
    found = list(totals.items())
    assert len(found) <= 21
    assert sum(value for _, value in found) == min(sum(expected.values()), raw.LARGEST)
    assert all(value <= expected[stack] for stack, value in found if stack != OTHER_STACK)
    assert [value for _, value in found[:-1]] == sorted((value for _, value in found[:-1]), reverse=True)


def test_a_merged_pprof_has_so_many_frames_and_one_sample_for_the_rest(
    applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = raw.profile(*(raw.sample([1] * depth, [depth]) for depth in range(1, 101)), F)
    assert pushed(applications, deep) == (200, "")
    monkeypatch.setattr(merged_profile, "MERGED_FRAMES_LIMIT", 100 + 99 + 98)
    profile = applications.call("SelectMergeProfile", question("SelectMergeProfile"))
    names = {function["id"]: profile["stringTable"][int(function["name"])] for function in profile["function"]}
    assert sum(int(sample["value"][0]) for sample in profile["sample"]) == sum(range(1, 101))
    assert [len(sample["locationId"]) for sample in profile["sample"]] == [100, 99, 98, 1]
    assert "other" in names.values()


def test_a_merge_tells_the_largest_stacks_apart(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pushed(applications, wide(200)) == (200, "")
    monkeypatch.setattr(StackTotals.__init__, "__defaults__", (50,))
    graph = flamegraph_of(applications)
    assert graph["total"] == str(sum(range(1, 201)))
    assert "f200" in graph["names"]
    assert "f1" not in graph["names"]
    assert "other" in graph["names"]


def test_points_and_cells_over_time_have_a_limit(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    for age_s in range(60, 50, -1):
        assert pushed(applications, huge(5, age_s=age_s)) == (200, "")
    monkeypatch.setattr(timeseries, "POINTS_LIMIT", 5)
    monkeypatch.setattr(timeseries, "CELLS_LIMIT", 5)
    series, heatmap = question("SelectSeries"), question("SelectHeatmap")
    assert "more than 5 points" in applications.call("SelectSeries", series | {"step": 0.001}, 400)["message"]
    applications.call("SelectSeries", series | {"step": 600})
    assert "ask for less time" in applications.call("SelectHeatmap", heatmap, 400)["message"]


@pytest.mark.parametrize("field", ["spanSelector", "traceIdSelector", "profileIdSelector"])
def test_a_question_names_so_many_spans_traces_or_profiles_at_most(applications: Applications, field: str) -> None:
    body = question("SelectMergeStacktraces", **{field: [SPAN] * 10_001})
    assert "more than 10000 IDs" in applications.call("SelectMergeStacktraces", body, expected=400)["message"]


def test_selectors_with_patterns_are_remembered_by_what_the_patterns_may_take() -> None:
    for number in range(100):
        parse_selector("{" + ",".join(f'a=~"b{number}.{part}"' for part in range(3)) + "}")
    assert _parsed.bytes <= CACHE_BYTES
    patterns = sum(
        matcher.pattern is not None for selector, _ in _parsed._known.values() for matcher in selector.matchers
    )
    assert 0 < patterns * PROGRAM_BYTES <= CACHE_BYTES


def test_what_is_remembered_of_call_paths_is_bounded_in_bytes(
    database: Database, applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pushed(applications, *(raw.chain(depth) for depth in range(600, 620))) == (200, "")
    numbers = [number for (number,) in database.reader().execute("SELECT id FROM paths")]
    names = PathNames()
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.samples.PATHS_BYTES", 10_000)
    for number in numbers:
        assert len(next(names.names(database.reader(), iter([(number, 1)])))[0]) >= 600
        assert len(names._paths) <= 3


def test_labels_of_one_answer_have_a_size(applications: Applications, monkeypatch: pytest.MonkeyPatch) -> None:
    for region in "abcde":
        strings = [*raw.TABLE, "region", region * 100]
        assert pushed(applications, raw.profile(raw.sample([1], labels=[(4, 5)]), F, strings=strings)) == (200, "")
    monkeypatch.setattr(JsonWriter.__init__, "__defaults__", (300,))
    for method, more in (("LabelValues", {"name": "region"}), ("Series", {"labelNames": ["region"]})):
        assert "larger than 300 bytes" in applications.call(method, WINDOW | more, expected=429)["message"]
    assert applications.call("LabelNames", WINDOW)["names"]
