from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spanprofiles.model.percentiles import estimated_percentile, percentile, share_below


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 5), (0.95, 10), (1.0, 10)])
def test_a_percentile_is_a_value_that_occurred(share: float, expected: int) -> None:
    assert percentile(list(range(10, 0, -1)), share) == expected


def test_the_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.5) == 0


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), (1, 0.0), (2, 0.25), (3, 0.25), (4, 0.75), (99, 1.0)])
def test_the_share_below_a_value_counts_the_smaller_ones_alone(value: int, expected: float) -> None:
    assert share_below([1, 3, 3, 4], value) == expected


def test_among_equals_none_is_slower_than_another() -> None:
    assert share_below([7, 7, 7], 7) == 0.0
    assert share_below([], 7) == 0.0


@given(some.lists(some.integers(0, 1000), min_size=1))
def test_the_slowest_is_slower_than_all_that_are_not_as_slow(values: list[int]) -> None:
    ordered = sorted(values)

    assert share_below(ordered, ordered[-1]) == sum(value < ordered[-1] for value in values) / len(values)
    assert share_below(ordered, ordered[-1]) < 1


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ({}, 0.5, 0.0),
        ({4.0: 0}, 0.5, 0.0),
        ({4.0: 2}, 1.0, 4.0),
        ({4.0: 2}, 0.5, 2 * 2**0.5),
        ({4.0: 1, 16.0: 1}, 0.5, 4.0),
        ({4.0: 1, 16.0: 3}, 0.75, 8 * 2 ** (2 / 3)),
        ({16.0: 3, 4.0: 1}, 1.0, 16.0),
    ],
)
def test_an_estimate_grows_evenly_by_its_logarithm(counts: dict[float, float], share: float, expected: float) -> None:
    assert estimated_percentile(counts, share) == pytest.approx(expected)


@given(some.lists(some.integers(2, 10**9), min_size=1), some.floats(0.01, 1.0))
def test_an_estimate_is_off_by_less_than_a_factor_of_two(values: list[int], share: float) -> None:
    counts: dict[float, float] = {}
    for value in values:
        bound = float(1 << (value - 1).bit_length())
        counts[bound] = counts.get(bound, 0) + 1
    estimate, exact = estimated_percentile(counts, share), percentile(values, share)
    assert exact / 2 * 0.999 <= estimate <= exact * 2
