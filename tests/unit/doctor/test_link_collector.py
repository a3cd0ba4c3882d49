"""What is asked about links: where samples are looked for, which spans are checked, and until when."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from spanprofiles.clients import ProfileQuery, ProfileSeries, PyroscopeClient, TempoClient
from spanprofiles.doctor.collectors import links
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.unlabelled import unlabelled_functions
from spanprofiles.doctor.observations import LabelCheck, Link, Place
from spanprofiles.doctor.processes import ProcessLabel
from spanprofiles.doctor.question import Question
from spanprofiles.model import FlameGraph, Span
from tests.support.collectors import QUESTION, SAMPLES, Pyroscope, assert_about_the_service, case_of
from tests.support.doctor import MS, NOW_NS, SERVICE, a_span, cpu_at, facts, linked, profiled, unlinked


def test_checks_made_in_time_are_kept_when_none_is_left_for_their_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = "http://127.0.0.1:9"
    case = Case(TempoClient(nowhere), PyroscopeClient(nowhere), Question(SERVICE, NOW_NS))
    span = replace(a_span(), end_ns=NOW_NS - 10**12)
    found = [Link(span, Place.EMBEDDED, 10**7)]

    def last_in_time(case: Case, span: Span, *, with_names: bool) -> LabelCheck:
        assert with_names
        object.__setattr__(case, "deadline", time.monotonic())
        return LabelCheck(span, late_ns=10**7, foreign_ns=10**7)

    monkeypatch.setattr(links, "_check", last_in_time)

    checks = links._checks(case, found, with_names=True)

    assert [(check.late_ns, check.neighbours) for check in checks] == [(10**7, ())]


def test_samples_with_a_neighbours_name_are_told_from_those_of_a_renamed_span() -> None:
    bike, car, later = a_span("GET /bike"), a_span("GET /car"), a_span("GET /later", ago_s=5)
    values = {"GET /bike": 70 * MS, "GET /car": 30 * MS}

    def named(query: ProfileQuery) -> FlameGraph:
        name = re.findall('span_name="([^"]*)"', query.selector)[-1]
        return FlameGraph([(("work",), values.get(name, 0))])

    pyroscope = Pyroscope(named)
    checked = links._with_neighbours(case_of(pyroscope=pyroscope), LabelCheck(bike, foreign_ns=1), [bike, car, later])

    assert (checked.own_ns, checked.neighbours) == (70 * MS, ("GET /car",))
    assert not any("GET /later" in query.selector for query in pyroscope.asked), "it ran at another time"
    assert_about_the_service(pyroscope)


def test_samples_far_away_are_placed_and_those_that_came_meanwhile_are_near() -> None:
    span = a_span()
    alone = Link(span, Place.NOWHERE)

    def is_wide(query: ProfileQuery) -> bool:
        return query.start_ms < span.start_ns // MS - 600_000

    def whole_alone(query: ProfileQuery) -> FlameGraph:
        return SAMPLES if is_wide(query) else FlameGraph()

    assert links._far(case_of(), alone) is alone
    assert links._far(case_of(pyroscope=Pyroscope(lambda _: SAMPLES)), alone).place is Place.EMBEDDED
    far = links._far(case_of(pyroscope=Pyroscope(whole_alone)), alone)
    assert (far.place, far.is_earlier, far.cpu_ns) == (Place.OUTSIDE, True, 30 * MS)
    assert far.profile_type == QUESTION.profile_type


def holds(*moments_ms: int) -> Pyroscope:
    """A Pyroscope with profiles of some dates, ms since the epoch."""
    return Pyroscope(
        lambda query: SAMPLES if any(query.start_ms <= date <= query.end_ms for date in moments_ms) else FlameGraph()
    )


@pytest.mark.parametrize(
    ("seconds", "place", "is_earlier"),
    [
        (-3600, Place.OUTSIDE, True),
        (-61, Place.OUTSIDE, True),
        (-60, Place.BUTTON, True),
        (-31, Place.BUTTON, True),
        (-30, Place.EMBEDDED, None),
        (30, Place.EMBEDDED, None),
        (31, Place.BUTTON, False),
        (60, Place.BUTTON, False),
        (61, Place.OUTSIDE, False),
        (3600, Place.OUTSIDE, False),
        (3601, Place.NOWHERE, None),
    ],
)
def test_samples_are_placed_by_how_far_from_the_span_they_are_dated(
    seconds: int, place: Place, is_earlier: bool | None
) -> None:
    span = a_span(ms=0)
    pyroscope = holds(span.start_ns // MS + 1000 * seconds)

    (link,) = links._located(case_of(pyroscope=pyroscope), [links._near(case_of(pyroscope=pyroscope), span)])

    assert (link.place, link.is_earlier) == (place, is_earlier)
    assert_about_the_service(pyroscope)


def test_samples_far_away_are_dated_from_the_nearest_to_the_farthest_span() -> None:
    spans = [a_span(ago_s=600 + index) for index in range(7)]
    dates = [span.start_ns // MS - 200_000 for span in spans]
    pyroscope = holds(*dates)
    far = [Link(span, Place.OUTSIDE, 1, is_earlier=True, profile_type=QUESTION.profile_type) for span in spans]

    located = links._located(case_of(pyroscope=pyroscope), far)

    dated = [index for index, link in enumerate(located) if link.dated_ms is not None]
    assert dated == [0, 1, 5, 6]
    first = min(dates)
    assert all(first <= (located[index].dated_ms or 0) <= first + 1000 for index in dated)


@pytest.mark.parametrize(
    ("seconds", "late"),
    [
        ((-60, 2), False),
        ((-60, 3), True),
        ((2, 4), True),
        ((4, 8), False),  # its clock is ahead
        ((-61, 4), False),
        ((-60, 1800), True),
        ((-60, 1801), False),
    ],
)
def test_samples_are_late_if_they_begin_after_the_span_and_others_are_on_time(
    seconds: Sequence[int], late: bool
) -> None:
    span = a_span(ms=0)
    pyroscope = holds(*(span.end_ns // MS + 1000 * after for after in seconds))

    checked = links._check(case_of(pyroscope=pyroscope), span, with_names=False)

    assert checked.late_ns == 30 * MS * late
    assert checked.foreign_ns == 0
    assert_about_the_service(pyroscope)


def test_foreign_samples_are_those_near_the_span_with_another_name_than_it_ever_had() -> None:
    span = a_span("GET /bike", ms=0)
    pyroscope = Pyroscope(lambda query: SAMPLES if "!=" in query.selector else FlameGraph())

    assert links._check(case_of(pyroscope=pyroscope), span, with_names=True).foreign_ns == 30 * MS
    assert pyroscope.asked[-1] == ProfileQuery(
        '{service_name="rides", span_name!="", span_name!="GET /bike", span_name!="GET"}',
        span.start_ns // MS - 30_000,
        span.end_ns // MS + 30_000,
        QUESTION.profile_type,
    )


def test_the_spans_to_check_are_the_busiest_and_others_spread_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [linked(a_span(ago_s=100 + index), cpu_ms=10) for index in range(30)]
    busy = [linked(a_span(ago_s=200 + index), cpu_ms=90) for index in range(8)]
    fresh = linked(a_span(ago_s=1), cpu_ms=100)
    far = linked(a_span(), cpu_ms=100, place=Place.BUTTON)
    monkeypatch.setattr(links, "_check", lambda _, span, **__: LabelCheck(span))

    checked = links._checks(case_of(), [fresh, far, *many, *busy], with_names=False)

    expected = [link.span.span_id for link in (*busy, *many[::4])]
    assert [check.span.span_id for check in checked] == expected


def test_a_check_with_foreign_samples_says_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, foreign = linked(a_span()), linked(a_span())
    monkeypatch.setattr(links, "_check", lambda _, span, **__: LabelCheck(span, foreign_ns=span is foreign.span))
    monkeypatch.setattr(links, "_with_neighbours", lambda _, check, __: replace(check, neighbours=("GET /car",)))

    checked = links._checks(case_of(), [clean, foreign], with_names=True)

    assert {check.span.span_id: check.neighbours for check in checked} == {
        clean.span.span_id: (),
        foreign.span.span_id: ("GET /car",),
    }


@pytest.mark.parametrize("names", [True, False], ids=["with span names", "without"])
@pytest.mark.parametrize("label", [ProcessLabel("host.name", "hostname"), None], ids=["of a process", "of all"])
def test_functions_without_a_span_are_those_of_the_process_in_the_time_of_its_spans(
    names: bool, label: ProcessLabel | None
) -> None:
    spans = [a_span(ago_s=60 - 10 * index, ms=400, host="h1") for index in range(3)]
    series = cpu_at((110, 10), *((59.5 - 10 * index, 360) for index in range(3)), hostname="h1")
    known = facts(
        *(unlinked(span) for span in spans),
        series=[series],
        found={"unlabelled": (series,)},
        process_label=label,
        profiles=profiled(series=({"span_name": "GET /car"} if names else {},)),
        upload_interval_s=1.0,
    )
    pyroscope = Pyroscope(lambda _: SAMPLES)

    (functions,) = unlabelled_functions(case_of(pyroscope=pyroscope), known).values()

    matchers = ['service_name="rides"', *(['span_name=""'] if names else []), *(['hostname="h1"'] if label else [])]
    assert {query.selector for query in pyroscope.asked} == {"{" + ", ".join(matchers) + "}"}
    assert functions.top == (("work", 90 * MS),)
    (group,) = known.groups
    times = sorted((query.start_ms, query.end_ms) for query in pyroscope.asked)
    assert times == sorted(group.profiles_ms(span, known.uploads) for span in spans)


def test_samples_are_asked_for_by_the_label_that_tells_processes_apart() -> None:
    spans = [a_span(host=f"h{index}") for index in range(3)]
    by_labels: list[object] = []

    class Grouping(Pyroscope):
        def totals(self, *arguments: object) -> list[ProfileSeries]:
            by_labels.append(arguments[-1])
            return []

    series = tuple({"hostname": f"h{index}", "span_name": ""} for index in range(3))
    found = links._links(case_of(pyroscope=Grouping(lambda _: SAMPLES)), spans, profiled(series=series))

    assert found.process_label == ProcessLabel("host.name", "hostname")
    assert by_labels == [["hostname"], ["hostname"]]
    assert [link.place for link in found.links] == [Place.EMBEDDED] * 3
