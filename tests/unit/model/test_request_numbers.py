"""How many requests decide a claim."""

from __future__ import annotations

import random

import pytest

from spanprofiles.model.intervals import share_interval
from spanprofiles.model.request_numbers import requests_to_decide_share, requests_to_decide_total

_SAMPLE_NS = 10_000_000


def test_a_share_near_its_bound_takes_many_requests_and_one_far_away_few() -> None:
    near, far = requests_to_decide_share(0.55, 0.5, 10), requests_to_decide_share(0.9, 0.5, 10)
    assert near is not None
    assert far is not None
    assert near > 10 * far
    assert far >= 1


def test_so_many_requests_decide_a_share_four_times_in_five() -> None:
    needed = requests_to_decide_share(0.6, 0.5, 10)
    assert needed is not None
    chance, decided = random.Random(5), 0
    for _ in range(200):
        hits = sum(chance.random() < 0.6 for _ in range(10 * needed))
        decided += share_interval(hits, 10 * needed).low > 0.5
    assert 140 <= decided <= 180


def test_no_number_decides_a_share_that_is_its_bound_or_requests_without_samples() -> None:
    assert requests_to_decide_share(0.5, 0.5, 10) is None
    assert requests_to_decide_share(0.6, 0.5, 0) is None


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_a_share_cannot_miss_the_ends_by_chance(bound: float) -> None:
    assert requests_to_decide_share(0.4, bound, 10) == 1


def test_a_total_twice_its_bound_is_decided_by_few_requests() -> None:
    few = requests_to_decide_total(20 * _SAMPLE_NS, 10 * _SAMPLE_NS)
    many = requests_to_decide_total(11 * _SAMPLE_NS, 10 * _SAMPLE_NS)
    assert few == 1
    assert many is not None
    assert 60 <= many <= 100  # (1.96 * sqrt(10) + 0.84 * sqrt(11)) ** 2
    assert requests_to_decide_total(_SAMPLE_NS, _SAMPLE_NS) is None


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_the_ends_are_not_missed_by_requests_with_a_sample_now_and_then_either(bound: float) -> None:
    assert requests_to_decide_share(0.4, bound, 0.01) == 1


def test_requests_with_less_than_a_sample_each_take_as_many_more() -> None:
    each = requests_to_decide_share(0.6, 0.5, 10)
    assert each is not None
    assert requests_to_decide_share(0.6, 0.5, 0.1) == pytest.approx(100 * each, rel=0.05)


def test_a_share_that_is_clear_from_one_request_takes_one() -> None:
    assert requests_to_decide_share(0.9, 0.1, 1_000) == 1


@pytest.mark.parametrize(("samples", "needed"), [(1.0, 1), (0.5, 2), (0.1, 8)])
def test_how_many_requests_show_that_a_request_uses_more_than_nothing(samples: float, needed: int) -> None:
    assert requests_to_decide_total(samples, 0.0, 1.0) == needed  # (0.84 * sqrt(samples) / samples) ** 2
    assert requests_to_decide_total(samples, -0.0, 1.0) == needed
