"""The verdict of a comparison to the word and the number, on plain figures."""

from __future__ import annotations

import math

import pytest

from spanprofiles.model.comparison import Basis, Change, ComparisonVerdict, FunctionComparison
from spanprofiles.model.comparison_verdict import MOST_REQUESTS, Said, verdict_of
from spanprofiles.model.intervals import Interval

MS = 1_000_000
REGRESSION, NONE, CANNOT_SAY = (
    ComparisonVerdict.REGRESSION,
    ComparisonVerdict.NO_REGRESSION,
    ComparisonVerdict.CANNOT_SAY,
)


def cpu(base_ms: float, head_ms: float, low: float | None = None, high: float = 0.0, *, sure: bool = False) -> Change:
    """CPU of a request, with the interval of its relative growth."""
    relative = None if low is None else Interval(low, high)
    return Change(base_ms * MS, head_ms * MS, None, relative, sure)


def share(base: float, head: float, low: float | None = None, high: float = 0.0, *, sure: bool = False) -> Change:
    """A share of the CPU, with the interval of its growth."""
    return Change(base, head, None if low is None else Interval(low, high), None, sure)


def function(name: str, own: Change, total: Change) -> FunctionComparison:
    return FunctionComparison(name, own, total)


def judged(
    request: Change,
    *functions: FunctionComparison,
    requests: int = 20,
    threshold: float = 0.1,
    basis: Basis = Basis.CPU,
) -> Said:
    return verdict_of(request, functions, requests, threshold, basis)


SAME = cpu(10, 10)


@pytest.mark.parametrize(
    ("request_cpu", "verdict", "reason", "more"),
    [
        (
            cpu(100, 110, 0.05, 0.15, sure=True),
            REGRESSION,
            "a request uses 110.0 ms of CPU instead of 100.0 ms, +10% (+5% to +15%)",
            0,
        ),
        (
            cpu(100, 109, 0.05, 0.099, sure=True),
            NONE,
            "a request uses 109.0 ms of CPU instead of 100.0 ms, +9% (+5% to +10%), which is below 10%",
            0,
        ),
        (
            cpu(0, 50, sure=False),
            CANNOT_SAY,
            "a request uses 50.0 ms of CPU instead of 0 us; the base has no sample to compare with",
            20,
        ),
        (cpu(0, 50, sure=True), REGRESSION, "a request uses 50.0 ms of CPU instead of 0 us", 0),
        (cpu(100, 104), CANNOT_SAY, "a request uses 104.0 ms of CPU instead of 100.0 ms", 20),
        (
            cpu(0, 0),
            CANNOT_SAY,
            "neither side has a sample: there is no CPU to compare",
            None,
        ),
    ],
    ids=["at the threshold", "below it", "from nothing, perhaps", "from nothing, for sure", "no interval", "no CPU"],
)
def test_the_cpu_of_a_request_is_judged_by_what_is_sure(
    request_cpu: Change, verdict: ComparisonVerdict, reason: str, more: int | None
) -> None:
    assert judged(request_cpu) == Said(verdict, reason, more)


@pytest.mark.parametrize("basis", list(Basis))
@pytest.mark.parametrize(("requests", "more"), [(0, 6), (5, 1)])
def test_fewer_than_six_requests_ask_for_the_rest_of_six(basis: Basis, requests: int, more: int) -> None:
    few = judged(cpu(100, 900, 7.0, 9.0, sure=True), requests=requests, basis=basis)

    assert few == Said(CANNOT_SAY, "fewer than 6 requests on a side tell nothing of how much requests differ", more)
    assert judged(cpu(0, 0), requests=requests, basis=basis).more == more
    assert judged(cpu(0, 0), requests=6, basis=basis).more is None


def growth(own: tuple[float, float], total: tuple[float, float], name: str = "search") -> FunctionComparison:
    """A function that changed for sure wherever it changed."""
    return function(name, cpu(*own, sure=own[0] != own[1]), cpu(*total, sure=total[0] != total[1]))


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        (
            [growth((10, 22), (10, 22))],
            "search uses 22.0 ms instead of 10.0 ms; what grew for sure is 12% of the request's CPU",
        ),
        (
            [growth((10, 10), (10, 22))],
            "search uses 22.0 ms instead of 10.0 ms; what grew for sure is 12% of the request's CPU",
        ),
        (
            [growth((10, 22), (22, 22))],
            "search uses 22.0 ms instead of 10.0 ms; what grew for sure is 12% of the request's CPU",
        ),
        (
            [growth((10, 16), (10, 16)), growth((5, 9), (15, 25), "serve")],
            "search uses 16.0 ms instead of 10.0 ms; what grew for sure is 10% of the request's CPU",
        ),
        (
            [growth((30, 20), (30, 20), "old"), growth((10, 32), (10, 32))],
            "search uses 32.0 ms instead of 10.0 ms; what grew for sure is 12% of the request's CPU",
        ),
        ([growth((10, 19), (10, 19))], ""),
        ([growth((10, 22), (10, 22), "new name"), growth((12, 0), (12, 0), "old name")], ""),
        ([growth((10, 22), (10, 22)), growth((40, 40), (40, 36), "serve")], ""),
    ],
    ids=[
        "own code",
        "what it calls",
        "no longer what it calls",
        "several",
        "less what others shrank",
        "too little",
        "renamed",
        "shrank as well",
    ],
)
def test_functions_are_a_regression_by_what_grew_less_what_shrank(
    functions: list[FunctionComparison], reason: str
) -> None:
    found = judged(cpu(100, 104, -0.1, 0.2), *functions)

    assert found.verdict is (REGRESSION if reason else CANNOT_SAY)
    assert found.reason.startswith(reason or "a request uses 104.0 ms of CPU instead of 100.0 ms, +4% (-10% to +20%)")


@pytest.mark.parametrize(
    ("request_cpu", "more"),
    [
        (cpu(100, 104, -0.1, 0.2), 129),
        (cpu(100, 104, 0.01, 0.2, sure=True), 77),
        (cpu(100, 96, -0.1, 0.2), 74),
        (cpu(100, 120, -0.1, 0.5), 182),
        (cpu(100, 140, -0.1, 0.9), 107),
        (cpu(100, 109.99, 0.01, 0.9, sure=True), MOST_REQUESTS),
        (cpu(100, 104, -2.0, 0.2), 90_055),
    ],
)
def test_too_few_requests_ask_for_as_many_as_a_verdict_probably_takes(request_cpu: Change, more: int) -> None:
    found = judged(request_cpu)

    assert found.verdict is CANNOT_SAY
    assert found.reason.endswith(": too few requests to tell whether it is 10%")
    assert found.more == more


def test_the_interval_of_growth_must_end_below_the_threshold() -> None:
    assert judged(cpu(100, 100, -0.1, 0.1)).verdict is CANNOT_SAY
    assert judged(cpu(100, 100, -0.1, math.nextafter(0.1, 0))).verdict is NONE


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        (
            [share(0.25, 0.75, 0.4, 0.6, sure=True)],
            REGRESSION,
            "search has 75% of the CPU instead of 25% (+40 to +60 points)",
        ),
        ([share(0.25, 0.7, 0.3, 0.49, sure=True)], NONE, "no function's share of the CPU grew by as much as 50 points"),
        ([share(0.25, 0.25, -0.4, 0.4)], NONE, "no function's share of the CPU grew by as much as 50 points"),
        (
            [share(0.25, 0.75, -0.1, 0.9)],
            CANNOT_SAY,
            "too few requests to tell whether a function's share of the CPU grew by 50 points",
        ),
        (
            [share(0.25, 0.25, -0.5, 0.5)],
            CANNOT_SAY,
            "too few requests to tell whether a function's share of the CPU grew by 50 points",
        ),
        ([share(0.25, 0.75)], CANNOT_SAY, "a side has no sample: it has no shares to compare"),
        (
            [share(0.25, 0.25, -0.1, 0.1), share(0.2, 0.8, 0.5, 0.7, sure=True)],
            REGRESSION,
            "search has 80% of the CPU instead of 20% (+50 to +70 points)",
        ),
    ],
    ids=["at the bound", "below it", "equal", "perhaps", "up to the bound", "no interval", "with what it calls"],
)
def test_shares_are_judged_by_what_the_threshold_makes_of_them(
    changes: list[Change], verdict: ComparisonVerdict, reason: str
) -> None:
    found = judged(share(1, 1), function("search", changes[0], changes[-1]), threshold=1.0, basis=Basis.SHARE)

    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (share(0.1, 0.92, 0.72, 0.86, sure=True), "search has 92% of the CPU instead of 10% (+72 to +86 points)"),
        (share(0.1, 0.2, 0.05, 0.15, sure=True), "no function's share of the CPU grew by as much as 80 points"),
        (
            share(0.1, 0.2, 0.05, 0.9),
            "too few requests to tell whether a function's share of the CPU grew by 80 points",
        ),
    ],
)
def test_shares_are_written_in_whole_points(change: Change, reason: str) -> None:
    assert judged(share(1, 1), function("search", change, change), threshold=4.0, basis=Basis.SHARE).reason == reason


@pytest.mark.parametrize(
    ("change", "more"),
    [
        (share(0.25, 0.75, -0.1, 0.9), 7),
        (share(0.25, 0.45, -0.1, 0.55), 1),
        (share(0.25, 0.45, 0.05, 0.55, sure=True), 36),
        (share(0.25, 0.25), None),
        (share(0.25, 0.25, -0.5, 0.5), 21),
    ],
)
def test_too_few_requests_for_shares_ask_for_more_as_well(change: Change, more: int | None) -> None:
    found = judged(share(1, 1), function("search", change, change), threshold=1.0, basis=Basis.SHARE)

    assert (found.verdict, found.more) == (CANNOT_SAY, more)
