"""A measurement holds what each request cost, and gives its figures request by request."""

from __future__ import annotations

from dataclasses import replace

from spanprofiles.model import FlameGraph, FunctionCpu, MeasuredRequest, Measurement, Precision

MS = 1_000_000


def _request(number: int, **functions: int) -> MeasuredRequest:
    costs = {name: FunctionCpu(value * MS, value * MS) for name, value in functions.items()}
    total = sum(functions.values())
    return MeasuredRequest(f"{number:032x}", (f"{number:016x}",), number, 500 * MS, total * MS, total // 10, costs)


MEASUREMENT = Measurement(
    "test_search",
    "shop",
    (_request(1, search=40, render=20), _request(2), _request(3, search=30)),
    FlameGraph([(("search",), 70 * MS), (("render",), 20 * MS)]),
)


def test_a_function_without_a_sample_in_a_request_counts_there_as_nothing() -> None:
    assert MEASUREMENT.self_values("search") == [40 * MS, 0, 30 * MS]
    assert MEASUREMENT.total_values("render") == [20 * MS, 0, 0]
    assert MEASUREMENT.self_values("nobody") == [0, 0, 0]


def test_a_request_without_samples_counts_among_the_requests() -> None:
    assert MEASUREMENT.cpu_values == [60 * MS, 0, 30 * MS]
    assert MEASUREMENT.samples == 9
    assert MEASUREMENT.duration_values == [500 * MS] * 3


def test_it_knows_the_functions_of_all_requests() -> None:
    assert MEASUREMENT.functions == {"search", "render"}


def test_it_is_precise_unless_an_asked_precision_was_missed() -> None:
    missed = Precision("the request's CPU to within 10 %", 0.1, 0.3, is_reached=False, requests_needed=27)
    assert MEASUREMENT.is_precise
    assert replace(MEASUREMENT, precision=replace(missed, is_reached=True)).is_precise
    assert not replace(MEASUREMENT, precision=missed).is_precise
