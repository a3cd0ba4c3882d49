"""Whether CPU without a span ID explains what spans without samples did: the arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.model.unlabelled import Explains, Timeline, UnlabelledCpu, length_ms, merged, unlabelled_cpu

MS = 1_000_000
NOW_MS = 1_000_000


def timeline(*points: tuple[float, float], interval_s: float = 1.0) -> Timeline:
    """CPU of so many ms in steps that end so many seconds before now."""
    made = sorted((NOW_MS - int(ago_s * 1000), ms * MS) for ago_s, ms in points)
    return Timeline(tuple(made), 1000.0, interval_s * 1000, NOW_MS)


def ran(*starts: float, ms: int = 400) -> list[tuple[int, int]]:
    """Spans that began so many seconds before now."""
    return [(NOW_MS - int(ago_s * 1000), NOW_MS - int(ago_s * 1000) + ms) for ago_s in starts]


QUIET = [(60.0, 10.0), (50.0, 10.0)]


def test_spans_whose_time_is_full_of_cpu_without_a_span_id_computed() -> None:
    found = unlabelled_cpu(ran(20, 15, 10), timeline(*QUIET, (19.5, 380), (14.5, 380), (9.5, 380)))

    assert found.cpu_ns == 3 * 380 * MS
    assert found.open_ns == 3 * 400 * MS
    assert found.explains is Explains.YES


def test_spans_in_whose_time_the_process_hardly_computes_waited() -> None:
    assert unlabelled_cpu(ran(20, 15, 10), timeline(*QUIET, (19.5, 10), (9.5, 20))).explains is Explains.NO


def test_a_process_without_any_cpu_has_only_spans_that_waited() -> None:
    assert unlabelled_cpu(ran(20), timeline()).explains is Explains.NO


def test_cpu_that_the_process_spends_all_the_time_explains_no_span() -> None:
    steady = timeline(*((ago_s, 80.0) for ago_s in range(1, 121)))

    found = unlabelled_cpu(ran(*range(100, 110)), steady)

    assert found.usual_ns == pytest.approx(80 * MS * found.looked_at_ns / 1e9, rel=0.05)
    assert found.explains is Explains.NO


def test_in_a_process_that_is_busy_otherwise_nothing_can_be_told_of_one_span() -> None:
    assert unlabelled_cpu(ran(60), timeline(*((ago_s, 500.0) for ago_s in range(1, 121)))).explains is Explains.PERHAPS


def test_a_busy_start_is_not_what_is_usual() -> None:
    found = unlabelled_cpu(ran(20), timeline((60, 900.0), (40, 10.0), (19.5, 300)))

    assert found.usual_ns is not None
    assert found.usual_ns < 10 * MS
    assert found.explains is Explains.YES


def test_of_an_unknown_process_the_cpu_must_explain_most_of_the_time() -> None:
    young = replace(timeline((2.5, 300.0)), until_ms=NOW_MS - 1000)
    some = replace(timeline((2.5, 140.0)), until_ms=NOW_MS - 1000)

    assert unlabelled_cpu(ran(3), young).usual_ns is None
    assert unlabelled_cpu(ran(3), young).explains is Explains.YES
    assert unlabelled_cpu(ran(3), some).explains is Explains.PERHAPS


def test_part_of_the_time_is_enough_where_the_process_is_quiet_otherwise() -> None:
    starts = [100.0 - 5 * index for index in range(10)]
    found = unlabelled_cpu(ran(*starts), timeline((119, 10), *((ago_s - 0.5, 150.0) for ago_s in starts)))

    assert found.explains is Explains.YES


def test_what_it_costs_to_answer_requests_is_no_work_of_theirs() -> None:
    starts = [100.0 - index for index in range(60)]
    found = unlabelled_cpu(ran(*starts, ms=40), timeline((119, 10), *((ago_s - 0.5, 8.0) for ago_s in starts)))

    assert found.explains is Explains.NO


def test_cpu_that_may_carry_other_span_ids_accuses_nobody() -> None:
    points = replace(timeline(*QUIET, (19.5, 380), (14.5, 380), (9.5, 380)), is_exact=False)

    assert unlabelled_cpu(ran(20, 15, 10), points).explains is Explains.PERHAPS


def test_what_other_spans_may_have_spent_is_not_usual() -> None:
    busy = timeline((119, 10), *((ago_s, 300.0) for ago_s in range(41, 81)), (19.5, 300))
    others = [(NOW_MS - 80_000, NOW_MS - 40_000)]

    assert unlabelled_cpu(ran(20), busy).explains is not Explains.YES
    assert unlabelled_cpu(ran(20), busy, others=others).explains is Explains.YES


def test_a_long_upload_interval_is_where_samples_are_dated_before_the_span() -> None:
    found = unlabelled_cpu(ran(20), timeline((120, 10), (29, 380), interval_s=10.0))

    assert found.cpu_ns == 380 * MS
    assert unlabelled_cpu(ran(20), timeline((120, 10), (31, 380), interval_s=10.0)).cpu_ns == 0


def test_few_samples_prove_nothing() -> None:
    assert UnlabelledCpu(40 * MS, 0.0, 2e9, 60 * MS).explains is Explains.PERHAPS


def test_intervals_that_overlap_are_counted_once() -> None:
    assert merged([(5, 9), (1, 3), (2, 4), (9, 10)]) == [(1, 4), (5, 10)]
    assert length_ms([(1, 4), (5, 10)]) == 8


def test_what_the_spans_own_samples_explain_is_not_left_open() -> None:
    assert unlabelled_cpu(ran(20), timeline(*QUIET), explained_ns=100 * MS).open_ns == 300 * MS
    assert unlabelled_cpu(ran(20), timeline(*QUIET), explained_ns=900 * MS).open_ns == 0


@pytest.mark.parametrize(("ago_ms", "counts"), [(21_001, False), (21_000, True), (18_600, True), (18_599, False)])
def test_cpu_counts_from_an_interval_before_the_span_to_a_step_after_it(ago_ms: int, counts: bool) -> None:
    found = unlabelled_cpu(ran(20), timeline((60, 10), (ago_ms / 1000, 50)))
    assert found.cpu_ns == (50 * MS if counts else 0)


@pytest.mark.parametrize(
    ("begin_ms", "end_ms", "served"),
    [(-22_000, -21_001, 0), (-22_000, -21_000, 1), (-20_000, -19_600, 1), (-17_600, -17_000, 1), (-17_599, -17_000, 0)],
)
def test_requests_count_whose_samples_can_be_in_the_same_profiles(begin_ms: int, end_ms: int, served: int) -> None:
    request = (NOW_MS + begin_ms, NOW_MS + end_ms)
    assert unlabelled_cpu(ran(20), timeline(*QUIET), requests=[request]).served == served


def test_what_is_usual_is_the_average_of_all_other_steps_but_the_busiest() -> None:
    steady = timeline(*((ago_s, 80.0) for ago_s in range(1, 61)))
    # 60 s are known, without 2.4 s around the span, in 57 steps of which each has a point
    assert unlabelled_cpu(ran(20), steady).usual_ns == pytest.approx(80 * MS * 2400 / (57_600 / 57), rel=1e-9)
    assert unlabelled_cpu(ran(20), timeline(*QUIET)).usual_ns == 0


@pytest.mark.parametrize(("first_s", "usual_ms"), [(40.399, None), (40.4, 11.4)])
def test_two_upload_intervals_elsewhere_are_enough_to_know_what_is_usual(
    first_s: float, usual_ms: float | None
) -> None:
    points = timeline((first_s, 10), (12, 30), interval_s=10.0)
    found = unlabelled_cpu(ran(15), points).usual_ns
    assert found == (None if usual_ms is None else pytest.approx(usual_ms * MS))


@pytest.mark.parametrize(
    ("points", "interval_s", "share"),
    [
        ([(20.0, 50), (19.0, 30)], 1.0, 1.0),
        ([(20.5, 50), (19.0, 30)], 1.0, 50 / 80),
        ([(21.0, 10), (20.0, 30), (19.0, 40)], 1.0, 70 / 80),
        ([(20.9, 40), (19.9, 20), (18.9, 40)], 1.0, 60 / 100),
        ([(28.6, 50), (18.6, 30)], 10.0, 1.0),
        ([(28.7, 50), (18.6, 30)], 10.0, 50 / 80),
        ([], 1.0, 1.0),
        ([(20.0, 1e-6)], 1.0, 1.0),
    ],
    ids=[
        "a step apart",
        "further",
        "later",
        "with the first or the last",
        "an interval",
        "longer",
        "none",
        "hardly any",
    ],
)
def test_a_burst_is_in_the_two_busiest_profiles_that_follow_each_other(
    points: list[tuple[float, float]], interval_s: float, share: float
) -> None:
    found = unlabelled_cpu(ran(20), timeline((60, 10), *points, interval_s=interval_s))
    assert found.burst_share == pytest.approx(share)
