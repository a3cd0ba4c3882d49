"""Figures are written with how well they are known, and without digits that are not."""

from __future__ import annotations

import pytest

from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model import estimate_text as text
from spanprofiles.model.intervals import Interval

MS = 1_000_000


def cpu(ms: int) -> FlameGraph:
    return FlameGraph([(("handle",), ms * MS)])


@pytest.mark.parametrize(
    ("ms", "written"),
    [
        (10, "10 ms (1 sample, 2 to 57 ms)"),
        (50, "50 ms (5 samples, 20 to 120 ms)"),
        (550, "550 ms (55 samples, 420 to 720 ms)"),
        (1_840, "1.84 s (184 samples, 1.59 to 2.13 s)"),
        (10_000, "10.0 s (1,000 samples, 9.4 to 10.6 s)"),
        (1_234_560, "1,235 s (123,456 samples, 1,228 to 1,241 s)"),
    ],
)
def test_an_amount_has_its_samples_its_interval_and_no_false_digit(ms: int, written: str) -> None:
    assert text.amount(cpu(ms)) == written


def test_an_amount_says_what_it_is_of() -> None:
    assert text.of_what(cpu(550)) == "550 ms of CPU (55 samples, 420 to 720 ms)"
    assert text.of_what(FlameGraph([(("f",), 38)], "wall:samples:count:cpu:nanoseconds")) == (
        "38 samples of wall time (28 to 52)"
    )


def test_a_part_of_a_flame_graph_has_its_own_samples() -> None:
    assert text.amount(cpu(550), 50 * MS) == "50 ms (5 samples, 20 to 120 ms)"


@pytest.mark.parametrize(
    ("ms", "figure", "whole"),
    [
        (550, "550 ms", "550 ms (55 samples, 420 to 720 ms)"),
        (10_000, "10.0 s", "10.0 s (1,000 samples, 9.4 to 10.6 s)"),
        (555, "555.0 ms", "555.0 ms"),  # of no whole number of samples
        (0, "0 us", "0 ms (0 samples, 0 to 38 ms)"),
    ],
)
def test_cpu_without_its_flame_graph_is_made_of_the_usual_samples(ms: int, figure: str, whole: str) -> None:
    assert text.cpu_figure(ms * MS) == figure
    assert text.cpu(ms * MS) == whole


@pytest.mark.parametrize(
    ("profile_type", "value", "reach"),
    [
        (CPU, 550 * MS, "420 to 720 ms"),
        ("wall:samples:count:cpu:nanoseconds", 38, "28 to 52"),
        ("memory:alloc_space:bytes:space:bytes", 1536, ""),
    ],
)
def test_an_interval_by_itself_is_empty_where_there_is_none(profile_type: str, value: int, reach: str) -> None:
    assert text.reach(FlameGraph([(("f",), value)], profile_type), value) == reach


def test_what_is_not_counted_in_samples_has_no_interval() -> None:
    memory = FlameGraph([(("f",), 1536)], "memory:alloc_space:bytes:space:bytes")
    assert text.amount(memory) == "1.5 KiB"
    assert text.of_what(memory) == "1.5 KiB of alloc_space"
    assert text.of_what(FlameGraph(memory.stacks, memory.profile_type, sample_value=512)) == "1.5 KiB of alloc_space"
    assert text.share_of(FlameGraph(), 0) == "0 % (0 to 100 %)", "nothing was counted"
    assert text.of_what(FlameGraph()) == "0 us of CPU"


@pytest.mark.parametrize(
    ("share", "interval", "written"),
    [
        (0.45, Interval(0.26, 0.658), "45 % (26 to 66 %)"),
        (0.333, Interval(0.3301, 0.3359), "33.30 % (33.01 to 33.59 %)"),
        (0.0, Interval(0.0, 0.161), "0 % (0 to 16 %)"),
        (0.45, Interval(0.0, 0.81), "45 % (0 to 81 %)"),
        (0.45, Interval(0.434, 0.466), "45 % (43 to 47 %)"),
        (0.5, None, "50 %"),
    ],
)
def test_a_share_is_written_in_percent(share: float, interval: Interval | None, written: str) -> None:
    assert text.share(share, interval) == written


def test_a_change_is_written_with_its_sign() -> None:
    assert text.change(120 * MS, Interval(-40 * MS, 280 * MS)) == "+120 ms (-40 to +280 ms)"
    assert text.change(-1_200 * MS, Interval(-2_000 * MS, -400 * MS)) == "-1.2 s (-2.0 to -0.4 s)"


@pytest.mark.parametrize(
    ("change_ns", "low_ns", "high_ns", "written"),
    [
        (600 * MS, 200 * MS, 1_000 * MS, "+0.6 s (+0.2 to +1.0 s)"),
        (-600 * MS, -1_000 * MS, -200 * MS, "-0.6 s (-1.0 to -0.2 s)"),
        (600_000, 200_000, MS, "+0.6 ms (+0.2 to +1.0 ms)"),
        (600, 200, 999, "+0.6 us (+0.2 to +1.0 us)"),
    ],
)
def test_a_change_has_the_largest_unit_that_its_interval_reaches(
    change_ns: int, low_ns: int, high_ns: int, written: str
) -> None:
    assert text.change(change_ns, Interval(low_ns, high_ns)) == written


def test_a_time_without_an_interval_has_three_digits() -> None:
    assert text.time(561_234_567, None) == "561 ms"
    assert text.time(561_234_567, Interval(512 * MS, 611 * MS)) == "560 ms (510 to 610 ms)"
    assert text.time(0, Interval(0, 0)) == "0 us (0 to 0 us)"
    assert text.time(1_000 * MS, None) == "1 s"


def test_a_time_has_the_unit_in_which_its_interval_is_read() -> None:
    assert text.time(900 * MS, Interval(200 * MS, 3_000 * MS)) == "0.9 s (0.2 to 3.0 s)"
    assert text.time(900 * MS, Interval(200 * MS, 2_990 * MS)) == "900 ms (200 to 3,000 ms)"


def test_nothing_is_written_without_a_sign_before_it() -> None:
    assert text.change(-0.2 * MS, Interval(-40 * MS, 40 * MS)) == "+0 ms (-40 to +40 ms)"


@pytest.mark.parametrize(("half", "place"), [(14.0, 1.0), (35.4, 1.0), (35.6, 10.0), (99.0, 10.0), (0.5, 0.1)])
def test_the_last_digit_is_of_the_size_of_the_uncertainty(half: float, place: float) -> None:
    assert text.step(half) == pytest.approx(place)
