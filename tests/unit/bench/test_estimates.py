"""The figures' intervals are those of the textbooks, and hold what they promise."""

from __future__ import annotations

import math
import random

import pytest

from bench.estimates import _student95, counted_ratio_reach, median_interval, percentile, ratio_interval, share_interval


def binomial_cumulative(successes: int, trials: int, chance: float) -> float:
    return sum(math.comb(trials, one) * chance**one * (1 - chance) ** (trials - one) for one in range(successes + 1))


def test_a_percentile_is_the_value_of_the_nearest_rank() -> None:
    assert percentile([15, 20, 35, 40, 50], 0.40) == 20
    assert percentile([50, 15, 40, 20, 35], 0.95) == 50
    assert percentile([7], 0.5) == 7


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (74, 100, 0.6463, 0.8160)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, trials: int, low: float, high: float) -> None:
    assert share_interval(hits, trials) == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="nothing"):
        share_interval(0, 0)


@pytest.mark.parametrize("count", [6, 7, 10, 12, 25, 60, 151])
def test_the_interval_of_a_median_holds_it_with_the_probability_it_promises(count: int) -> None:
    middle, low, high = median_interval(list(range(count)))

    outside_below = int(low)  # so many values may lie on one side of the median, at most, for it to be missed
    assert high == count - 1 - low
    assert middle == (count - 1) / 2
    assert 1 - 2 * binomial_cumulative(outside_below, count, 0.5) >= 0.94


def test_fewer_than_six_values_cannot_enclose_a_median() -> None:
    with pytest.raises(ValueError, match="6 are needed"):
        median_interval([1, 2, 3, 4, 5])


def test_the_interval_of_a_ratio_holds_it_nineteen_times_of_twenty() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(1000):
        sizes = [chance.uniform(5, 100) for _ in range(60)]
        _, low, high = ratio_interval([(1.2 * size + chance.gauss(0, math.sqrt(size)), size) for size in sizes])
        held += low <= 1.2 <= high
    assert 0.92 <= held / 1000 <= 0.97


def test_a_ratio_without_variation_is_known_exactly() -> None:
    assert ratio_interval([(2, 1), (4, 2), (6, 3)]) == pytest.approx((2, 2, 2))


@pytest.mark.parametrize("pairs", [[], [(1.0, 1.0)], [(1.0, 0.0), (2.0, 0.0)]])
def test_a_ratio_needs_two_pairs_and_something_to_divide_by(pairs: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="a ratio needs"):
        ratio_interval(pairs)


def test_counts_of_chance_events_are_known_to_two_over_the_root() -> None:
    assert counted_ratio_reach(100, 10**9) == pytest.approx(0.196, abs=1e-3)
    assert counted_ratio_reach(100, 100) == pytest.approx(0.277, abs=1e-3)


def test_the_ratio_of_no_events_has_no_bounds() -> None:
    with pytest.raises(ValueError, match="no bounds"):
        counted_ratio_reach(0, 5)


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (11, 2.201), (100, 1.984)])
def test_the_interval_of_few_is_wider_as_students_table_has_it(freedom: int, quantile: float) -> None:
    assert _student95(freedom) == pytest.approx(quantile, rel=0.02)
