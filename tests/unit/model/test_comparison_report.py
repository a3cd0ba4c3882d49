"""Two recordings, measurement by measurement: what is compared, by what, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spanprofiles.model import CPU, Measurement, MeasurementEnvironment
from spanprofiles.model.comparison import Basis, ComparisonVerdict
from spanprofiles.model.comparison_report import compare_pair, compare_recordings, machine_difference
from tests.support.compared_measurements import HERE, measurement, recording

FAST, SLOW = {"search": 200, "render": 100}, {"search": 400, "render": 100}
WALL = "wall:wall:nanoseconds:wall:nanoseconds"


def test_a_request_that_has_become_slower_is_a_regression_and_names_the_function() -> None:
    report = compare_recordings(recording(measurement(FAST)), recording(measurement(SLOW)))

    (compared,) = report.measurements
    assert report.verdict is compared.verdict is ComparisonVerdict.REGRESSION
    assert compared.comparison is not None
    assert compared.comparison.top_regression is not None
    assert compared.comparison.top_regression.name == "search"
    assert (compared.comparison.basis, compared.note) == (Basis.CPU, "")


def test_equal_measurements_are_no_regression() -> None:
    report = compare_recordings(recording(measurement(FAST)), recording(measurement(FAST)))

    assert report.verdict is ComparisonVerdict.NO_REGRESSION


def test_too_few_requests_cannot_say_and_tell_how_many_more_it_takes() -> None:
    few = measurement(FAST, requests=3)
    report = compare_recordings(recording(few), recording(few))

    assert report.verdict is ComparisonVerdict.CANNOT_SAY
    (compared,) = report.compared
    assert compared.comparison is not None
    assert compared.comparison.more_requests == 3


def test_the_worst_verdict_is_that_of_all() -> None:
    base = recording(*(measurement(FAST, name=name, requests=12) for name in ("a", "b")))
    few, slow = measurement(FAST, name="a", requests=3), measurement({"search": 2000}, name="b", requests=12)

    assert compare_recordings(base, recording(few, slow)).verdict is ComparisonVerdict.REGRESSION
    assert compare_recordings(base, recording(few)).verdict is ComparisonVerdict.CANNOT_SAY


def test_measurements_that_only_one_side_has_are_listed_and_have_no_verdict() -> None:
    base = recording(measurement(FAST, name="both"), measurement(FAST, name="gone"))
    head = recording(measurement(FAST, name="both"), measurement(SLOW, name="new"))
    report = compare_recordings(base, head)

    assert (report.only_in_base, report.only_in_head) == (["gone"], ["new"])
    assert [(each.name, each.verdict) for each in report.measurements] == [
        ("both", ComparisonVerdict.NO_REGRESSION),
        ("gone", None),
        ("new", None),
    ]
    assert report.verdict is ComparisonVerdict.NO_REGRESSION


def test_recordings_without_any_pair_cannot_say() -> None:
    base, head = recording(measurement(FAST, name="a")), recording(measurement(FAST, name="b"))

    assert compare_recordings(base, head).verdict is ComparisonVerdict.CANNOT_SAY


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(HERE, machine="another"), "the machine is another one (a processor, then another)"),
        (replace(HERE, host="b"), "the host is another one (a, then b)"),
        (replace(HERE, agent=""), "the agent is another one (pyroscope-io 1.4.0, then unknown)"),
        (replace(HERE, host=""), "the host is another one (a, then unknown)"),
    ],
    ids=["processor", "host", "agent", "unknown host"],
)
def test_between_machines_shares_are_compared_and_it_says_why(other: MeasurementEnvironment, reason: str) -> None:
    twice_as_slow = {name: 2 * cpu_ms for name, cpu_ms in FAST.items()}
    compared = compare_pair("a", measurement(FAST), measurement(twice_as_slow, environment=other))

    assert compared.verdict is ComparisonVerdict.NO_REGRESSION
    assert compared.comparison is not None
    assert compared.comparison.basis is Basis.SHARE
    assert compared.note == f"compared by shares of the CPU, not by CPU time: {reason}"


def test_between_machines_a_function_that_takes_a_larger_share_is_a_regression() -> None:
    elsewhere = measurement({"search": 900, "render": 100}, environment=replace(HERE, host="b"))
    compared = compare_pair("a", measurement(FAST), elsewhere)

    assert compared.verdict is ComparisonVerdict.REGRESSION


def test_another_version_of_the_runtime_is_a_change_like_any_other() -> None:
    assert machine_difference(HERE, replace(HERE, runtime="CPython 3.14.0", app_version="2", seed=7)) == ""


QUIET, BUSY = replace(HERE, processor_wait=0.0), replace(HERE, processor_wait=0.5)


def test_a_busier_machine_is_no_regression_and_the_note_says_how_busy_it_was() -> None:
    quiet = measurement({"search": 200}, environment=QUIET)
    busy = measurement({"search": 400}, environment=BUSY)

    compared = compare_pair("a", quiet, busy, threshold=0.3)
    unknown = compare_pair("a", measurement({"search": 200}), measurement({"search": 400}), threshold=0.3)

    assert compared.verdict is ComparisonVerdict.NO_REGRESSION
    assert compared.note == (
        "CPU is without the time that threads waited for a processor: 0% of it in the base, 50% in the head"
    )
    assert compared.head is not None
    assert compared.head.cpu.value == pytest.approx(200_000_000, rel=0.05)
    assert compared.head.own("search").value == compared.head.total("search").value == compared.head.cpu.value
    assert compared.head.flamegraph.total == pytest.approx(sum(compared.head.cpu_values), rel=1e-6)
    assert unknown.verdict is ComparisonVerdict.REGRESSION


def test_what_is_slower_on_a_busier_machine_is_a_regression_all_the_same() -> None:
    quiet, slow = measurement(FAST, environment=QUIET), measurement({"search": 1600}, environment=BUSY)

    assert compare_pair("a", quiet, slow).verdict is ComparisonVerdict.REGRESSION


def test_a_small_difference_counts_where_threads_hardly_ran() -> None:
    base = measurement({"search": 200}, environment=replace(HERE, processor_wait=0.9))
    head = measurement({"search": 220}, environment=replace(HERE, processor_wait=0.909))

    assert "90% of it in the base, 91% in the head" in compare_pair("a", base, head).note


def test_a_regression_that_only_shows_without_the_waiting_cannot_be_said() -> None:
    busy, quiet = measurement({"search": 400}, environment=BUSY), measurement({"search": 400}, environment=QUIET)
    compared = compare_pair("a", busy, quiet)

    assert compared.verdict is ComparisonVerdict.CANNOT_SAY
    assert compared.comparison is not None
    assert compared.comparison.reason.endswith("measure on a quieter machine, or side by side")
    assert compared.comparison.more_requests is None


def later(measured: Measurement, by_s: int = 3600) -> Measurement:
    """Return a measurement that began so much later."""
    requests = tuple(replace(each, start_ns=each.start_ns + by_s * 10**9) for each in measured.requests)
    return replace(measured, requests=requests)


@pytest.mark.parametrize(
    ("search_ms", "wait", "verdict"),
    [
        (300, 0.9, ComparisonVerdict.CANNOT_SAY),
        (300, 0.75, ComparisonVerdict.CANNOT_SAY),
        (400, 0.9, ComparisonVerdict.REGRESSION),
        (800, 0.9, ComparisonVerdict.REGRESSION),
        (300, 0.2, ComparisonVerdict.REGRESSION),
    ],
    ids=["half as much again", "less busy", "twice", "four times", "hardly busy"],
)
def test_on_a_machine_that_is_always_busy_only_large_growth_is_a_regression(
    search_ms: int, wait: float, verdict: ComparisonVerdict
) -> None:
    there = replace(HERE, processor_wait=wait)
    base, head = measurement({"search": 200}, environment=there), measurement({"search": search_ms}, environment=there)

    assert compare_pair("a", base, later(head)).verdict is verdict
    assert compare_pair("a", base, head).verdict is ComparisonVerdict.REGRESSION  # side by side, both were slowed alike


def test_a_busy_machine_says_how_much_growth_it_may_explain() -> None:
    there = replace(HERE, processor_wait=0.8)
    base, head = measurement({"search": 200}, environment=there), measurement({"search": 300}, environment=there)
    compared = compare_pair("a", base, later(head))

    assert compared.comparison is not None
    assert compared.comparison.reason.startswith("a request uses 300.3 ms of CPU instead of 200.3 ms, +50% (+39% ")
    assert compared.comparison.reason.endswith(
        "; but threads waited for a processor for 80% of the time, so growth by less than 64% may come from other"
        " programs: measure on a quieter machine, or side by side"
    )
    assert compared.comparison.more_requests is None


@pytest.mark.parametrize(("before", "after"), [(None, None), (None, 0.2), (0.2, None)])
def test_a_machine_that_does_not_tell_how_busy_it_was_is_taken_for_a_quiet_one(
    before: float | None, after: float | None
) -> None:
    base = measurement({"search": 200}, environment=replace(HERE, processor_wait=before))
    head = measurement({"search": 300}, environment=replace(HERE, processor_wait=after))

    assert compare_pair("a", base, later(head)).verdict is ComparisonVerdict.REGRESSION


@pytest.mark.parametrize(("by_s", "side_by_side"), [(0, True), (15, True), (45, False), (-15, True), (-45, False)])
def test_measurements_that_overlap_by_most_of_their_time_are_side_by_side(by_s: int, side_by_side: bool) -> None:
    there = replace(HERE, processor_wait=0.9)
    base, head = measurement({"search": 200}, environment=there), measurement({"search": 300}, environment=there)

    verdict = compare_pair("a", base, later(head, by_s)).verdict  # each has a request a second, for a minute

    assert verdict is (ComparisonVerdict.REGRESSION if side_by_side else ComparisonVerdict.CANNOT_SAY)


def test_on_a_busy_machine_what_did_not_grow_is_no_regression_all_the_same() -> None:
    busy = measurement(FAST, environment=replace(HERE, processor_wait=0.9))

    assert compare_pair("a", busy, later(busy)).verdict is ComparisonVerdict.NO_REGRESSION


@pytest.mark.parametrize("empty", ["base", "head", "both"])
def test_a_side_without_requests_has_nothing_to_say(empty: str) -> None:
    some, none = measurement(FAST), measurement(FAST, requests=0)
    base, head = none if empty != "head" else some, none if empty != "base" else some

    assert compare_pair("a", base, head).verdict is ComparisonVerdict.CANNOT_SAY


def test_machines_that_nobody_knows_are_not_taken_for_the_same() -> None:
    unknown = MeasurementEnvironment()

    assert machine_difference(unknown, unknown) == "the machines are unknown"
    for known in (MeasurementEnvironment(machine="a processor"), MeasurementEnvironment(host="a")):
        assert machine_difference(known, known) == ""


def test_an_agent_that_only_one_side_knows_is_another_one() -> None:
    assert machine_difference(replace(HERE, agent=""), HERE) == (
        "the agent is another one (unknown, then pyroscope-io 1.4.0)"
    )


@pytest.mark.parametrize("same_name", [True, False])
def test_profiles_of_different_types_are_refused(*, same_name: bool) -> None:
    other = "process_cpu:samples:count:cpu:nanoseconds" if same_name else WALL
    compared = compare_pair("a", measurement(FAST), measurement(FAST, profile_type=other))

    assert compared.verdict is ComparisonVerdict.CANNOT_SAY
    assert compared.comparison is None
    before, after = (CPU, other) if same_name else ("CPU time", "wall time")
    assert compared.note == f"refused: the base has samples of {before}, the head of {after}"


def test_apps_in_different_languages_are_refused() -> None:
    rewritten = measurement(FAST, environment=replace(HERE, runtime="go 1.23"))
    compared = compare_pair("a", measurement(FAST), rewritten)

    assert compared.verdict is ComparisonVerdict.CANNOT_SAY
    assert compared.name == "a"
    assert compared.note == ("refused: the base runs on CPython, the head on go, whose functions have other names")


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ("CPython", "go", True),
        ("CPython 3.13.1", "CPython 3.13.1 free threading", False),
        ("CPython 3.13.1", "", False),
    ],
)
def test_the_first_word_of_a_runtime_is_its_language(before: str, after: str, is_refused: bool) -> None:
    base, head = (measurement(FAST, environment=replace(HERE, runtime=runtime)) for runtime in (before, after))

    assert compare_pair("a", base, head).note.startswith("refused: ") is is_refused


def test_the_threshold_decides_what_counts() -> None:
    base, head = measurement({"search": 200}), measurement({"search": 260})

    assert compare_pair("a", base, head, threshold=0.1).verdict is ComparisonVerdict.REGRESSION
    assert compare_pair("a", base, head, threshold=0.5).verdict is ComparisonVerdict.NO_REGRESSION


def test_what_is_a_change_by_itself_may_be_chance_among_many() -> None:
    base, head = measurement({"search": 200}, requests=8), measurement({"search": 260}, requests=8)
    alone, among_many = (compare_pair("a", base, head, threshold=0.01, among=among) for among in (1, 200))

    assert alone.comparison is not None
    assert among_many.comparison is not None
    assert alone.comparison.changed
    assert not among_many.comparison.changed


def test_one_of_two_comparisons_is_held_to_half_the_chance_of_a_false_alarm() -> None:
    base, head = (
        [measurement({"search": search, "render": 100}, name=name, requests=20) for name in ("a", "b")]
        for search in (200, 215)
    )
    assert compare_pair("a", base[0], head[0], threshold=0.01).verdict is ComparisonVerdict.REGRESSION
    alone = compare_recordings(recording(*base), recording(head[0]), threshold=0.01)
    both = compare_recordings(recording(*base), recording(*head), threshold=0.01)

    assert [each.verdict for each in alone.measurements] == [ComparisonVerdict.REGRESSION, None]
    assert [each.verdict for each in both.measurements] == [ComparisonVerdict.CANNOT_SAY] * 2


def test_several_measurements_of_other_machines_are_all_compared_by_shares() -> None:
    elsewhere = replace(HERE, host="b")
    base = [measurement(FAST, name=name, requests=12) for name in ("a", "b")]
    head = [measurement({"search": 1800}, name=name, requests=12, environment=elsewhere) for name in ("a", "b")]

    for compared in compare_recordings(recording(*base), recording(*head)).measurements:
        assert compared.comparison is not None
        assert compared.comparison.basis is Basis.SHARE
        assert compared.verdict is ComparisonVerdict.REGRESSION
