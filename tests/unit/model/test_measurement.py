"""A measurement holds what each request cost, and gives its figures request by request."""

from __future__ import annotations

from dataclasses import replace

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


def test_it_knows_the_functions_of_all_requests() -> None:
    assert MEASUREMENT.functions == {"handle", "search", "render"}


def test_it_is_precise_unless_an_asked_precision_was_missed() -> None:
    missed = Precision("the request's CPU to within 10 %", 0.1, 0.3, is_reached=False, requests_needed=27)
    assert MEASUREMENT.is_precise
    assert replace(MEASUREMENT, precision=replace(missed, is_reached=True)).is_precise
    assert not replace(MEASUREMENT, precision=missed).is_precise
