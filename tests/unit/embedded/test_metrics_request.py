"""What a metrics query may ask for: its times and steps, as Tempo reads them."""

from __future__ import annotations

import pytest

from spanprofiles.embedded.tempo.metrics_request import MetricsRequest
from spanprofiles.embedded.tempo.times import since_ns, step_ns, timestamp_ns
from spanprofiles.embedded.traceql.intervals import Intervals, default_step_ns
from spanprofiles.embedded.traceql.limits import STEPS_LIMIT
from spanprofiles.embedded.traceql.quantiles import quantile
from spanprofiles.embedded.web import AnswerError

SECOND = 10**9
NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("1800000000", NOW),
        ("1800000000.25", NOW + SECOND // 4),
        ("1800000000.0004", NOW),
        ("1800000000000000007", NOW + 7),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T09:00:00.000000007+01:00", NOW + 7),
        ("2027-01-15T08:00:00.0000000079Z", NOW + 7),
    ],
)
def test_times_are_seconds_nanoseconds_or_dates(written: str, nanoseconds: int) -> None:
    assert timestamp_ns(written) == nanoseconds


@pytest.mark.parametrize("written", ["x", "1e9", "1_000", "٣", "9" * 30, "9" * 400 + ".5", "2027-13-15T08:00:00Z", "-"])
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        timestamp_ns(written)


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [("15", 15 * SECOND), ("0.5", SECOND // 2), ("1e1", 10 * SECOND), ("30s", 30 * SECOND), ("1m30s", 90 * SECOND),
     ("1.5h", 5_400 * SECOND), ("100ms", SECOND // 10), ("7µs", 7_000), ("-5s", -5 * SECOND), ("+5s", 5 * SECOND),
     ("0", 0)],
)  # fmt: skip
def test_steps_are_seconds_or_durations(written: str, nanoseconds: int) -> None:
    assert step_ns(written) == nanoseconds


@pytest.mark.parametrize("written", ["x", "1d", "s", "1s2", "1 s", "1e300", "9999999999999h", "inf", "nan", "5S"])
def test_what_is_no_step_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"valid duration|out of range"):
        step_ns(written)


@pytest.mark.parametrize(
    ("written", "seconds"), [("5m", 300), ("1h30m", 5_400), ("2d", 172_800), ("1w", 604_800), ("0", 0)]
)
def test_a_time_until_now_is_written_as_prometheus_does(written: str, seconds: int) -> None:
    assert since_ns(written) == seconds * SECOND


@pytest.mark.parametrize("written", ["", "x", "1.5h", "5", "1m1h", "99999y", "1s "])
def test_what_is_no_time_until_now_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid duration|out of range"):
        since_ns(written)


@pytest.mark.parametrize(
    ("size_s", "step_s"), [(30, 0.1), (5, 0.05), (60, 1), (1_200, 5), (3_600, 15), (43_200, 180), (86_400, 300)]
)
def test_a_step_that_nobody_named_gives_about_240_values(size_s: int, step_s: float) -> None:
    assert default_step_ns(size_s * SECOND) == step_s * SECOND


def _range(**parameters: str) -> Intervals:
    return MetricsRequest.of_range(parameters, NOW + 1).intervals


def test_a_range_without_times_is_the_last_hour() -> None:
    intervals = _range(step="60")
    assert (intervals.start_ns, intervals.end_ns) == (NOW - 3_660 * SECOND, NOW + 60 * SECOND)


def test_a_range_may_begin_so_long_before_now() -> None:
    assert _range(step="30s", since="5m").start_ns == NOW - 330 * SECOND


def test_a_range_that_ends_in_the_future_begins_so_long_before_now() -> None:
    assert _range(step="30s", since="5m", end="1800000600").start_ns == NOW - 330 * SECOND


def test_a_step_takes_its_end_and_not_its_beginning() -> None:
    intervals = Intervals.of_range(615 * SECOND, 655 * SECOND, 30 * SECOND)
    assert [intervals.index(at) for at in (600 * SECOND, 600 * SECOND + 1, 630 * SECOND, 631 * SECOND)] == [0, 1, 1, 2]
    assert [intervals.timestamp_ms(step) for step in range(intervals.count)] == [600_000, 630_000, 660_000]


def test_spans_of_one_more_step_give_their_series_but_no_values() -> None:
    intervals = Intervals.of_range(615 * SECOND, 655 * SECOND, 30 * SECOND)
    assert [intervals.takes(at * SECOND) for at in (540, 541, 660, 661)] == [False, True, True, False]
    assert intervals.index(570 * SECOND) == -1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start": "10", "end": "5"}, "end must be greater than start"),
        ({"start": "x"}, "could not parse 'start' parameter"),
        ({"end": "x"}, "could not parse 'end' parameter"),
        ({"since": "x"}, "could not parse 'since' parameter"),
        ({"step": "x"}, 'cannot parse "x"'),
        ({"step": "0"}, "step of 0s is too small"),
        ({"step": "1ms"}, "step of 1ms is too small, minimum step for given range is 360ms"),
        ({"step": "-5"}, "start required"),
        ({"step": "99999999999s"}, "out of range"),
        ({"start": "0", "end": "60"}, "start required"),
        ({"start": "-60", "end": "60"}, "start required"),
        ({"since": "25h"}, "exceeds the maximum allowed duration of 24h0m0s"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(AnswerError) as refused:
        MetricsRequest.of_range(parameters, NOW)
    assert refused.value.response.status_code == 400
    assert message in refused.value.response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start": "5", "end": "5"}, "end must be greater than start"),
        ({"start": "0", "end": "5"}, "start required"),
        ({"since": "25h"}, "exceeds the maximum allowed duration of 24h0m0s"),
    ],
)
def test_a_moment_that_makes_no_sense_is_refused(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(AnswerError) as refused:
        MetricsRequest.at_once(parameters, NOW)
    assert message in refused.value.response.get_data(as_text=True)


def test_as_many_steps_as_may_be_are_taken() -> None:
    assert _range(start="1799990000", end="1800000000", step="1").count == STEPS_LIMIT + 1


@pytest.mark.parametrize(
    ("parameters", "limit"), [({"maxSeries": "7"}, 7), ({"maxSeries": "x"}, 0), ({"maxSeries": "9" * 12}, 0), ({}, 0)]
)
def test_a_number_that_is_none_does_not_count(parameters: dict[str, str], limit: int) -> None:
    assert MetricsRequest.of_range(parameters, NOW).limit == limit


@pytest.mark.parametrize(
    ("share", "counts", "value"),
    [
        (0.5, {}, 0.0),
        (0.0, {4.0: 1, 8.0: 1}, 4.0),
        (0.5, {4.0: 1, 8.0: 1}, 4.0),
        (1.0, {4.0: 1, 8.0: 1}, 8.0),
        (0.5, {4.0: 2}, 2 * 2**0.5),
        (0.75, {8.0: 2, 32.0: 2}, 16.0),
    ],
)
def test_between_two_bounds_a_quantile_grows_evenly_by_its_logarithm(
    share: float, counts: dict[float, int], value: float
) -> None:
    assert quantile(share, counts) == pytest.approx(value)


def test_a_wrong_step_is_refused_in_the_words_of_tempo() -> None:
    with pytest.raises(AnswerError) as refused:
        MetricsRequest.of_range({"step": "x"}, NOW)
    assert refused.value.response.get_data(as_text=True) == 'cannot parse "x" to a valid duration'


def test_a_range_may_begin_where_it_ends() -> None:
    moment = str(NOW // SECOND)
    assert MetricsRequest.of_range({"start": moment, "end": moment, "step": "60"}).intervals.count == 1


def test_as_many_series_may_be_asked_for_as_32_bits_can_say() -> None:
    for written, limit in (("4294967295", 4_294_967_295), ("4294967296", 0)):
        assert MetricsRequest.of_range({"maxSeries": written}, NOW).limit == limit


def test_a_time_in_milliseconds_is_in_the_step_that_ends_at_or_after_it() -> None:
    steps = Intervals.of_range(120 * SECOND, 180 * SECOND, 60 * SECOND)  # from 60 s to 180 s
    times = [60_000, 60_001, 120_000, 120_001, 180_000, 180_001]
    assert [steps.index_of_ms(at) for at in times] == [None, 0, 0, 1, 1, None]
    moment = Intervals.at_once(60 * SECOND + 5, 180 * SECOND + 5)
    assert [moment.index_of_ms(at) for at in (59_999, 60_000, 180_000, 180_001)] == [None, 0, 0, None]
