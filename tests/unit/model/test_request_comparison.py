"""Whether requests use more CPU than before: regression, no regression, or too few to say."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanprofiles.model import (
    CPU,
    Basis,
    ComparisonVerdict,
    FunctionCpu,
    MeasuredRequest,
    compare_measurements,
    request_comparison,
)
from spanprofiles.model.intervals import Interval, count_interval, share_interval
from spanprofiles.model.permutation import DEALS, PermutationResult
from spanprofiles.model.request_comparison import ERROR, compare_requests
from tests.support.measured_requests import drawn_requests, measurement_of
from tests.support.measurements import MS, a_request

_WORK = {"search": 6.0, "price": 3.0, "render": 2.0, **{f"rare{number}": 0.1 for number in range(6)}}
_WALL = "wall:wall:nanoseconds:wall:nanoseconds"
REGRESSION, NO_REGRESSION, CANNOT_SAY = ComparisonVerdict


def slower(name: str, periods: float) -> dict[str, float]:
    return {**_WORK, name: _WORK.get(name, 0.0) + periods}


def test_a_function_that_makes_a_request_half_as_slow_again_is_named() -> None:
    found = compare_requests(drawn_requests(1, 30, _WORK), drawn_requests(2, 30, slower("price", 6)))
    assert found.verdict is REGRESSION
    assert found.top_regression is not None
    assert found.top_regression.name == "price"
    assert found.top_regression.self.grew
    assert found.more_requests == 0
    assert found.request.relative_interval is not None
    assert found.request.relative_interval.covers(0.5)
    assert found.request.grew


def test_a_new_function_is_named_too() -> None:
    found = compare_requests(drawn_requests(1, 30, _WORK), drawn_requests(2, 30, slower("log", 4)))
    assert found.verdict is REGRESSION
    assert found.top_regression is not None
    assert found.top_regression.name == "log"
    assert found.top_regression.self.relative is None
    assert found.top_regression.self.relative_interval is None


def test_equal_requests_have_no_regression_where_they_are_many() -> None:
    found = compare_requests(drawn_requests(1, 250, _WORK), drawn_requests(2, 250, _WORK))
    assert found.verdict is NO_REGRESSION
    assert found.changed == []
    assert found.top_regression is None
    assert found.more_requests == 0


def test_of_few_equal_requests_nothing_is_said_but_how_many_it_takes() -> None:
    found = compare_requests(drawn_requests(1, 20, _WORK), drawn_requests(2, 20, _WORK))
    assert found.verdict is CANNOT_SAY
    assert found.changed == []
    assert found.more_requests is not None
    # 12 samples a request: 2.8 standard errors of sqrt(2 / samples) within the logarithm of 1.1
    assert 60 <= found.more_requests <= 250
    assert "10%" in found.reason


def test_fewer_than_six_requests_say_nothing_however_different() -> None:
    found = compare_requests(drawn_requests(1, 5, _WORK), drawn_requests(2, 5, slower("price", 60)))
    assert found.verdict is CANNOT_SAY
    assert found.more_requests == 1
    assert compare_requests((), ()).more_requests == 6


def test_six_requests_say_enough_of_one_that_is_many_times_as_slow() -> None:
    found = compare_requests(drawn_requests(1, 6, _WORK), drawn_requests(2, 6, slower("price", 60)))
    assert found.verdict is REGRESSION
    assert found.top_regression is not None
    assert found.top_regression.name == "price"


@pytest.mark.parametrize("basis", Basis)
def test_requests_without_any_sample_have_nothing_to_compare(basis: Basis) -> None:
    found = compare_requests(drawn_requests(1, 30, {}), drawn_requests(2, 30, {}), basis=basis)
    assert found.verdict is CANNOT_SAY
    assert found.more_requests is None
    assert "no CPU to compare" in found.reason


def test_what_computes_where_nothing_did_is_a_regression() -> None:
    found = compare_requests(drawn_requests(1, 30, {}), drawn_requests(2, 30, {"search": 3.0}))
    assert found.verdict is REGRESSION
    assert found.request.relative is None


def test_a_renamed_function_is_no_regression() -> None:
    renamed = {"find" if name == "search" else name: periods for name, periods in _WORK.items()}
    found = compare_requests(drawn_requests(1, 60, _WORK), drawn_requests(2, 60, renamed))
    assert found.verdict is not REGRESSION
    assert {row.name for row in found.changed} == {"search", "find"}


def test_a_slower_function_is_found_where_the_whole_is_not_yet_sure() -> None:
    found = compare_requests(drawn_requests(3, 12, _WORK), drawn_requests(2, 12, slower("log", 4)))
    assert not found.request.is_significant
    assert found.verdict is REGRESSION
    assert "log uses" in found.reason


def test_growth_below_the_threshold_is_told_and_is_no_regression() -> None:
    base, head = drawn_requests(1, 100, _WORK), drawn_requests(2, 100, slower("log", 0.5))
    found = compare_requests(base, head, threshold=0.25)
    assert (found.verdict, found.threshold, found.basis) == (NO_REGRESSION, 0.25, Basis.CPU)
    assert [row.name for row in found.changed] == ["log"]


def test_a_faster_function_is_told_and_is_no_regression() -> None:
    base, head = drawn_requests(1, 60, slower("price", 6)), drawn_requests(2, 60, _WORK)
    found = compare_requests(base, head)
    assert found.verdict is NO_REGRESSION
    assert found.top_regression is None
    assert found.changed[0].name == "price"
    assert found.changed[0].self.shrank


def test_a_report_of_equal_requests_seldom_claims_any_change() -> None:
    requests = drawn_requests(1, 60, _WORK, unevenness=0.3)
    claims = 0
    for seed in range(60):
        chance = random.Random(seed)
        found = compare_requests(chance.choices(requests, k=12), chance.choices(requests, k=12))
        claims += bool(found.changed) or found.verdict is REGRESSION or found.request.is_significant
    assert claims <= 1


def test_a_small_noisy_side_against_a_large_quiet_one_claims_no_more() -> None:
    drawn = drawn_requests(1, 200, {"search": 6.0}), drawn_requests(2, 200, {"search": 6.0}, unevenness=1.0)
    excess = sum(request.cpu_ns for request in drawn[1]) / sum(request.cpu_ns for request in drawn[0])
    quiet = [replace(request, functions={}) for request in drawn[0]]
    noisy = [replace(request, functions={}, cpu_ns=round(request.cpu_ns / excess)) for request in drawn[1]]
    claims = 0
    for seed in range(60):
        chance = random.Random(seed)
        found = compare_requests(chance.choices(quiet, k=60), chance.choices(noisy, k=8))
        claims += found.request.is_significant
    assert claims <= 1


def test_a_machine_twice_as_fast_is_no_change_by_shares() -> None:
    half = {name: periods / 2 for name, periods in _WORK.items()}
    base, head = drawn_requests(1, 200, half), drawn_requests(2, 100, _WORK)
    assert compare_requests(base, head).verdict is REGRESSION
    found = compare_requests(base, head, basis=Basis.SHARE)
    assert found.verdict is NO_REGRESSION
    assert found.changed == []
    assert (found.request.base, found.request.head) == (1.0, 1.0)


def test_growth_of_all_functions_alike_is_said_to_look_like_a_slower_machine() -> None:
    twice = {name: 2 * periods for name, periods in _WORK.items()}
    found = compare_requests(drawn_requests(1, 40, _WORK), drawn_requests(2, 40, twice))
    assert found.verdict is REGRESSION
    assert found.is_uniform
    assert "slower or busier" in found.reason


def test_growth_of_one_function_does_not_look_like_a_slower_machine() -> None:
    found = compare_requests(drawn_requests(1, 40, _WORK), drawn_requests(2, 40, slower("log", 8)))
    assert found.verdict is REGRESSION
    assert not found.is_uniform
    assert re.fullmatch(r"a request uses .* of CPU instead of .*, \+\d+% \(\+\d+% to \+\d+%\)", found.reason)


def test_a_slower_function_is_found_by_shares_on_another_machine() -> None:
    half = {name: periods / 2 for name, periods in _WORK.items()}
    found = compare_requests(drawn_requests(1, 60, half), drawn_requests(2, 60, slower("price", 6)), basis=Basis.SHARE)
    assert found.verdict is REGRESSION
    assert found.top_regression is not None
    assert found.top_regression.name == "price"
    assert found.top_regression.self.interval is not None
    assert found.top_regression.self.interval.covers(9 / 18 - 3 / 12)


def test_few_requests_say_nothing_by_shares_either() -> None:
    found = compare_requests(drawn_requests(1, 10, _WORK), drawn_requests(2, 10, _WORK), basis=Basis.SHARE)
    assert found.verdict is CANNOT_SAY
    assert found.more_requests


def test_shares_of_nothing_do_not_compare() -> None:
    found = compare_requests(drawn_requests(1, 10, {}), drawn_requests(2, 10, _WORK), basis=Basis.SHARE)
    assert found.verdict is CANNOT_SAY
    assert found.more_requests is None


def test_the_same_input_gives_the_same_report() -> None:
    sides = drawn_requests(1, 30, _WORK), drawn_requests(2, 30, slower("price", 2))
    assert compare_requests(*sides) == compare_requests(*sides)


def test_a_threshold_is_a_number_above_nothing() -> None:
    requests = drawn_requests(1, 6, _WORK)
    for threshold in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="threshold"):
            compare_requests(requests, requests, threshold=threshold)


def test_measurements_compare_by_their_requests() -> None:
    base, head = drawn_requests(1, 12, _WORK), drawn_requests(2, 12, slower("price", 9))
    assert compare_measurements(measurement_of(base), measurement_of(head)) == compare_requests(base, head)


def test_cpu_does_not_compare_with_wall_time() -> None:
    requests = drawn_requests(1, 6, _WORK)
    with pytest.raises(ValueError, match=f"different types do not compare: {CPU} and {_WALL}"):
        compare_measurements(measurement_of(requests), measurement_of(requests, _WALL))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(0, 12), st.floats(0, 6))
def test_a_comparison_turns_round_with_its_sides(seed: int, first: int, second: int, periods: float) -> None:
    base, head = drawn_requests(seed, first, _WORK), drawn_requests(seed + 1, second, slower("price", periods))
    there, back = compare_requests(base, head), compare_requests(head, base)
    assert there.base_requests == back.head_requests
    assert there.request.change == pytest.approx(-back.request.change)
    assert {row.name for row in there.functions} == {row.name for row in back.functions}
    for row in there.functions:
        assert row.self.interval is None or row.self.interval.covers(row.self.change)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 12))
def test_the_same_requests_on_both_sides_never_differ(seed: int, number: int) -> None:
    requests: tuple[MeasuredRequest, ...] = drawn_requests(seed, number, _WORK)
    found = compare_requests(requests, tuple(replace(request, start_ns=1) for request in reversed(requests)))
    assert found.changed == []
    assert found.verdict is not REGRESSION


def of_functions(**functions_ms: tuple[int, int]) -> MeasuredRequest:
    """A request whose functions have so much CPU of their own and in all, ms."""
    costs = {name: FunctionCpu(own * MS, total * MS) for name, (own, total) in functions_ms.items()}
    cpu_ns = sum(cost.self_ns for cost in costs.values())
    return replace(a_request(0, {}), cpu_ns=cpu_ns, samples=cpu_ns // (10 * MS), functions=costs)


def test_functions_stand_in_the_order_in_which_they_matter() -> None:
    before = {
        "grew_most": (10, 10), "grew": (10, 10), "only_calls_more": (20, 60), "calls_more_and_does_less": (40, 60),
        "shrank": (50, 50), "shrank_most": (90, 90), "does_less_and_calls_as_much": (40, 60), "same": (10, 10),
    }  # fmt: skip
    after = {
        "grew_most": (90, 90), "grew": (50, 50), "only_calls_more": (20, 160), "calls_more_and_does_less": (10, 160),
        "shrank": (10, 10), "shrank_most": (10, 10), "does_less_and_calls_as_much": (20, 60), "same": (10, 10),
    }  # fmt: skip
    now_and_then = [
        of_functions(**before, rare=(0, 0), rarer=(0, 0)),
        of_functions(**before, rare=(20, 20), rarer=(10, 10)),
    ]
    base = [now_and_then[number % 2] for number in range(20)]
    head = [of_functions(**after, rare=(10, 10), rarer=(0, 10 * (number % 2))) for number in range(20)]

    found = compare_requests(base, [*head[1:], of_functions(**after, rare=(30, 30), rarer=(10, 10))])

    assert [row.name for row in found.functions] == [
        "grew_most",
        "grew",
        "only_calls_more",
        "calls_more_and_does_less",
        "shrank_most",
        "shrank",
        "does_less_and_calls_as_much",
        "rarer",
        "rare",
        "same",
    ]
    assert [row.name for row in found.changed] == [row.name for row in found.functions[:7]]
    assert found.top_regression is found.functions[0]


def test_a_function_that_does_less_and_calls_more_is_not_blamed_before_what_it_calls() -> None:
    base = [of_functions(handle=(40, 50), render=(10, 10))] * 20
    head = [of_functions(handle=(10, 80), render=(70, 70))] * 20
    top = compare_requests(base, head).top_regression
    assert top is not None
    assert top.name == "render"


def test_shares_are_compared_request_by_request_however_much_each_does() -> None:
    sizes = [1, 2, 3, 5, 8, 13, 21, 34] * 2
    base = [a_request(0, {"search": 30 * size, "render": 70 * size}) for size in sizes]
    head = [a_request(0, {"search": 45 * size, "render": 55 * size}) for size in sizes]

    found = compare_requests(base, head, basis=Basis.SHARE)

    assert [row.name for row in found.changed] == ["search", "render"]
    assert found.functions[0].self.base == pytest.approx(0.3)
    assert found.functions[0].self.head == pytest.approx(0.45)


def test_by_shares_the_request_is_the_whole_on_both_sides() -> None:
    requests = [a_request(0, {"search": 40, "render": 60})] * 10
    found = compare_requests(requests, requests, basis=Basis.SHARE)

    assert (found.request.base, found.request.head, found.request.interval) == (1.0, 1.0, Interval(0.0, 0.0))
    search = next(row.self for row in found.functions if row.name == "search")
    assert (search.base, search.head) == (0.4, 0.4)
    counted = share_interval(40, 100)  # samples of ten requests
    assert search.interval is not None
    assert search.interval.low == pytest.approx(-math.hypot(0.4 - counted.low, counted.high - 0.4))


@pytest.mark.parametrize(("samples", "counted"), [(10, 100), (100, 1_000), (0, 100)], ids=["10 ms", "1 ms", "unknown"])
def test_requests_are_known_as_well_as_their_own_samples_allow(samples: int, counted: int) -> None:
    requests = [replace(a_request(0, {"search": 100}), samples=samples)] * 10
    found = compare_requests(requests, requests)

    interval = count_interval(counted).times(100 * MS / counted * 10)
    assert found.request.interval is not None
    assert found.request.interval.high == pytest.approx(
        math.hypot(interval.high - 1_000 * MS, 1_000 * MS - interval.low) / 10
    )


@pytest.mark.parametrize("number", [1, 2])
def test_of_one_or_two_requests_nothing_is_known_to_have_changed(number: int) -> None:
    found = compare_requests(drawn_requests(1, number, _WORK), drawn_requests(2, 60, slower("price", 60)))
    assert found.changed == []
    assert not found.request.is_significant


@pytest.mark.parametrize(
    ("error", "deals"), [(ERROR, DEALS), (2 * ERROR, DEALS), (ERROR / 3, 3 * DEALS), (ERROR / 1_000, 40_000)]
)
def test_a_rarer_error_takes_more_deals_and_all_are_of_the_seed_that_was_given(
    monkeypatch: pytest.MonkeyPatch, error: float, deals: int
) -> None:
    asked: list[tuple[float, int, int]] = []

    def test(columns: list[list[float]], _: int, error: float, *, seed: int, deals: int = DEALS) -> PermutationResult:
        asked.append((error, seed, deals))
        return PermutationResult((float(len(asked) == 1),) * len(columns), 1.0)

    monkeypatch.setattr(request_comparison, "permutation_test", test)
    sides = measurement_of(drawn_requests(1, 12, _WORK)), measurement_of(drawn_requests(2, 12, _WORK))
    compare_measurements(*sides, seed=7, error=error)

    assert asked == [(error, 7, pytest.approx(deals, abs=1)), (ERROR, 7, DEALS)], "all quantities, and then the shares"
