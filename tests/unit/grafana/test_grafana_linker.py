"""The query behind the button, sent to a real backend: what is found, and what each broken setting comes to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from spanprofiles.clients import ClientError, ProfileQuery, RequestRefusedError, ServerUnreachableError
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.clients.pyroscope import PyroscopeClient
from spanprofiles.linking import Linker, NoSamplesError, Waiting
from spanprofiles.linking.grafana import (
    Answer,
    DataSource,
    DataSources,
    Doubt,
    GrafanaLinker,
    NoButton,
    NoButtonError,
    SpanProfileQuery,
    send,
)
from spanprofiles.model import CPU, FlameGraph
from spanprofiles.model.profile_types import setting
from tests.support.grafana_settings import PYROSCOPE, settings, tempo
from tests.support.stub_grafana import grafana, through
from tests.unit.conftest import Answer as HttpAnswer
from tests.unit.conftest import Serve
from tests.unit.grafana.conftest import SERVICE, Stored

FOUND = FlameGraph([(("main", "find_nearest_vehicle"), 140_000_000)])


def linker(stored: Stored, traces_to_profiles: object) -> GrafanaLinker:
    sources = DataSources([DataSource.of(tempo(traces_to_profiles)), DataSource.of(PYROSCOPE)])
    return GrafanaLinker.of(sources, Linker.of(stored.endpoints, waiting=Waiting(0)))


def test_the_button_leads_to_the_spans_own_samples(stored: Stored) -> None:
    assert linker(stored, settings()).flamegraph(stored.linked, stored.trace) == FOUND


def test_a_custom_query_leads_to_the_same(stored: Stored) -> None:
    query = settings(customQuery=True, query='{service_name="${__span.tags["service.name"]}"}')

    assert linker(stored, query).flamegraph(stored.linked, stored.trace) == FOUND


def test_the_embedded_flame_graph_is_drawn(stored: Stored) -> None:
    grafana_linker = linker(stored, settings())
    link = grafana_linker.resolve(stored.linked, stored.trace)

    assert link.embedded is not None
    assert grafana_linker.answer(link.embedded).is_drawn_when_embedded


def test_of_a_dead_link_nothing_is_drawn(stored: Stored) -> None:
    grafana_linker = linker(stored, settings())
    link = grafana_linker.resolve(stored.dead, stored.trace)

    assert link.embedded is not None
    assert not grafana_linker.answer(link.embedded).is_drawn_when_embedded


def test_one_row_is_not_drawn_two_are(stored: Stored) -> None:
    query = linker(stored, settings()).resolve(stored.linked, stored.trace).query

    assert query is not None
    assert not Answer(query, FlameGraph([((), 5)])).is_drawn_when_embedded
    assert Answer(query, FlameGraph([(("main",), 5)])).is_drawn_when_embedded


def test_a_dead_link_has_a_button_and_no_samples(stored: Stored) -> None:
    with pytest.raises(NoSamplesError, match=rf"no samples for .*{SERVICE}.* and span {stored.dead.span_id}"):
        linker(stored, settings()).flamegraph(stored.dead, stored.trace)


def test_a_child_span_has_no_button(stored: Stored) -> None:
    with pytest.raises(NoButtonError, match=r"no attribute pyroscope\.profile\.id") as failure:
        linker(stored, settings()).flamegraph(stored.child, stored.trace)
    assert failure.value.link.no_button is NoButton.NO_PROFILE_ID


BY_TAGS = [{"key": "service.name", "value": "service_name"}, {"key": "zone", "value": "zone"}]


@pytest.mark.parametrize(
    ("changes", "attributes", "doubt", "words"),
    [
        ({"tags": [{"key": "service.name"}]}, {}, Doubt.DOTTED_LABEL, "refuses the query .* with 400: .*parse error"),
        ({"profileTypeId": "cpu"}, {}, Doubt.MALFORMED_PROFILE_TYPE, "with 400"),
        ({"profileTypeId": None}, {}, Doubt.MISSING_PROFILE_TYPE, "with 400"),
        (
            {"profileTypeId": "memory:inuse_space:bytes:space:bytes"},
            {},
            Doubt.OTHER_PROFILE_TYPE,
            "no profiles of that type .there are: .*process_cpu:cpu",
        ),
        ({"tags": None}, {"service.namespace": "shop"}, Doubt.NAMESPACE_BY_DEFAULT, "under other labels than these"),
        (
            {"customQuery": True, "query": '{service_name="${__span.tags["zone"]}"}'},
            {"zone": ""},
            Doubt.EMPTY_VALUE,
            "under other labels than these",
        ),
        (
            {"customQuery": True, "query": '{service_name="${__span.tags["service.name"]}", x="${__span.tags["y"]}"}'},
            {},
            Doubt.LITERAL_TEXT,
            "with 400",
        ),
        ({"tags": BY_TAGS}, {"zone": 'a"b'}, Doubt.UNESCAPED_VALUE, "with 400"),
        ({}, {"service.name": "other"}, Doubt.CONTRADICTION, "under other labels than these"),
        ({}, {"pyroscope.profile.id": "123"}, Doubt.MALFORMED_PROFILE_ID, "with 500"),
    ],
    ids=lambda value: value.name if isinstance(value, Doubt) else "",
)
def test_each_doubt_comes_true(
    stored: Stored, changes: dict[str, Any], attributes: dict[str, Any], doubt: Doubt, words: str
) -> None:
    grafana_linker = linker(stored, settings(**changes))
    span = replace(stored.linked, attributes={**stored.linked.attributes, **attributes})

    assert doubt in grafana_linker.resolve(span, stored.trace).doubts
    with pytest.raises(NoSamplesError) as failure:
        grafana_linker.flamegraph(span, stored.trace)
    assert re.search(words, str(failure.value))


def test_through_grafana_the_same_query_gives_the_same_flame_graph(stored: Stored, serve: Serve) -> None:
    query = linker(stored, settings()).resolve(stored.linked, stored.trace).query
    client = GrafanaClient(serve(grafana([], through(stored.pyroscope))).url)

    assert query is not None
    assert client.ds_query(query.target(), query.start_ms, query.end_ms) == send(stored.pyroscope, query) == FOUND


def test_a_query_without_a_span_selector_is_never_sent(stored: Stored) -> None:
    query = linker(stored, settings()).resolve(stored.linked, stored.trace).query

    assert query is not None
    with pytest.raises(ValueError, match="has a span selector"):
        send(stored.pyroscope, replace(query, span_selector=()))


def test_a_server_that_is_not_there_is_no_answer(stored: Stored) -> None:
    sources = DataSources([DataSource.of(tempo(settings())), DataSource.of(PYROSCOPE)])
    grafana_linker = GrafanaLinker(sources.tempo(), sources, PyroscopeClient("http://127.0.0.1:1"), Waiting(0))

    with pytest.raises(ServerUnreachableError):
        grafana_linker.flamegraph(stored.linked, stored.trace)


@pytest.mark.parametrize(("status", "is_refusal"), [(400, True), (422, True), (500, True), (401, False), (503, False)])
def test_only_a_server_that_read_the_query_refuses_it(
    stored: Stored, serve: Serve, status: int, is_refusal: bool
) -> None:
    server = serve(lambda _: HttpAnswer("plain words", status))
    sources = DataSources([DataSource.of(tempo(settings())), DataSource.of(PYROSCOPE)])
    grafana_linker = GrafanaLinker(sources.tempo(), sources, PyroscopeClient(server.url), Waiting(0))
    expected = (
        pytest.raises(NoSamplesError, match=f"with {status}: plain words")
        if is_refusal
        else pytest.raises(RequestRefusedError, match=f"Pyroscope refused .* with {status}")
    )

    with expected:
        grafana_linker.flamegraph(stored.linked, stored.trace)


@dataclass
class Answers:
    """A Pyroscope with a few answers; an error in the place of its types is raised."""

    types: list[str] | ClientError
    carried_by: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def profile_types(self, *_: object) -> list[str]:
        if isinstance(self.types, ClientError):
            raise self.types
        return self.types

    def series(self, *_: object) -> list[dict[str, str]]:
        return [{"__profile_type__": name} for name in self.profile_types()]

    def span_profile_as_sent(self, query: ProfileQuery, _: object) -> FlameGraph:
        self.asked.append((query.profile_type, query.selector))
        return FOUND if query.profile_type == self.carried_by and query.selector != "{}" else FlameGraph()


WALL, LOCKS = "wall:wall:nanoseconds:wall:nanoseconds", "mutex:delay:nanoseconds:mutex:count"


@pytest.mark.parametrize(
    ("answers", "explanation"),
    [
        (Answers(ClientError("away")), "; away"),
        (Answers([]), ": there are no profiles of that type (there are: none)"),
        (Answers([WALL]), f": there are no profiles of that type (there are: {WALL})"),
        (Answers([CPU]), ""),
        (
            Answers([LOCKS, WALL], LOCKS),
            f": there are no profiles of that type (there are: {LOCKS}, {WALL}); samples of type {LOCKS} carry its ID:"
            f" {setting(LOCKS)}",
        ),
        (Answers([CPU, WALL], WALL), f"; samples of type {WALL} carry its ID: {setting(WALL)}"),
    ],
    ids=["a server that fails", "no type", "another type", "no samples", "a type of locks", "wall time"],
)
def test_where_nothing_came_it_is_said_what_is_there_instead(answers: Answers, explanation: str) -> None:
    sources = DataSources([DataSource.of(tempo(settings())), DataSource.of(PYROSCOPE)])
    pyroscope = cast(PyroscopeClient, answers)
    query = SpanProfileQuery("pyroscope", '{service_name="rides"}', ("6605c7b08e715d6c",), CPU, 0, 1)

    said = GrafanaLinker(sources.tempo(), sources, pyroscope, Waiting(0)).explain(Answer(query))

    asked = f'no samples for {{service_name="rides"}} and span 6605c7b08e715d6c as {CPU}'
    assert said == f"{asked}{explanation}"
    assert (CPU, query.label_selector) not in answers.asked  # that nothing has it is known
