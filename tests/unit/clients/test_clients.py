"""What the clients of all servers share, and the windows of time they ask about."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import pytest

from spanprofiles.clients import (
    HttpClient,
    ProfileQuery,
    PyroscopeClient,
    ServerUnreachableError,
    TempoClient,
    UnexpectedAnswerError,
    tempo,
)
from spanprofiles.clients.grafana import GrafanaClient
from spanprofiles.clients.json_values import number
from spanprofiles.model import CPU
from tests.unit.conftest import Answer, Seen, Serve, dripping_server, flamebearer

_MS = 1_000_000


@dataclass(frozen=True)
class _Span:
    service: str
    start_ns: int
    end_ns: int


def test_the_window_around_a_span_has_the_margin_on_either_side() -> None:
    query = ProfileQuery.around(_Span("shop", 5_000 * _MS, 5_200 * _MS), 1_000)
    assert query == ProfileQuery('{service_name="shop"}', 4_000, 6_200, CPU)


def test_the_window_around_several_spans_holds_them_all() -> None:
    spans = [_Span("shop", 5_000 * _MS, 9_000 * _MS), _Span("bank", 4_000 * _MS, 4_500 * _MS)]
    query = ProfileQuery.around_all(iter(spans), 10)
    assert query == ProfileQuery('{service_name="shop"}', 3_990, 9_010)


def test_the_window_is_of_another_selector_or_type_where_that_is_asked_for() -> None:
    query = ProfileQuery.around(_Span("shop", 0, 0), 0, selector='{region="north"}', profile_type="a:b:c:d:e")
    assert query == ProfileQuery('{region="north"}', 0, 0, "a:b:c:d:e")


def test_a_span_of_a_service_without_a_name_is_looked_for_in_all_profiles() -> None:
    assert ProfileQuery.around(_Span("", 0, 0), 0).selector == "{}"


def test_there_is_no_window_around_no_spans() -> None:
    with pytest.raises(ValueError, match="no spans"):
        ProfileQuery.around_all([], 1)


@pytest.mark.parametrize("kind", [TempoClient, PyroscopeClient, GrafanaClient])
def test_a_client_tells_its_address_without_the_password(kind: type[TempoClient]) -> None:
    with kind("http://me:secret@127.0.0.1:1/tempo/") as client:
        assert client.url == "http://127.0.0.1:1/tempo"


def test_a_client_with_a_shorter_time_out_gives_up_sooner_than_the_first() -> None:
    with (
        dripping_server(b"HTTP/1.1 200 OK\r\n\r\n{", b" ") as url,
        TempoClient(url, timeout_s=(300.0, 300.0)) as client,
    ):
        hasty = client.with_timeout((0.1, 0.1))
        assert isinstance(hasty, TempoClient)
        with pytest.raises(ServerUnreachableError, match=r"was not complete after 0\.25 s"):
            hasty.tag_values("name")
        assert client._http.longest_s == 750.0


def test_a_pushed_profile_has_its_labels_and_comes_as_it_is(serve: Serve) -> None:
    server = serve(lambda _: Answer.of({}))
    with PyroscopeClient(server.url) as client:
        client.push({"__name__": "process_cpu", "service_name": "shop"}, gzip.compress(b"pprof"))

    (request,) = server.seen
    (series,) = request.json["series"]
    assert request.path == "/push.v1.PusherService/Push"
    assert series["labels"] == [
        {"name": "__name__", "value": "process_cpu"},
        {"name": "service_name", "value": "shop"},
    ]
    assert len(series["samples"]) == 1


def test_an_empty_span_selector_is_not_sent_either_where_nothing_else_is_checked(serve: Serve) -> None:
    server = serve(lambda _: Answer.of({}))
    with PyroscopeClient(server.url) as client, pytest.raises(ValueError, match="has a span selector"):
        client.span_profile_as_sent(ProfileQuery("{}", 1, 2), [])
    assert server.seen == []


def test_the_files_of_functions_are_those_of_all_profiles(serve: Serve) -> None:
    functions: list[dict[str, Any]] = [{"name": "1", "filename": "2"}, {"name": "1", "filename": "3"}, {"name": "4"}]
    profile = {"stringTable": ["", "search", "/a.py", "/b.py", "no file"], "function": functions}
    server = serve(lambda _: Answer.of(profile))
    with PyroscopeClient(server.url) as client:
        assert client.function_files(ProfileQuery("{}", 1, 2)) == {"search": frozenset({"/a.py", "/b.py"})}


def test_of_very_many_spans_some_are_asked_for_at_a_time_and_all_are_added_up(serve: Serve) -> None:
    def answer(seen: Seen) -> Answer:
        return Answer.of({"flamegraph": flamebearer({("main",): len(seen.json["spanSelector"])})})

    stub = serve(answer)
    ids = [f"{number:016x}" for number in range(1, 12_002)]

    found = PyroscopeClient(stub.url).span_profile(ProfileQuery("{}", 0, 1), ids)

    assert found.total == len(ids)
    asked = [seen.json["spanSelector"] for seen in stub.seen]
    assert [span_id for some in asked for span_id in some] == ids
    assert max(map(len, asked)) <= 5_000


def test_a_list_is_asked_for_and_something_else_is_no_answer(serve: Serve) -> None:
    client = HttpClient("Grafana", serve(lambda _: Answer.of({"message": "no list"})).url)
    with pytest.raises(UnexpectedAnswerError, match="not a JSON list"):
        client.get_list("/api/datasources")
    client.close()


def test_more_matching_spans_than_a_server_can_mean_are_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempo, "MOST_SPANS", 2)
    spans = [{"spanID": f"{number:016x}"} for number in range(1, 4)]
    found = {"traces": [{"traceID": "ab" * 16, "spanSets": [{"spans": spans}]}]}
    with (
        TempoClient(serve(lambda _: Answer.of(found)).url) as client,
        pytest.raises(UnexpectedAnswerError, match="3 matching spans, more than 2"),
    ):
        client.search("{ }")


@pytest.mark.parametrize(
    ("value", "error"), [(True, TypeError), ([1], TypeError), ("no number", ValueError), ("NaN", ValueError)]
)
def test_what_is_not_a_finite_number_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        number(value)


def test_a_number_may_be_written_as_text() -> None:
    assert (number("1.5"), number(2)) == (1.5, 2.0)
