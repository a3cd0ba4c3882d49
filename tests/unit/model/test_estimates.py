"""Means and shares of many requests, and how well they are known."""

from __future__ import annotations

import math
import random

import pytest

from spanprofiles.model import estimates
from spanprofiles.model.intervals import count_interval, share_interval

PERIOD = 10_000_000.0


def poisson(drawn: random.Random, mean: float) -> int:
    """A number of events that come independently."""
    limit, count, product = math.exp(-mean), 0, drawn.random()
    while product > limit:
        count += 1
        product *= drawn.random()
    return count


def test_intervals_of_means_cover_the_truth_as_often_as_they_say() -> None:
    drawn, hits = random.Random(7), 0
    for _ in range(1_000):
        found = estimates.mean([poisson(drawn, 8) * PERIOD for _ in range(12)], PERIOD)
        assert found.interval is not None
        hits += found.interval.covers(8 * PERIOD)
    assert 930 <= hits <= 975


def test_intervals_of_shares_cover_the_truth_as_often_as_they_say() -> None:
    drawn, hits = random.Random(7), 0
    for _ in range(1_000):
        pairs = [(poisson(drawn, 3), poisson(drawn, 6)) for _ in range(12)]
        found = estimates.share([a for a, _ in pairs], [a + b for a, b in pairs], 1.0)
        assert found.interval is not None
        hits += found.interval.covers(1 / 3)
    assert 930 <= hits <= 975


def test_requests_that_differ_by_more_than_chance_have_wider_intervals() -> None:
    alike, mixed = [50 * PERIOD] * 10, [20 * PERIOD, 80 * PERIOD] * 5
    assert estimates.mean(mixed, PERIOD).value == estimates.mean(alike, PERIOD).value
    wide, narrow = estimates.mean(mixed, PERIOD).half_width, estimates.mean(alike, PERIOD).half_width
    assert wide is not None
    assert narrow is not None
    assert wide > 2 * narrow > 0


def test_requests_whose_shares_differ_by_more_than_chance_have_wider_intervals() -> None:
    alike = estimates.share([50.0] * 10, [100.0] * 10, 1.0).interval
    mixed = estimates.share([20.0, 80.0] * 5, [100.0] * 10, 1.0).interval
    assert alike is not None
    assert mixed is not None
    assert mixed.high - mixed.low > 2 * (alike.high - alike.low) > 0


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("sample_value", [0.0, 1.0])
def test_how_well_requests_are_known_does_not_depend_on_the_unit(unit: float, sample_value: float) -> None:
    parts, wholes = [0.0, 1.0, 4.0, 0.0, 2.0, 0.0], [1.0, 3.0, 6.0, 1.0, 2.0, 1.0]
    in_units = [value * unit for value in parts], [value * unit for value in wholes]

    mean, mean_in_units = estimates.mean(parts, sample_value), estimates.mean(in_units[0], sample_value * unit)
    share = estimates.share(parts, wholes, sample_value)
    share_in_units = estimates.share(*in_units, sample_value * unit)

    assert mean.interval is not None
    assert mean_in_units.interval == pytest.approx(mean.interval.times(unit))
    assert share_in_units.interval == pytest.approx(share.interval)


def test_measured_values_that_agree_are_known_exactly() -> None:
    assert estimates.mean([5.0] * 10).half_width == 0.0


def test_two_requests_have_a_mean_and_no_interval() -> None:
    assert estimates.mean([1.0, 3.0], 1.0) == (2.0, None)
    assert estimates.share([1.0, 1.0], [2.0, 2.0], 1.0) == (0.5, None)
    assert estimates.mean([]) == (0.0, None)
    assert estimates.share([0.0] * 5, [0.0] * 5, 1.0) == (0.0, None)
    assert estimates.mean([1.0]).relative_half_width is None


def test_a_mean_of_nothing_is_known_to_no_part_of_it() -> None:
    assert estimates.mean([0.0] * 10, 1.0).relative_half_width == math.inf


@pytest.mark.parametrize(("part", "limits"), [(0.0, (0.0, 0.1)), (1.0, (0.9, 1.0))])
def test_a_share_of_none_or_all_is_still_uncertain(part: float, limits: tuple[float, float]) -> None:
    found = estimates.share([part * 10] * 10, [10.0] * 10, 1.0)
    assert found.interval is not None
    assert limits[0] <= found.interval.low < found.interval.high <= limits[1]


@pytest.mark.parametrize(
    ("parts", "ratio", "low", "high"),
    [
        ([2.0, 4.0, 3.0], 0.3, 0.0516, 0.5484),  # 4.303 * sqrt(3 / 2 * (1 + 1 + 0)) / 30 to either side
        ([9.0, 10.0, 10.0], 0.9667, 0.8233, 1.0),
        ([1.0, 0.0, 0.0], 0.0333, 0.0, 0.1768),
    ],
)
def test_a_share_of_measured_times_has_the_interval_of_the_textbook(
    parts: list[float], ratio: float, low: float, high: float
) -> None:
    found = estimates.share(parts, [10.0] * 3)
    assert found.value == pytest.approx(ratio, abs=1e-4)
    assert found.interval == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize(("sample_value", "samples"), [(1.0, 1_000), (2.0, 500)])
def test_requests_that_differ_make_a_share_as_uncertain_as_fewer_samples(sample_value: float, samples: int) -> None:
    # By the samples alone the variance would be a quarter of their number; the requests show 10,000 in these units.
    dispersion = 10_000 / (samples * sample_value**2 / 4) * (2.262 / 1.96) ** 2

    found = estimates.share([20.0, 80.0] * 5, [100.0] * 10, sample_value)

    assert found.interval == pytest.approx(share_interval(samples / 2, samples, dispersion), abs=1e-3)


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_requests_that_agree_on_none_or_all_are_as_uncertain_as_their_samples(part: float) -> None:
    assert estimates.share([part * 10] * 10, [10.0] * 10, 1.0).interval == share_interval(part * 100, 100)


@pytest.mark.parametrize(
    ("values", "mean", "low", "high"),
    [([4.0, 6.0, 8.0], 6.0, 1.032, 10.968), ([0.0, 0.0, 3.0], 1.0, 0.0, 5.303)],  # 4.303 * sqrt(variance / 3)
)
def test_a_mean_of_measured_times_has_the_interval_of_the_textbook(
    values: list[float], mean: float, low: float, high: float
) -> None:
    found = estimates.mean(values)
    assert found.value == mean
    assert found.interval == pytest.approx((low, high), abs=0.01)


@pytest.mark.parametrize(("sample_value", "samples"), [(1.0, 500), (2.0, 250)])
def test_requests_that_differ_make_a_mean_as_uncertain_as_fewer_samples(sample_value: float, samples: int) -> None:
    # By the samples alone the variance of a request would be its mean, 50; the requests show 1,000.
    dispersion = 1_000 / (50 * sample_value) * (2.262 / 1.96) ** 2

    found = estimates.mean([20.0, 80.0] * 5, sample_value)

    assert found.interval == pytest.approx(count_interval(samples, dispersion).times(sample_value / 10), abs=0.05)


def test_requests_without_any_sample_are_as_uncertain_as_no_samples() -> None:
    assert estimates.mean([0.0] * 10, PERIOD).interval == count_interval(0).times(PERIOD / 10)
