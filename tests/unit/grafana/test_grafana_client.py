"""The client of Grafana's API, against a server that answers as Grafana's code says."""

from __future__ import annotations

from typing import Any

import pytest

from spanprofiles.clients import RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.clients.grafana import GrafanaClient, flamegraph
from spanprofiles.linking.grafana import SpanProfileQuery
from spanprofiles.model import CPU, Credentials, FlameGraph
from tests.support.grafana_settings import PYROSCOPE, settings, tempo
from tests.support.stub_grafana import frame, grafana
from tests.unit.conftest import Answer, Respond, Serve

QUERY = SpanProfileQuery("pyroscope", "{}", ("6605c7b08e715d6c",), CPU, 1000, 2000)
GRAPH = FlameGraph({("main",): 5, ("main", "search"): 20, ("main", "search", "compare"): 10, ("main", "price"): 1})


def always(answer: Answer) -> Respond:
    return lambda _: answer


def test_a_healthy_grafana_tells_its_version(serve: Serve) -> None:
    assert GrafanaClient(serve(grafana([])).url).health() == "13.1.0"


def test_a_grafana_without_its_database_is_not_healthy(serve: Serve) -> None:
    server = serve(always(Answer.of({"database": "failing"})))

    with pytest.raises(UnexpectedAnswerError, match="its database is 'failing'"):
        GrafanaClient(server.url).health()


def test_data_sources_come_as_a_list_and_by_uid(serve: Serve) -> None:
    source = tempo(settings())
    client = GrafanaClient(serve(grafana([source, PYROSCOPE])).url)

    assert client.data_sources() == [source, PYROSCOPE]
    assert client.data_source("tempo") == source
    assert client.check_data_source("tempo") == "Data source is working"


def test_a_viewer_gets_the_data_sources_that_grafanas_pages_get(serve: Serve) -> None:
    source = tempo(settings())
    client = GrafanaClient(serve(grafana([source, PYROSCOPE], to_a_viewer=True)).url)

    assert client.data_sources() == [source, PYROSCOPE]


def test_who_may_see_neither_is_told_so(serve: Serve) -> None:
    server = serve(always(Answer.of({"message": "Unauthorized"}, 401)))

    with pytest.raises(RequestRefusedError, match=r"/api/datasources with 401: .*token"):
        GrafanaClient(server.url).data_sources()
    assert [seen.path for seen in server.seen] == ["/api/datasources", "/api/frontend/settings"]


def test_a_failure_is_not_taken_for_a_want_of_rights(serve: Serve) -> None:
    server = serve(always(Answer("down", 502)))

    with pytest.raises(RequestRefusedError, match="502"):
        GrafanaClient(server.url).data_sources()
    assert len(server.seen) == 1


@pytest.mark.parametrize("shown", [{}, {"datasources": []}, {"datasources": {"a": 1}}])
def test_pages_settings_without_data_sources_are_not_taken_for_them(serve: Serve, shown: dict[str, Any]) -> None:
    server = serve(lambda seen: Answer.of(shown) if "frontend" in seen.path else Answer.of({}, 403))

    with pytest.raises(UnexpectedAnswerError, match="no data sources in it"):
        GrafanaClient(server.url).data_sources()


def test_an_unknown_data_source_is_refused(serve: Serve) -> None:
    with pytest.raises(RequestRefusedError, match=r"404.*Data source not found"):
        GrafanaClient(serve(grafana([])).url).data_source("tempo")


def test_a_uid_cannot_leave_its_place_in_the_address(serve: Serve) -> None:
    server = serve(grafana([]))

    with pytest.raises(RequestRefusedError):
        GrafanaClient(server.url).data_source("../../admin/settings?x=")
    assert server.seen[0].path.startswith("/api/datasources/uid/")
    assert not server.seen[0].query


def test_a_data_source_whose_check_fails_is_reported_in_its_words(serve: Serve) -> None:
    server = serve(always(Answer.of({"status": "ERROR", "message": "no answer"})))

    with pytest.raises(UnexpectedAnswerError, match="'ERROR': no answer"):
        GrafanaClient(server.url).check_data_source("tempo")


def test_credentials_are_sent(serve: Serve) -> None:
    server = serve(grafana([]))

    GrafanaClient(server.url, Credentials(tenant="fleet")).health()

    assert server.seen[0].headers["X-Scope-Orgid"] == "fleet"


@pytest.mark.parametrize("body", ["<html>", '{"a": 1}', "[1]"])
def test_a_list_that_is_none_is_not_taken_for_one(serve: Serve, body: str) -> None:
    with pytest.raises(UnexpectedAnswerError):
        GrafanaClient(serve(always(Answer(body))).url).data_sources()


def test_nothing_that_listens_is_unreachable() -> None:
    with pytest.raises(ServerUnreachableError, match="Grafana does not answer"):
        GrafanaClient("http://127.0.0.1:1").health()


def test_a_query_goes_out_as_explore_sends_it(serve: Serve) -> None:
    server = serve(grafana([], lambda _: GRAPH))

    found = GrafanaClient(server.url).ds_query(QUERY.target(), QUERY.start_ms, QUERY.end_ms)

    assert found == GRAPH
    assert server.seen[0].method == "POST"
    assert server.seen[0].json == {"from": "1000", "to": "2000", "queries": [QUERY.target()]}


def test_no_samples_are_an_empty_flame_graph(serve: Serve) -> None:
    client = GrafanaClient(serve(grafana([], lambda _: FlameGraph())).url)

    assert client.ds_query(QUERY.target(), 1, 2).is_empty


def test_no_frame_is_an_empty_flame_graph(serve: Serve) -> None:
    client = GrafanaClient(serve(always(Answer.of({"results": {"A": {"frames": []}}}))).url)

    assert client.ds_query(QUERY.target(), 1, 2).is_empty


def test_an_error_in_a_good_answer_is_a_refusal(serve: Serve) -> None:
    answer = {"results": {"A": {"status": 400, "error": "parse error"}}}

    with pytest.raises(RequestRefusedError, match="400: parse error"):
        GrafanaClient(serve(always(Answer.of(answer))).url).ds_query(QUERY.target(), 1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": {"B": {}}},
        {"results": {"A": {"frames": [{}]}}},
        {"results": {"A": {"frames": [{"schema": {"name": "response", "fields": []}, "data": {"values": [[1]]}}]}}},
    ],
)
def test_an_answer_of_another_form_is_not_taken_for_a_flame_graph(serve: Serve, answer: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswerError):
        GrafanaClient(serve(always(Answer.of(answer))).url).ds_query(QUERY.target(), 1, 2)


class TestFrame:
    @pytest.mark.parametrize("enum", [True, False], ids=["labels by index", "labels as text"])
    def test_rows_become_call_paths(self, enum: bool) -> None:
        assert flamegraph(frame(GRAPH, enum=enum)) == GRAPH

    def test_a_frame_without_rows_is_empty(self) -> None:
        empty = frame(FlameGraph())
        empty["data"]["values"] = [[], [], [], []]

        assert flamegraph(empty).is_empty

    def test_a_row_that_skips_a_level_is_refused(self) -> None:
        broken = frame(GRAPH)
        broken["data"]["values"][0][1] = 2

        with pytest.raises(ValueError, match="a row of level 2 follows one of level 0"):
            flamegraph(broken)

    def test_columns_of_different_lengths_are_refused(self) -> None:
        broken = frame(GRAPH)
        broken["data"]["values"][2].pop()

        with pytest.raises(ValueError, match="shorter"):
            flamegraph(broken)


def test_a_frame_without_fields_is_an_empty_flame_graph_if_it_has_no_values() -> None:
    assert flamegraph({"schema": {"fields": []}, "data": {"values": []}}) == FlameGraph()
    with pytest.raises(ValueError, match="argument"):
        flamegraph({"schema": {"fields": []}, "data": {"values": [[1]]}})
