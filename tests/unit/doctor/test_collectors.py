"""What the collectors make of servers that answer oddly: older ones, failing ones, and uploads between two queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from spanprofiles.doctor.collectors import probe, profiles, servers, traces
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.grafana import _check, _check_work, collect_grafana
from spanprofiles.doctor.collectors.queries import exemplars, valid_ids
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import GrafanaCheck, GrafanaFacts, ProfileFacts
from spanprofiles.linking.grafana import DataSource, DataSources, GrafanaLink, GrafanaLinker, SpanProfileQuery
from spanprofiles.linking.grafana.linker import Answer as ProfileAnswer
from spanprofiles.model import FlameGraph, Span, Trace
from tests.support.collectors import QUESTION, SAMPLES, Pyroscope, Tempo, case_of, given
from tests.support.doctor import MS, NOW_NS, SERVICE, a_span, facts, linked, unlinked
from tests.support.grafana_settings import PYROSCOPE, settings, tempo

REFUSED = RequestRefusedError("Tempo", "http://tempo", 400, "no such hint")


def found(span: Span) -> FoundTrace:
    return FoundTrace(span.trace_id, SERVICE, span.name, span.start_ns, 1, ())


def test_an_older_tempo_is_searched_without_the_hint_that_it_refuses() -> None:
    span = a_span()
    tempo = Tempo(lambda query: REFUSED if "most_recent" in query else [found(span)], [Trace.of(span.trace_id, [span])])

    collected = traces.collect_traces(case_of(tempo), Facts(QUESTION))

    assert collected.traces is not None
    assert [trace.trace_id for trace in collected.traces.traces] == [span.trace_id]


def test_without_a_service_nothing_is_searched() -> None:
    class Empty(Tempo):
        def tag_values(self, _: str) -> list[str]:
            return []

    question = replace(QUESTION, service="")
    case = case_of(Empty(lambda _: pytest.fail("it is searched")), Pyroscope(services=())).about(question)

    collected = traces.collect_traces(case, Facts(question)).traces

    assert collected is not None
    assert (collected.services, collected.traces, collected.profiled) == ((), (), False)


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
    assert (collected.traces.profiled, collected.traces.labelled) == (True, True)
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


@pytest.mark.parametrize(
    ("trace_id", "services", "times"),
    [("", (), 1), ("", (SERVICE,), 0), ("1" * 32, (), 0)],
    ids=["no trace and no profile", "no trace", "one trace"],
)
def test_pyroscope_is_asked_what_it_refused_where_no_later_hop_will_ask(
    trace_id: str, services: Sequence[str], times: int
) -> None:
    pyroscope = Pyroscope(services=services)
    question = replace(QUESTION, trace_id=trace_id)

    traces.collect_traces(case_of(pyroscope=pyroscope).about(question), Facts(question))

    assert pyroscope.asked_for_refusals == times


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


def test_a_servers_clock_is_compared_in_the_middle_of_the_second_that_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "time", SimpleNamespace(time=lambda: 784_111_707.25))
    answer = SimpleNamespace(headers={"Date": "Sun, 06 Nov 1994 08:49:37 GMT"})

    assert servers._clock_ahead_s(cast(Answer, answer)) == 70.25


class Server:
    """A server with an answer to whether it is ready."""

    server, url = "Tempo", "http://tempo"

    def __init__(self, ready: Any) -> None:
        self.ready = lambda: given(ready)

    def failed_writes(self) -> None:
        return None


def refused_with(status: int) -> RequestRefusedError:
    return RequestRefusedError("Tempo", "http://tempo", status, "why")


READY, AWAY = SimpleNamespace(headers={}), ClientError("away")
ANOTHER = "the server at http://tempo is ready, but is not Tempo: it answers 404 to what every Tempo knows"


@pytest.mark.parametrize(
    ("ready", "asked", "error", "answers", "is_another"),
    [
        (READY, None, "", True, False),
        (refused_with(404), None, "", True, False),
        (refused_with(401), None, "", True, False),
        (refused_with(403), None, "", True, False),
        (refused_with(503), None, "Tempo is not ready at http://tempo: 503 why", True, False),
        (AWAY, None, "away", False, False),
        (refused_with(404), AWAY, "away", False, False),
        (READY, refused_with(404), ANOTHER, False, True),
        (READY, refused_with(500), "", True, False),
        (READY, AWAY, "", True, False),
    ],
)
def test_a_server_is_judged_by_whether_it_is_ready_and_by_what_only_it_can_answer(
    ready: Any, asked: Any, error: str, answers: bool, is_another: bool
) -> None:
    found = servers._server(cast(TempoClient, Server(ready)), lambda: given(asked))

    assert (found.name, found.url, found.error) == ("Tempo", "http://tempo", error)
    assert (found.answers, found.is_another) == (answers, is_another)


@pytest.mark.parametrize(
    "services", [("a", "b", "c", "d"), ("a", "b", "c", "d", SERVICE)], ids=["no profiles", "other"]
)
@pytest.mark.parametrize(
    ("holding", "under"),
    [({"b"}, ("b",)), ({"d", "a"}, ("a", "d")), ({"nameless"}, ("(none)",)), (set(), ())],
)
def test_spans_whose_samples_are_under_other_names_are_found_there(
    services: Sequence[str], holding: set[str], under: tuple[str, ...]
) -> None:
    def held(query: ProfileQuery) -> FlameGraph:
        among = re.search('service_name=~"(.*)"', query.selector)
        names = holding if query.selector == "{}" else set(among[1].split("|")) if among else set()
        return SAMPLES if names & holding else FlameGraph()

    span = a_span()
    known = Facts(QUESTION, traces=facts(linked(span)).traces)

    collected = profiles.collect_profiles(case_of(pyroscope=Pyroscope(held, services)), known).profiles

    assert collected is not None
    assert (collected.found_under, collected.own_found) == (under, False)


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


def test_a_probe_is_searched_by_its_span_id_around_its_time() -> None:
    asked: dict[str, Any] = {}
    searched = SimpleNamespace(search=lambda query, **window: asked.update(window, query=query))

    assert not probe._is_found(cast(TempoClient, searched), Probe("1" * 32, "2" * 16, NOW_NS))

    now_s = NOW_NS // 10**9
    assert asked == {
        "query": f'{{ span.pyroscope.profile.id = "{"2" * 16}" }}',
        "start_s": now_s - probe._WINDOW_S,
        "end_s": now_s + probe._WINDOW_S,
        "limit": 1,
    }


@dataclass
class Grafana:
    """A Grafana that fails, or has these data sources."""

    error: ClientError | None = None
    sources: tuple[dict[str, Any], ...] = ()

    def health(self) -> None:
        if self.error is not None:
            raise self.error

    def data_sources(self) -> list[dict[str, Any]]:
        return list(self.sources)


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


def test_a_grafana_is_asked_for_its_data_sources_and_a_wrong_one_is_told() -> None:
    right = replace(case_of(), grafana=cast(GrafanaClient, Grafana(sources=(tempo(settings()), PYROSCOPE))))
    wrong = replace(case_of(), grafana=cast(GrafanaClient, Grafana(sources=({"type": "tempo"},))))

    found, refused = (collect_grafana(case, Facts(QUESTION)).grafana for case in (right, wrong))

    assert found == GrafanaFacts("tempo")
    assert refused == GrafanaFacts(error="it is missing or empty")


@pytest.mark.parametrize(("below", "checked"), [(True, ("3" * 16, True)), (False, ("1" * 16, False))])
def test_where_a_span_has_no_work_of_its_own_its_longest_childs_button_is_tried(
    below: bool, checked: tuple[str, bool]
) -> None:
    children = tuple(replace(a_span(ms=ms), span_id=digit * 16) for digit, ms in (("2", 5), ("3", 80), ("4", 60)))
    span = replace(a_span(), span_id="1" * 16, added=children if below else ())
    linker = cast(GrafanaLinker, WithWorkBelow())

    found = _check_work(linker, span, Trace.of(span.trace_id, [span]))

    assert (found.link.span.span_id, found.has_samples) == checked


class WithWorkBelow:
    """A Grafana where the buttons of all spans but the first lead to samples."""

    def resolve(self, span: Span, _: Trace) -> GrafanaLink:
        return GrafanaLink(span, cast(DataSource, None), SpanProfileQuery("p", "{}", (span.span_id,), "", 0, 1))

    def answer(self, query: SpanProfileQuery) -> ProfileAnswer:
        return ProfileAnswer(query, FlameGraph() if query.span_selector == ("1" * 16,) else SAMPLES)

    def explain(self, _: ProfileAnswer) -> str:
        return ""


def test_a_span_without_a_button_is_not_asked_about_any_further() -> None:
    span = a_span()
    link = GrafanaLink(span, cast(DataSource, None), explanation="it has no button")
    linker = cast(GrafanaLinker, SimpleNamespace(resolve=lambda *_: link))

    assert _check(linker, span, Trace.of(span.trace_id, [span])) == GrafanaCheck(link)


def test_of_spans_in_focus_only_those_that_are_linked_have_their_buttons_tried() -> None:
    class AskedAsSent(Pyroscope):
        def span_profile_as_sent(self, query: ProfileQuery, profile_ids: Sequence[str]) -> FlameGraph:
            return self.span_profile(query, profile_ids)

    span, dead = a_span(), a_span("GET /car")
    sources = DataSources([DataSource.of(tempo(settings())), DataSource.of(PYROSCOPE)])
    case = replace(case_of(), sources=sources, pyroscope=cast(PyroscopeClient, AskedAsSent(lambda _: SAMPLES)))

    found = collect_grafana(case, facts(linked(span), unlinked(dead))).grafana

    assert found is not None
    assert [check.link.span for check in found.checks] == [span]
    assert found.checks[0].has_samples


@dataclass
class Linker:
    """Grafana's two queries for a span, and what Pyroscope answers to each."""

    button: FlameGraph
    embedded: FlameGraph | None

    def query(self, name: str) -> SpanProfileQuery:
        return SpanProfileQuery(name, "{}", ("1" * 16,), "", 0, 1)

    def resolve(self, span: Span, _: Trace) -> GrafanaLink:
        embedded = self.query("embedded") if self.embedded is not None else None
        return GrafanaLink(span, cast(DataSource, None), self.query("button"), embedded)

    def answer(self, query: SpanProfileQuery) -> ProfileAnswer:
        found = self.button if query.datasource_uid == "button" else self.embedded
        return ProfileAnswer(query, found or FlameGraph())

    def explain(self, answer: ProfileAnswer) -> str:
        return f"explained {answer.query.datasource_uid}"


@pytest.mark.parametrize(
    ("button", "embedded", "is_drawn"),
    [
        (SAMPLES, SAMPLES, True),
        (SAMPLES, FlameGraph(), False),
        (SAMPLES, None, None),
        (FlameGraph(), SAMPLES, None),
    ],
    ids=["drawn", "empty", "not asked for", "button without samples"],
)
def test_the_embedded_flame_graph_is_looked_at_where_the_button_has_samples(
    button: FlameGraph, embedded: FlameGraph | None, is_drawn: bool | None
) -> None:
    span = a_span()

    checked = _check(cast(GrafanaLinker, Linker(button, embedded)), span, Trace.of(span.trace_id, [span]))

    assert (checked.has_samples, checked.embedded_is_drawn) == (button is SAMPLES, is_drawn)
    assert checked.outcome == "explained button"


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
