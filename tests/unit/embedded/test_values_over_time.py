"""What metrics make of single numbers: extremes, sums and averages, samples, exemplars, buckets and quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from spanprofiles.embedded.traceql.accumulators import Accumulator, Average, Count, Greatest, Least, Sum
from spanprofiles.embedded.traceql.exemplars import Exemplars
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.quantiles import bucket_of, quantile
from spanprofiles.embedded.traceql.sampling import Sampler, samplers_of
from spanprofiles.embedded.traceql.series import Series, check_points, check_series, label_value, sort_key
from spanprofiles.embedded.traceql.values import (
    BOOLEAN,
    DURATION,
    FLOAT,
    INTEGER,
    INTEGER_ARRAY,
    KIND,
    NOTHING,
    STRING,
    TRUE,
    Static,
)

SECOND_NS = 10**9
NONE = math.nan
"""A span without a value."""


def taken(make: Callable[[], Accumulator], *numbers: float) -> Accumulator:
    accumulator = make()
    for number in numbers:
        accumulator.add(number)
    return accumulator


@pytest.mark.parametrize(
    ("make", "numbers", "result"),
    [
        (Count, [], 0),
        (Count, [5, NONE, 7], 3),
        (Least, [], NONE),
        (Least, [5, 3, 4], 3),
        (Least, [NONE, 5, NONE], 5),
        (Greatest, [], NONE),
        (Greatest, [4, 5, 3], 5),
        (Greatest, [NONE, -5, NONE], -5),
        (Sum, [], NONE),
        (Sum, [1, 2, 4], 7),
        (Sum, [NONE, 2, 4], 6),
        (Average, [], NONE),
        (Average, [1, 2, 6], 3),
        (Average, [-4, 4, 6, 10], 4),
    ],
)
def test_numbers_are_joined_to_one(make: Callable[[], Accumulator], numbers: list[float], result: float) -> None:
    assert taken(make, *numbers).result == pytest.approx(result, nan_ok=True)


@pytest.mark.parametrize(
    ("numbers", "result"),
    [([1, NONE], NONE), ([1, NONE, 2], 2), ([1, NONE, 2, 3], NONE), ([1, NONE, 2, 3, 4], 4)],
)
def test_a_sum_is_lost_to_a_span_without_a_value_and_to_every_second_after_it(
    numbers: list[float], result: float
) -> None:
    assert taken(Sum, *numbers).result == pytest.approx(result, nan_ok=True)


@pytest.mark.parametrize("numbers", [[1e16, 1.0, 3.0], [1.0, 1e16, 3.0], [-1e16, -1.0, -3.0]])
def test_what_a_sum_is_too_large_to_hold_is_taken_from_the_next_number(numbers: list[float]) -> None:
    assert abs(taken(Sum, *numbers).result) == 1e16 + 2


def test_a_sum_beyond_all_floats_is_infinite() -> None:
    assert taken(Sum, 1e308, 1e308, 1.0).result == math.inf


@pytest.mark.parametrize(
    ("make", "first", "second", "result"),
    [
        (Count, [1, 2], [3], 3),
        (Least, [3], [2], 2),
        (Least, [3], [], 3),
        (Greatest, [3], [4], 4),
        (Greatest, [], [4], 4),
        (Sum, [1, 2], [4], 7),
        (Sum, [], [4], 4),
        (Sum, [1, 2], [], 3),
        (Average, [2, 4], [9], 5),
        (Average, [9], [2, 4], 5),
        (Average, [], [2, 4], 3),
        (Average, [2, 4], [], 3),
    ],
)
def test_two_groups_are_joined_as_if_their_numbers_had_come_together(
    make: Callable[[], Accumulator], first: list[float], second: list[float], result: float
) -> None:
    joined = taken(make, *first)
    joined.join(taken(make, *second))
    assert joined.result == pytest.approx(result)


def test_an_average_of_joined_groups_weighs_each_number_alike_whatever_follows() -> None:
    joined = taken(Average)
    joined.join(taken(Average, 1, 2, 3))
    joined.join(taken(Average, 10))
    joined.add(24)
    assert joined.result == pytest.approx(8)


@pytest.mark.parametrize(
    ("hints", "every", "factor"),
    [
        ({"sample": (FLOAT, 0.5)}, 2, 2),
        ({"sample": (FLOAT, 0.25)}, 4, 4),
        ({"span_sample": (FLOAT, 0.1)}, 10, 10),
    ],
)
def test_a_share_of_the_spans_is_read_the_first_among_them(hints: dict[str, Static], every: int, factor: int) -> None:
    traces, spans = samplers_of(hints, by_trace=False)
    assert traces is None
    assert spans is not None
    assert [spans.takes() for _ in range(2 * every)] == 2 * [True, *(every - 1) * [False]]
    assert spans.factor == factor


@pytest.mark.parametrize("hint", [(FLOAT, 0.0), (FLOAT, 1.0), (INTEGER, 1), (STRING, "0.5"), (BOOLEAN, False), None])
def test_what_is_no_share_between_none_and_all_reads_everything(hint: Static | None) -> None:
    hints = {} if hint is None else {"sample": hint, "span_sample": hint, "trace_sample": hint}
    assert samplers_of(hints, by_trace=True) == (None, None)


def test_a_sample_is_of_traces_where_a_query_needs_them_whole() -> None:
    hints: dict[str, Static] = {"sample": (FLOAT, 0.5), "span_sample": (FLOAT, 0.25), "trace_sample": (FLOAT, 0.1)}
    for by_trace, expected in ((True, [2, 4]), (False, [10, 2])):
        samplers = samplers_of(hints, by_trace=by_trace)
        takes = [[sampler.takes() for _ in range(20)] for sampler in samplers if sampler is not None]
        assert [20 // sum(taken) for taken in takes] == expected


def test_a_sampler_that_adapts_reads_all_until_something_is_found() -> None:
    (_, sampler) = samplers_of({"sample": TRUE}, by_trace=False)
    assert sampler is not None
    assert [sampler.takes() for _ in range(20)] == 20 * [True]
    sampler.measured(1)
    # One in 20 counts: so few that every one of them is read.
    assert [sampler.takes() for _ in range(3)] == [True, True, True]
    assert sampler.factor == 1


def test_a_sampler_that_adapts_reads_one_in_ten_where_all_of_them_count() -> None:
    sampler = Sampler(None)
    sampler.takes()
    sampler.measured(1)
    assert [sampler.takes() for _ in range(20)] == 2 * [True, *9 * [False]]
    assert sampler.factor == 21 / 3


def test_a_sampler_that_adapts_reads_more_where_fewer_count() -> None:
    sampler = Sampler(None)
    assert [sampler.takes() for _ in range(5)] == 5 * [True]
    sampler.measured(1)
    sampler.measured(0)  # of five, one counts: every second is read
    assert [sampler.takes() for _ in range(6)] == 3 * [True, False]


def test_a_sampler_that_does_not_adapt_keeps_its_share_whatever_is_found() -> None:
    sampler = Sampler(2)
    takes = []
    for _ in range(6):
        takes.append(sampler.takes())
        sampler.measured(100)
    assert takes == 3 * [True, False]


def test_nothing_read_stands_for_itself() -> None:
    assert Sampler(2).factor == 1


MINUTE = Intervals.of_range(120 * SECOND_NS, 180 * SECOND_NS, 60 * SECOND_NS)
"""From 60 s to 180 s: two steps."""


def test_exemplars_are_spread_two_to_each_part_of_the_time() -> None:
    exemplars = Exemplars(4, MINUTE)
    times = [60_000, 61_000, 62_000, 120_000, 179_000, 180_000]
    assert [exemplars.takes(at) for at in times] == [True, True, False, True, True, False]


def test_exemplars_outside_the_time_of_a_query_are_not_taken() -> None:
    exemplars = Exemplars(100, MINUTE)
    assert [exemplars.takes(at) for at in (59_999, 60_000, 180_000, 180_001)] == [False, True, True, False]


def test_the_last_part_of_the_time_takes_what_division_leaves_over() -> None:
    exemplars = Exemplars(14, MINUTE)  # seven parts of 17.1 s
    assert [exemplars.takes(at) for at in (179_998, 179_999, 180_000)] == [True, True, False]


def test_a_single_exemplar_may_be_asked_for() -> None:
    exemplars = Exemplars(1, MINUTE)
    assert [exemplars.takes(at) for at in (100_000, 101_000)] == [True, False]
    assert not Exemplars(0, MINUTE).takes(100_000)


def test_a_moment_has_no_exemplars() -> None:
    assert not Exemplars(5, Intervals.at_once(60 * SECOND_NS, 180 * SECOND_NS)).takes(100_000)


def test_a_query_of_no_length_has_room_for_an_exemplar() -> None:
    assert Exemplars(5, Intervals(0, 0, SECOND_NS, 0)).takes(0)


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ((INTEGER, 1), None),
        ((INTEGER, 2), 2),
        ((INTEGER, 3), 4),
        ((INTEGER, 4), 4),
        ((INTEGER, 2**53 + 1), 2.0**53),
        ((INTEGER, 2**62 + 1), 2.0**62),
        ((INTEGER, -5), None),
        ((DURATION, 1), None),
        ((DURATION, 2**30), 2**30 / SECOND_NS),
        ((DURATION, 2**30 + 1), 2**31 / SECOND_NS),
        ((FLOAT, 3.0), None),
        ((STRING, "3"), None),
        (NOTHING, None),
    ],
)
def test_a_value_is_in_the_bucket_of_the_next_power_of_two(value: Static, bound: float | None) -> None:
    assert bucket_of(value) == bound


@pytest.mark.parametrize(
    ("share", "counts", "value"),
    [
        (0.5, {}, 0),
        (0.5, {4.0: 0}, 0),
        (1.0, {2.0: 1, 8.0: 3}, 8),
        (0.25, {2.0: 1, 8.0: 3}, 2),
        (0.0, {2.0: 1, 8.0: 3}, 2),
        (0.0, {8.0: 2}, 4 * 2**0.5),  # the first of two, in a bucket from 4 to 8
        (0.5, {2.0: 1, 8.0: 3}, 2 * 4 ** (1 / 3)),  # the first of three, in a bucket from 2 to 8
        (0.75, {2.0: 1, 8.0: 3}, 2 * 4 ** (2 / 3)),
    ],
)
def test_a_quantile_is_read_from_the_bucket_that_it_falls_in(
    share: float, counts: dict[float, int], value: float
) -> None:
    assert quantile(share, counts) == pytest.approx(value)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ((STRING, "x"), (STRING, "x")),
        ((INTEGER, 3), (INTEGER, 3)),
        ((FLOAT, 1.5), (FLOAT, 1.5)),
        (TRUE, TRUE),
        ((KIND, 2), (STRING, "server")),
        ((DURATION, 1_500), (STRING, "1.5µs")),
        ((INTEGER_ARRAY, (1, 2)), (STRING, "nil")),
        (NOTHING, (STRING, "nil")),
    ],
)
def test_a_label_is_a_scalar_or_a_text(value: Static, label: Static) -> None:
    assert label_value(value) == label


def test_series_are_ordered_by_the_number_of_their_labels_then_as_go_prints_them() -> None:
    labels: list[Static] = [(BOOLEAN, True), (FLOAT, 2.0), (INTEGER, 1), (STRING, "a")]
    series = [Series((("x", value),), {}, zeros=True) for value in reversed(labels)]
    series.append(Series((("a", labels[0]), ("b", labels[0])), {}, zeros=True))
    assert [each.labels[0][1] for each in sorted(series, key=sort_key)] == [*labels, labels[0]]


def test_a_series_has_values_where_there_are_some_and_zeros_only_if_it_counts() -> None:
    values = {-1: 5.0, 0: 2.0, 1: NONE}
    counted, measured = Series((), values, zeros=True), Series((), values, zeros=False)
    assert [counted.value(step) for step in (0, 1, 2)] == [2, None, 0]
    assert [measured.value(step) for step in (0, 1, 2)] == [2, None, None]
    assert Series((), {}, zeros=True).is_given()
    assert not Series((), {-1: 5.0, 0: NONE}, zeros=False).is_given()
    assert Series((), {0: 5.0}, zeros=False).is_given()


def test_the_limits_of_series_and_values_may_be_reached() -> None:
    check_series(20_000, 100)
    check_points(500_000)
    with pytest.raises(Exception, match="makes more than 20000 series: group by fewer attributes, or ask for less"):
        check_series(20_001)
    with pytest.raises(Exception, match="gives 20000 series of 101 steps, which are more than 2000000 values: ask for"):
        check_series(20_000, 101)
    with pytest.raises(Exception, match="keeps more than 500000 values: ask for a longer step, less time, or fewer"):
        check_points(500_001)
