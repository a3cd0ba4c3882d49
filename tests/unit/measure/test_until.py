"""When a measurement is precise enough, and how many requests that may take."""

from __future__ import annotations

import pytest

from spanprofiles.measure.until import Until
from spanprofiles.model import FlameGraph, Measurement
from tests.support.measurements import a_measurement

# ten requests of 100 samples or so each, of which search has about half
STEADY = a_measurement([{"search": 500 + 10 * (number % 3), "render": 500} for number in range(10)])
UNSTEADY = a_measurement([{"search": 500 + 400 * (number % 2), "render": 500} for number in range(10)])


def test_requests_that_agree_are_known_well_enough() -> None:
    precision = Until.cpu(within=0.1).precision(STEADY)
    assert precision.is_reached
    assert precision.sentence(10) == "10 requests: known to 6.2 %, as asked (the request's CPU to within 10 %)"


def test_requests_that_differ_are_not_and_it_says_how_many_would_do() -> None:
    precision = Until.cpu(within=0.02).precision(UNSTEADY)
    assert not precision.is_reached
    assert precision.half_width == pytest.approx(0.126, abs=0.01)
    assert precision.requests_needed is not None
    assert 400 < precision.requests_needed < 500
    assert "not as asked (the request's CPU to within 2 %); about 4" in precision.sentence(10)


def test_requests_that_agree_by_luck_are_known_no_better_than_their_samples_allow() -> None:
    alike = a_measurement([{"search": 20}] * 10)  # 20 samples in all, known to nearly half
    precision = Until.cpu(within=0.1).precision(alike)
    assert precision.half_width is not None
    assert precision.half_width > 0.4
    assert not precision.is_reached


def test_a_share_is_known_to_so_many_points() -> None:
    precision = Until.share("search", within=0.05).precision(STEADY)
    assert precision.is_reached
    assert precision.sentence(10).endswith("points, as asked (the share of search to within 5 points)")
    assert not Until.share("search", within=0.01).precision(STEADY).is_reached


def test_the_cpu_of_a_function_is_known_to_a_part_of_it() -> None:
    assert Until.total("search", within=0.1).precision(STEADY).is_reached
    assert not Until.total("search", within=0.1).precision(UNSTEADY).is_reached


@pytest.mark.parametrize("until", [Until.share("serach", within=0.5), Until.total("serach", within=0.5)])
def test_of_a_function_that_no_sample_has_nothing_is_known(until: Until) -> None:
    precision = until.precision(STEADY)
    assert not precision.is_reached
    assert precision.requests_needed is None
    assert "10 requests cannot tell" in precision.sentence(10)
    assert "no sample has 'serach' (nearest: search)" in precision.sentence(10)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_requests_cannot_tell(count: int) -> None:
    few = a_measurement([{"search": 500}] * count)
    precision = Until.cpu(within=0.5).precision(few)
    assert (precision.is_reached, precision.half_width) == (False, None)
    assert "cannot tell the request's CPU to within 50 %" in precision.sentence(count)


def test_requests_without_a_single_sample_cannot_tell() -> None:
    assert not Until.cpu(within=0.9).precision(a_measurement([{}] * 10)).is_reached
    assert not Until.cpu(within=0.9).precision(Measurement("", "", (), FlameGraph())).is_reached


def test_a_number_of_requests_is_reached_when_they_are_sent() -> None:
    assert Until.sent(10).precision(UNSTEADY).sentence(10) == "10 requests, as asked"
    assert Until.sent(11).precision(UNSTEADY).sentence(10) == "10 requests of 11"
    assert not Until.sent(11).precision(UNSTEADY).is_reached


@pytest.mark.parametrize("within", [0, 1, -0.1, 10, float("nan")])
def test_what_is_no_precision_is_refused(within: float) -> None:
    with pytest.raises(ValueError, match="is not a precision: give a part between 0 and 1"):
        Until.cpu(within=within)
    with pytest.raises(ValueError, match="is not a precision"):
        Until.share("f", within=within)


def test_no_requests_measure_nothing() -> None:
    with pytest.raises(ValueError, match="0 requests measure nothing"):
        Until.sent(0)
