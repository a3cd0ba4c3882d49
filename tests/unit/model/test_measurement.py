"""A measurement holds what each request cost, and gives its figures request by request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.model import Precision
from tests.support.measurements import MS, a_measurement

MEASUREMENT = a_measurement([{"search": 40, "render": 20}, {}, {"search": 30}])


def test_a_function_without_a_sample_in_a_request_counts_there_as_nothing() -> None:
    assert MEASUREMENT.self_values("search") == [40 * MS, 0, 30 * MS]
    assert MEASUREMENT.total_values("handle") == [60 * MS, 0, 30 * MS]
    assert MEASUREMENT.self_values("handle") == [0, 0, 0]
    assert MEASUREMENT.self_values("nobody") == [0, 0, 0]


def test_a_request_without_samples_counts_among_the_requests() -> None:
    assert MEASUREMENT.cpu_values == [60 * MS, 0, 30 * MS]
    assert MEASUREMENT.samples == 9
    assert MEASUREMENT.duration_values == [500 * MS] * 3


def test_its_figures_are_those_of_its_requests() -> None:
    assert MEASUREMENT.cpu.value == 30 * MS
    assert MEASUREMENT.duration == (500 * MS, (500 * MS, 500 * MS))
    assert MEASUREMENT.total("handle").value == 30 * MS
    assert MEASUREMENT.own("handle").value == 0
    assert MEASUREMENT.own("search").value == pytest.approx(70 * MS / 3)
    assert MEASUREMENT.share("search").value == pytest.approx(7 / 9)
    assert MEASUREMENT.share("handle").value == 1.0
    assert MEASUREMENT.share("nobody").value == 0.0


def test_the_mean_of_few_samples_is_no_better_known_than_they_are() -> None:
    alike = a_measurement([{"search": 40}] * 4)

    for estimate in (alike.cpu, alike.total("search"), alike.own("search")):
        assert estimate.value == 40 * MS
        assert estimate.interval is not None
        assert estimate.interval.low < 31 * MS  # of 16 samples in all
        assert estimate.interval.high > 49 * MS
    shared = a_measurement([{"search": 20, "render": 20}] * 4).share("search")
    assert shared.interval is not None
    assert shared.interval.low < 0.3
    assert shared.interval.high > 0.7


def test_the_message_of_a_failed_assertion_shows_its_requests_and_their_cpu() -> None:
    assert repr(a_measurement([{"search": 40}])) == "<Measurement of 1 request, 40 ms of CPU each>"
    assert repr(MEASUREMENT).startswith("<Measurement of 3 requests, 30 ms (")


@pytest.mark.parametrize(
    ("precision", "requests", "sentence"),
    [
        (Precision("10 %", 0.1, None, is_reached=True), 1, "1 request, as asked"),
        (Precision("30", 0.1, None, is_reached=False, requests_needed=1_200), 1_100, "1,100 requests of 1,200"),
        (Precision("10 %", 0.1, None, is_reached=False), 2, "2 requests cannot tell 10 %"),
        (Precision("10 %", 0.1, 0.084, is_reached=True), 9, "9 requests: known to 8.4 %, as asked (10 %)"),
        (
            Precision("5 points", 0.05, 0.12, is_reached=False, requests_needed=52, unit="points"),
            9,
            "9 requests: known to 12 points, not as asked (5 points); about 52 requests would do",
        ),
        (Precision("10 %", 0.1, 1.0, is_reached=True), 9, "9 requests: known to 100 %, as asked (10 %)"),
        (
            Precision("10 %", 0.1, 1.254, is_reached=False, requests_needed=52),
            9,
            "9 requests: known to 125 %, not as asked (10 %); about 52 requests would do",
        ),
    ],
)
def test_a_precision_says_what_was_reached(precision: Precision, requests: int, sentence: str) -> None:
    assert precision.sentence(requests) == sentence


def test_it_knows_the_functions_of_all_requests() -> None:
    assert MEASUREMENT.functions == {"handle", "search", "render"}


def test_it_is_precise_unless_an_asked_precision_was_missed() -> None:
    missed = Precision("the request's CPU to within 10 %", 0.1, 0.3, is_reached=False, requests_needed=27)
    assert MEASUREMENT.is_precise
    assert replace(MEASUREMENT, precision=replace(missed, is_reached=True)).is_precise
    assert not replace(MEASUREMENT, precision=missed).is_precise
