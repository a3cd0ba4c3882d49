from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spanprofiles.model.percentiles import percentile, share_below


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
