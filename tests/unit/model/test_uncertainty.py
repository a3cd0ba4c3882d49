"""How well a flame graph's figures are known, and which differences are more than chance."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.model import FlameGraph
from spanprofiles.model.intervals import (
    Interval,
    count_interval,
    difference_interval,
    ratio_interval,
    share_interval,
    student_quantile,
)
from spanprofiles.model.selector import CPU
from spanprofiles.model.significance import directions
from tests.unit.conftest import Stacks

_SAMPLE_NS = 10_000_000
_WALL_COUNT = "wall:wall:count:wall:nanoseconds"
_MEMORY = "memory:alloc_space:bytes:space:bytes"


def graph_of(stacks: Stacks, profile_type: str = CPU, sample_value: float | None = None) -> FlameGraph:
    return FlameGraph(stacks, profile_type, sample_value=sample_value)


def samples_of(counts: dict[str, int]) -> FlameGraph:
    return graph_of({("main", name): count * _SAMPLE_NS for name, count in counts.items()})


def test_a_flame_graph_knows_how_many_samples_it_is_made_of() -> None:
    graph = samples_of({"search": 12, "price": 3})
    assert graph.samples == 15
    assert graph.below("search").samples == 12
    assert graph.callers_of("price").samples == 3
    assert FlameGraph().samples == 0


def test_each_figure_has_the_interval_of_its_own_samples() -> None:
    graph = graph_of({("main",): 5 * _SAMPLE_NS, ("main", "search"): 12 * _SAMPLE_NS})
    assert graph.self_interval("main") == count_interval(5).times(_SAMPLE_NS)
    assert graph.total_interval("main") == graph.total_interval() == count_interval(17).times(_SAMPLE_NS)
    assert graph.total_interval("search") == count_interval(12).times(_SAMPLE_NS)
    assert graph.share_interval("search") == share_interval(12, 17)


def test_values_that_count_samples_are_counted_as_they_are() -> None:
    assert graph_of({("a",): 7}, _WALL_COUNT).samples == 7


def test_a_single_path_of_500_ms_is_fifty_samples_and_not_one() -> None:
    assert graph_of({("a",): 500_000_000}).samples == 50


def test_another_period_is_told_from_the_values() -> None:
    period_ns = 1_000_000_000 // 97
    graph = graph_of({("a",): 4 * period_ns, ("b",): 3 * period_ns})
    assert graph.samples == 7


@pytest.mark.parametrize(("period_ns", "samples"), [(1_000_000, 7), (999_999, None)])
def test_no_agent_samples_more_often_than_each_millisecond(period_ns: int, samples: int | None) -> None:
    assert graph_of({("a",): 4 * period_ns, ("b",): 3 * period_ns}).samples == samples


def test_a_slower_agent_is_told_where_many_paths_agree() -> None:
    graph = graph_of({(f"f{number}",): 20_000_000 * (number % 3 + 1) for number in range(9)})
    assert graph.samples == 18  # and not 36


@pytest.mark.parametrize(("paths", "period_ms"), [(7, 10), (8, 20)])
def test_eight_paths_are_enough_to_agree(paths: int, period_ms: int) -> None:
    assert graph_of({(f"f{number}",): 20_000_000 for number in range(paths)}).sample_value == period_ms * 1_000_000


@pytest.mark.parametrize(
    "graph",
    [
        graph_of({("a",): 4_096}, _MEMORY),
        graph_of({("a",): 12_345_678, ("b",): 7_654_321}),  # durations that were measured
    ],
    ids=["bytes", "measured time"],
)
def test_where_samples_cannot_be_counted_there_are_no_intervals(graph: FlameGraph) -> None:
    assert graph.samples is None
    assert graph.divided(10).samples is None
    assert graph.total_interval() is graph.total_interval("a") is graph.self_interval("a") is None
    assert graph.share_interval("a") is None
    difference = graph_of({}, graph.profile_type).diff(graph)
    assert not difference.has_intervals
    assert difference.top_regression is None
    assert difference.total_change_interval is None
    assert {change.self_interval for change in difference.changes} == {None}


def test_an_average_of_ten_requests_is_known_as_well_as_their_sum() -> None:
    whole = samples_of({"search": 120, "price": 30})
    average = graph_of({path: value // 10 for path, value in whole.stacks.items()}, sample_value=_SAMPLE_NS / 10)
    assert average.samples == whole.samples == 150
    assert average.share_interval("search") == whole.share_interval("search")
    interval, tenfold = average.total_interval("price"), whole.total_interval("price")
    assert interval is not None
    assert tenfold is not None
    assert interval.low * 10 == pytest.approx(tenfold.low)
    for part in (average.below("search"), average.callers_of("search")):
        assert part.samples == 120, "a part of an average is made of the same parts of samples"


def test_the_sum_of_two_averages_has_their_variances_sum() -> None:
    one = graph_of({("a",): 3_000_000}, sample_value=1_000_000)  # variance 3 * 1
    other = graph_of({("a",): 8_000_000}, sample_value=2_000_000)  # variance 4 * 4
    both = one + other
    assert both.sample_value == pytest.approx(19_000_000 / 11)
    assert (one + FlameGraph()).samples == (FlameGraph() + one).samples == 3


def test_a_sum_has_no_intervals_where_one_part_cannot_be_counted() -> None:
    counted = graph_of({("a",): 3_000_000}, sample_value=1_000_000)
    measured = graph_of({("a",): 12_345_678, ("b",): 7_654_321})
    assert (counted + measured).samples is (measured + counted).samples is None


def test_the_sum_of_an_average_and_nothing_is_known_as_well_as_the_average() -> None:
    average = FlameGraph([(("a",), 30_000_000)]).divided(4)

    assert average.sample_value == 2_500_000
    for nothing in (FlameGraph(), FlameGraph([], "memory:alloc_space:bytes:space:bytes")):
        assert (average + nothing).sample_value == (nothing + average).sample_value == 2_500_000


def test_the_sum_of_plain_flame_graphs_tells_its_period_anew() -> None:
    assert (samples_of({"a": 3}) + samples_of({"b": 4})).samples == 7


def test_an_interval_covers_its_ends_and_nothing_beyond() -> None:
    interval = Interval(1.0, 2.0)

    assert [value for value in (0.9, 1.0, 1.5, 2.0, 2.1) if interval.covers(value)] == [1.0, 1.5, 2.0]
    assert interval.times(3.0) == Interval(3.0, 6.0)


def test_intervals_are_those_of_the_textbook() -> None:
    assert share_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert share_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert share_interval(0, 0) == Interval(0.0, 1.0)
    assert share_interval(1, 1) == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert share_interval(0.25, 0.5) == pytest.approx((0.0297, 0.9703), abs=1e-4)
    assert count_interval(0) == pytest.approx((0, 3.8415), abs=1e-4)
    assert count_interval(100) == pytest.approx((82.23, 121.62), abs=0.01)
    table = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962}
    for freedom, quantile in table.items():
        assert student_quantile(0.975, freedom) == pytest.approx(quantile, rel=0.002)
    for freedom, quantile in {6: 2.446912, 8: 2.306004, 12: 2.178813, 30: 2.042272}.items():
        assert student_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-4)


def test_the_interval_of_a_ratio_is_that_of_the_difference_of_logarithms() -> None:
    half, whole = (0.5, Interval(0.4, 0.625)), (1.0, Interval(0.8, 1.25))
    found = ratio_interval(*half, *whole)
    assert found == pytest.approx((2 * math.exp(-math.hypot(math.log(1.25), math.log(1.25))), 2 * 1.25 ** math.sqrt(2)))
    assert ratio_interval(*whole, *half) == pytest.approx((1 / found[1], 1 / found[0]) if found else None)


def test_what_comes_after_may_be_nothing_and_what_was_before_may_not() -> None:
    half, little, nothing = (0.5, Interval(0.4, 0.625)), (0.1, Interval(0.0, 0.3)), (0.0, Interval(0.0, 0.2))
    assert ratio_interval(*half, *little) == (0.0, 0.3 / 0.4)
    assert ratio_interval(*half, *nothing) == (0.0, 0.2 / 0.4)
    assert ratio_interval(*little, *half) is ratio_interval(*nothing, *half) is None


def test_twice_the_dispersion_is_half_the_events() -> None:
    assert share_interval(20, 40, 2.0) == share_interval(10, 20)
    assert count_interval(20, 2.0) == pytest.approx(count_interval(10).times(2))


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(0, 400), st.floats(1, 4))
def test_an_interval_holds_its_estimate_and_shrinks_with_more(part: int, rest: int, dispersion: float) -> None:
    whole = part + rest
    interval = share_interval(part, whole, dispersion)
    assert 0 <= interval.low <= interval.high <= 1
    if whole:
        assert interval.low - 1e-12 <= part / whole <= interval.high + 1e-12
        wider = interval.high - interval.low
        closer = share_interval(4 * part, 4 * whole, dispersion)
        assert closer.high - closer.low < wider
    counted = count_interval(part, dispersion)
    assert 0 <= counted.low <= part <= counted.high


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(0, 400))
def test_the_interval_of_a_difference_turns_round_with_it(before: int, after: int) -> None:
    around, about = count_interval(before), count_interval(after)
    there = difference_interval(before, around, after, about)
    back = difference_interval(after, about, before, around)
    assert there.covers(after - before)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize("share", [0.1, 0.33, 0.6])
def test_intervals_cover_the_truth_about_95_times_in_100(share: float) -> None:
    chance = random.Random(16)
    covered = {"share": 0, "total": 0}
    trials = 1000
    for _ in range(trials):
        # exponentially distributed moments in 300 ms: 30 samples on average
        hits = misses = 0
        moment = chance.expovariate(1)
        while moment < 30:
            if chance.random() < share:
                hits += 1
            else:
                misses += 1
            moment += chance.expovariate(1)
        graph = samples_of({"f": hits, "g": misses})
        shares, totals = graph.share_interval("f"), graph.total_interval()
        assert shares is not None
        assert totals is not None
        covered["share"] += shares.covers(share)
        covered["total"] += totals.covers(30 * _SAMPLE_NS)
    assert 0.93 <= covered["share"] / trials <= 0.97
    assert 0.93 <= covered["total"] / trials <= 0.97


def test_ten_samples_of_three_equal_functions_name_no_regression() -> None:
    chance, named = random.Random(3), 0
    for _ in range(300):
        graphs = []
        for _ in range(2):
            drawn = chance.choices("abc", k=10)
            graphs.append(samples_of({name: drawn.count(name) for name in "abc"}))
        difference = graphs[0].diff(graphs[1])
        assert difference.is_noise or difference.top_regression or difference.changes[0].is_significant
        named += difference.top_regression is not None
    assert named <= 15


def test_a_new_function_of_ten_samples_is_a_regression() -> None:
    before = samples_of({"a": 10, "b": 10})
    difference = before.diff(samples_of({"a": 10, "b": 9, "new": 10}))
    assert difference.top_regression is not None
    assert difference.top_regression.name == "new"
    assert not difference.is_noise
    interval = difference.top_regression.self_interval
    assert interval is not None
    assert interval.low > 0


def test_a_new_function_of_three_samples_is_not() -> None:
    before = samples_of({"a": 10, "b": 10})
    difference = before.diff(samples_of({"a": 10, "b": 9, "new": 3}))
    assert difference.top_regression is None
    assert difference.is_noise


def test_many_rare_functions_take_nothing_from_a_common_one() -> None:
    rare = {f"rare{number}": 1 for number in range(300)}
    before, after = samples_of({"a": 40, **rare}), samples_of({"a": 80, **rare})
    regression = before.diff(after).top_regression
    assert regression is not None
    assert regression.name == "a"


def test_a_shrinking_function_is_significant_and_no_regression() -> None:
    difference = samples_of({"a": 60}).diff(samples_of({"a": 10}))
    assert [change.is_significant for change in difference.changes if change.name == "a"] == [True]
    assert difference.top_regression is None
    assert not difference.is_noise


def test_sides_of_different_weight_are_compared_by_what_they_stand_for() -> None:
    before = graph_of({("a",): 10 * _SAMPLE_NS}, sample_value=_SAMPLE_NS / 20)  # an average: 200 samples
    equal = graph_of({("a",): 10 * _SAMPLE_NS})  # a single request: 10 samples
    assert before.diff(equal).is_noise
    assert before.diff(graph_of({("a",): 30 * _SAMPLE_NS})).top_regression is not None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12))
def test_directions_turn_round_with_the_sides(pairs: list[tuple[int, int]]) -> None:
    found = directions(pairs)
    assert directions([(after, before) for before, after in pairs]) == [-direction for direction in found]
    assert all(direction == 0 for direction, (before, after) in zip(found, pairs, strict=True) if before == after)


@pytest.mark.parametrize(("pair", "direction"), [((0, 6), 1), ((6, 0), -1)])
def test_a_difference_that_counts_alone_may_be_chance_among_ten(pair: tuple[int, int], direction: int) -> None:
    assert directions([pair]) == [direction]
    assert directions([pair] * 10) == [0] * 10


def test_pairs_that_can_tell_nothing_take_nothing_from_the_others() -> None:
    assert directions([(0, 6), *[(0, 1)] * 100]) == [1, *[0] * 100]
    assert directions([(0, 7), *[(0, 6)] * 10]) == [1, *[0] * 10], "ten that could tell something only by themselves"


def test_two_pairs_share_the_chance_of_an_error() -> None:
    rare = 0.1 / 0.9  # two of the second alone have the probability 0.01, and 0.025 / 2 is the limit
    assert directions([(0, 2)] * 2, rare) == [1, 1]
    assert directions([(0, 2)] * 3, rare) == [0, 0, 0]


def test_a_single_sample_where_hardly_any_should_be_is_more_than_chance() -> None:
    assert directions([(0, 1)], 0.01 / 0.99) == [1]
    assert directions([(0, 1)], 0.1 / 0.9) == [0]


@pytest.mark.parametrize("trials", [1_999, 2_001])
def test_of_thousands_of_samples_the_limit_of_chance_is_where_the_exact_sum_has_it(trials: int) -> None:
    limit, ways = trials, 1
    while (ways + math.comb(trials, limit - 1)) * 40 <= 2**trials:  # 2.5 % of all the ways there are
        limit -= 1
        ways += math.comb(trials, limit)
    assert directions([(trials - limit, limit)]) == [1]
    assert directions([(trials - limit + 1, limit - 1)]) == [0]


@pytest.mark.parametrize(("odds", "grown"), [(1.0, 50_320), (1 / 9, 10_190)])
def test_of_many_samples_two_standard_errors_are_more_than_chance(odds: float, grown: int) -> None:
    expected = round(100_000 * odds / (1 + odds))
    assert directions([(100_000 - grown, grown)], odds) == [1]
    nearer = expected + round((grown - expected) * 0.95)
    assert directions([(100_000 - nearer, nearer)], odds) == [0]


def test_thousands_of_samples_are_told_apart_by_a_few_per_cent() -> None:
    assert directions([(100_000, 103_000)]) == [1]
    assert directions([(100_000, 100_300)]) == [0]
