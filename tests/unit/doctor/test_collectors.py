"""What the collectors make of servers that answer oddly: older ones, failing ones, and uploads between two queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from spanprofiles.clients import (
    ClientError,
    FoundTrace,
    ProfileQuery,
    PyroscopeClient,
    RequestRefusedError,
    SpanExemplar,
    TempoClient,
    UnexpectedAnswerError,
)
from spanprofiles.clients.answers import Answer
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.clients.probe import Probe
from spanprofiles.doctor.collectors import links, probe, servers, traces
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.grafana import collect_grafana
from spanprofiles.doctor.collectors.queries import exemplars, valid_ids
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import LabelCheck, Link, Place, ProfileFacts
from spanprofiles.doctor.question import Question
from spanprofiles.linking.grafana import DataSources
from spanprofiles.model import FlameGraph, Span, Trace
from tests.support.doctor import MS, NOW_NS, SERVICE, a_span, facts, linked

QUESTION = Question(SERVICE, NOW_NS)
REFUSED = RequestRefusedError("Tempo", "http://tempo", 400, "no such hint")
SAMPLES = FlameGraph([(("work",), 30 * MS)])


@dataclass
class Pyroscope:
    """A Pyroscope with a few answers; an error among them is raised."""

    samples: Callable[[ProfileQuery], FlameGraph] = lambda _: FlameGraph()
    services: Any = (SERVICE,)
    exemplars: Any = ()
    asked: list[ProfileQuery] = field(default_factory=list)

    def span_profile(self, query: ProfileQuery, _: Sequence[str]) -> FlameGraph:
        self.asked.append(query)
        return self.samples(query)

    def label_values(self, *_: object) -> list[str]:
        return list(given(self.services))

    def span_exemplars(self, *_: object) -> list[SpanExemplar]:
        return list(given(self.exemplars))

    def refusals(self, *_: object) -> tuple[()]:
        return ()


@dataclass
class Tempo:
    """A Tempo with a few answers; an error among them is raised."""

    found: Callable[[str], Any] = lambda _: []
    stored: Sequence[Trace] = ()

    def tag_values(self, _: str) -> list[str]:
        return [SERVICE]

    def search(self, query: str, **_: object) -> list[FoundTrace]:
        return list(given(self.found(query)))

    def trace(self, trace_id: str) -> Trace | None:
        return next((trace for trace in self.stored if trace.trace_id == trace_id), None)

    def refusals(self, *_: object) -> tuple[()]:
        return ()


def given(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def case_of(tempo: Tempo | None = None, pyroscope: Pyroscope | None = None) -> Case:
    return Case(cast(TempoClient, tempo or Tempo()), cast(PyroscopeClient, pyroscope or Pyroscope()), QUESTION)


def found(span: Span) -> FoundTrace:
    return FoundTrace(span.trace_id, SERVICE, span.name, span.start_ns, 1, ())


def assert_about_the_service(pyroscope: Pyroscope) -> None:
    """Check that no question goes beyond the service and the type of profile that the examination is about."""
    assert pyroscope.asked
    assert all(query.selector.startswith(f'{{service_name="{SERVICE}"') for query in pyroscope.asked)
    assert {query.profile_type for query in pyroscope.asked} == {QUESTION.profile_type}


def test_an_older_tempo_is_searched_without_the_hint_that_it_refuses() -> None:
    span = a_span()
    tempo = Tempo(lambda query: REFUSED if "most_recent" in query else [found(span)], [Trace.of(span.trace_id, [span])])

    collected = traces.collect_traces(case_of(tempo), Facts(QUESTION))

    assert collected.traces is not None
    assert [trace.trace_id for trace in collected.traces.traces] == [span.trace_id]


def test_before_the_window_nothing_is_searched() -> None:
    assert traces._search(case_of(Tempo(lambda _: pytest.fail("it is asked"))), until_s=0.0) == []


def test_traces_that_the_search_misses_are_found_by_the_ids_on_samples() -> None:
    span = a_span()
    seen = [SpanExemplar(span.span_id, 1, 1, trace_id=span.trace_id), SpanExemplar("0" * 15 + "1", 2, 1)]

    collected = traces.collect_traces(
        case_of(Tempo(stored=[Trace.of(span.trace_id, [span])]), Pyroscope(exemplars=seen)), Facts(QUESTION)
    )

    assert collected.traces is not None
    assert collected.traces.by_samples
    assert [trace.trace_id for trace in collected.traces.traces] == [span.trace_id]


@pytest.mark.parametrize(
    ("pyroscope", "profiled", "labelled"),
    [
        (Pyroscope(services=ClientError("away")), None, None),
        (Pyroscope(services=()), False, None),
        (Pyroscope(exemplars=()), True, False),
        (Pyroscope(exemplars=REFUSED), True, None),
    ],
    ids=["it fails", "no profile of the service", "no span ID on samples", "an older one"],
)
def test_without_a_trace_pyroscope_tells_whether_the_service_runs(
    pyroscope: Pyroscope, profiled: bool | None, labelled: bool | None
) -> None:
    collected = traces.collect_traces(case_of(pyroscope=pyroscope), Facts(QUESTION)).traces

    assert collected is not None
    assert (collected.profiled, collected.labelled, collected.traces) == (profiled, labelled, ())


def test_newest_traces_without_samples_are_joined_by_older_ones_with_samples() -> None:
    span, older = a_span(), a_span(ago_s=600)
    tempo = Tempo(lambda _: [found(older)], [Trace.of(older.trace_id, [older])])
    known = facts(linked(span)).traces
    assert known is not None

    joined = traces.with_profiled(case_of(tempo), known, [SpanExemplar(older.span_id, NOW_NS // MS - 500_000, 1)])

    assert [trace.trace_id for trace in joined.traces] == [span.trace_id, older.trace_id]


def test_an_unknown_query_for_exemplars_gives_none_and_malformed_ids_are_left_out() -> None:
    assert exemplars(case_of(pyroscope=Pyroscope(exemplars=REFUSED))) is None
    own = a_span()
    assert valid_ids([own, a_span(profile_id="tomorrow"), a_span(profile_id=None)]) == [own.span_id]


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 01 Jan 99999 00:00:00 GMT"])
def test_a_server_that_tells_no_time_has_no_clock_to_compare(date: str | None) -> None:
    answer = SimpleNamespace(headers={} if date is None else {"Date": date})

    assert servers._clock_ahead_s(cast(Answer, answer)) is None


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


def test_the_case_looks_at_the_type_that_was_found_or_stays_as_it_is() -> None:
    case = case_of()
    wall = "wall:wall:nanoseconds:wall:nanoseconds"

    assert case.looking_at(ProfileFacts()) is case
    assert case.looking_at(ProfileFacts(looked_at=wall)).profile_type == wall


def test_a_probe_that_is_refused_or_cannot_be_read_back_says_why(dead_url: str) -> None:
    case = Case(TempoClient(dead_url), PyroscopeClient(dead_url), QUESTION, otlp_http=dead_url, probe_timeout_s=0)
    sent = Probe("1" * 32, "1" * 16, NOW_NS)

    span, profile = probe.collect_probe(case, Facts(QUESTION)).probed or ()
    followed = probe.follow(case.tempo, sent, dead_url, 0)
    read = probe._read_back(case, "Pyroscope", dead_url, lambda: given(ClientError("away")))

    assert (span.sent, profile.sent) == (False, False)
    assert "does not answer" in span.error
    assert "does not answer" in profile.error
    assert (followed.came_back, read.came_back) == (False, False)
    assert "does not answer" in followed.error
    assert read.error == "away"
    assert not probe._is_found(case.tempo, sent), "a search that fails proves no loss"


class Grafana:
    """A Grafana that fails."""

    def __init__(self, error: ClientError) -> None:
        self.error = error

    def health(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "is_silent"),
    [
        (RequestRefusedError("Grafana", "http://g", 403, "no"), False),
        (UnexpectedAnswerError("Grafana", "http://g", "a login page"), True),
    ],
)
def test_a_grafana_that_refuses_is_told_from_one_that_does_not_answer(error: ClientError, is_silent: bool) -> None:
    case = replace(case_of(), grafana=cast(GrafanaClient, Grafana(error)))

    collected = collect_grafana(case, Facts(QUESTION)).grafana

    assert collected is not None
    assert (collected.error, collected.is_silent) == (str(error), is_silent)


def test_settings_without_a_tempo_data_source_say_so_and_no_settings_leave_no_facts() -> None:
    collected = collect_grafana(replace(case_of(), sources=DataSources([])), Facts(QUESTION)).grafana

    assert collected is not None
    assert "no data source of type 'tempo'" in collected.error
    assert collect_grafana(case_of(), Facts(QUESTION)).grafana is None


def test_a_probe_that_is_read_back_was_sent_and_says_after_how_long() -> None:
    answers = iter([False, True])

    read = probe._read_back(replace(case_of(), probe_timeout_s=30), "Pyroscope", "http://p", lambda: next(answers))

    assert (read.sent, read.came_back, read.error) == (True, True, "")
    assert read.waited_s > 0


def test_the_spans_to_check_are_the_busiest_and_others_spread_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [linked(a_span(ago_s=100 + index), cpu_ms=10) for index in range(30)]
    busy = [linked(a_span(ago_s=200 + index), cpu_ms=90) for index in range(8)]
    fresh = linked(a_span(ago_s=1), cpu_ms=100)
    far = linked(a_span(), cpu_ms=100, place=Place.BUTTON)
    monkeypatch.setattr(links, "_check", lambda _, span, **__: LabelCheck(span))

    checked = links._checks(case_of(), [fresh, far, *many, *busy], with_names=False)

    expected = [link.span.span_id for link in (*busy, *many[::4])]
    assert [check.span.span_id for check in checked] == expected


def test_a_search_is_bounded_in_time_and_number() -> None:
    asked: dict[str, Any] = {}

    class Bounded(Tempo):
        def search(self, query: str, **window: object) -> list[FoundTrace]:
            asked.update(window, query=query)
            return []

    traces._search(case_of(Bounded()))

    now_s = NOW_NS // 10**9
    assert asked == {
        "query": '{ resource.service.name = "rides" } with (most_recent=true)',
        "start_s": now_s - 900,
        "end_s": now_s + 601,
        "limit": 120,
        "spans": 1,
    }
