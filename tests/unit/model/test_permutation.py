"""The permutation test of many quantities at once."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.model.moments import mean_and_variance
from spanprofiles.model.permutation import permutation_test

_values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30)


def normal(chance: random.Random, number: int, shift: float = 0.0) -> list[float]:
    return [chance.gauss(shift, 1) for _ in range(number)]


@settings(max_examples=50)
@given(_values)
def test_mean_and_variance_are_those_of_the_standard_library(values: list[float]) -> None:
    mean, variance = mean_and_variance(values)
    assert mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert variance == pytest.approx(statistics.variance(values) if len(values) > 1 else 0.0, rel=1e-6, abs=1e-6)


def test_a_quantity_that_differs_is_told_from_one_that_does_not() -> None:
    chance = random.Random(1)
    columns = [normal(chance, 20) + normal(chance, 20, 3.0), normal(chance, 40)]
    assert permutation_test(columns, 20, 0.005).significant == [True, False]


def test_a_smaller_second_group_has_a_negative_score() -> None:
    chance = random.Random(1)
    result = permutation_test([normal(chance, 20, 3.0) + normal(chance, 20)], 20, 0.005)
    assert result.scores[0] < 0
    assert result.significant == [True]


def test_its_critical_score_is_that_of_all_deals_of_a_few_requests() -> None:
    values = [[1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 22.0, 29.0], [9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.5]]
    error = 0.1
    result = permutation_test(values, 4, error, deals=20_000)
    maxima = []
    scales = [1 / math.sqrt(mean_and_variance(column)[1] / 2) for column in values]
    for chosen in itertools.combinations(range(8), 4):
        rest = [place for place in range(8) if place not in chosen]
        maxima.append(
            max(
                scale * abs(statistics.fmean(column[p] for p in chosen) - statistics.fmean(column[p] for p in rest))
                for column, scale in zip(values, scales, strict=True)
            )
        )
    exact = sorted(maxima)[math.ceil((1 - error) * len(maxima)) - 1]
    assert result.critical == pytest.approx(exact, rel=0.02)


def test_the_same_seed_deals_the_same_groups() -> None:
    chance = random.Random(4)
    columns = [normal(chance, 20) + normal(chance, 20, 3.0)]
    first, again, other = (permutation_test(columns, 20, 0.05, seed=seed, deals=100) for seed in (3, 3, 4))
    assert math.isfinite(first.critical)
    assert first == again != other


def test_equal_groups_are_told_apart_as_seldom_as_is_asked() -> None:
    chance = random.Random(7)
    wrong = 0
    for _ in range(100):
        columns = [[chance.expovariate(1) ** 2 for _ in range(16)] for _ in range(6)]
        wrong += any(permutation_test(columns, 8, 0.1, deals=100).significant)
    assert wrong <= 18  # 10 are expected


def test_too_few_requests_tell_nothing_however_different() -> None:
    assert permutation_test([[0.0] * 4 + [100.0] * 4], 4, 0.005).significant == [False]  # 1 of 35 splits
    assert permutation_test([[100.0] * 4 + [0.0] * 7], 4, 0.005).significant == [False]  # 1 of 330
    assert permutation_test([[0.0] * 5 + [100.0] * 6], 5, 0.005).significant == [True]  # 1 of 462
    assert permutation_test([[0.0] * 6 + [100.0] * 6], 6, 0.005).significant == [True]  # 1 of 462


@pytest.mark.parametrize(("first", "differs"), [(1, False), (2, True), (598, True), (599, False)])
def test_two_requests_may_differ_from_hundreds_and_one_may_not(first: int, differs: bool) -> None:
    chance = random.Random(5)
    outliers = [100.0, 101.0][: min(first, 600 - first)]
    others = normal(chance, 600 - len(outliers))
    result = permutation_test([outliers + others if first < 3 else others + outliers], first, 0.005)
    assert result.significant == [differs]
    assert (result.scores == (0.0,)) is not differs


def test_the_groups_as_they_are_count_as_one_more_deal() -> None:
    column = [*range(20), *range(1_000, 1_020)]
    assert permutation_test([column], 20, 0.05, deals=18).significant == [False]  # 1 of 19 is more than 5 %
    assert permutation_test([column], 20, 0.05, deals=19).significant == [True]


def test_nothing_is_significant_that_a_single_quantity_reaches_by_chance() -> None:
    chance = random.Random(6)
    criticals = [
        permutation_test([normal(chance, 12, 2.0) + normal(chance, 12)], 12, 0.05, deals=40) for _ in range(20)
    ]
    assert min(result.critical for result in criticals) == pytest.approx(1.96, abs=0.001)


@pytest.mark.parametrize("columns", [[], [[]], [[5.0] * 20], [[1.0, 2.0]]])
def test_where_nothing_can_differ_nothing_does(columns: list[list[float]]) -> None:
    for first in (0, 1, 10):
        result = permutation_test(columns, first, 0.005)
        assert not any(result.significant)
        assert result.scores == (0.0,) * len(columns)


def test_quantities_of_very_different_size_are_tested_alike() -> None:
    chance = random.Random(2)
    small = normal(chance, 20) + normal(chance, 20, 2.5)
    columns = [small, [1e12 + 1e9 * value for value in small], [value - 1_000 for value in small]]
    result = permutation_test(columns, 20, 0.005)
    assert result.scores == pytest.approx((result.scores[0],) * 3, rel=1e-6)
    assert result.significant == [True, True, True]
    for column in columns:
        assert permutation_test([column], 20, 0.005).significant == [True]


def test_groups_of_different_size_are_tested_from_either_side() -> None:
    chance = random.Random(3)
    few, many = normal(chance, 8, 3.0), normal(chance, 60)
    there = permutation_test([few + many], 8, 0.005)
    back = permutation_test([many + few], 60, 0.005)
    assert there.significant == back.significant == [True]
    assert there.scores[0] == pytest.approx(-back.scores[0])
