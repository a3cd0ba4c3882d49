"""What Tempo's API answers beyond a trace: its own pages, searches, metrics, and the names and values it offers."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.proto import tempo_pb2 as messages
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.search import payload_of
from spanprofiles.embedded.tempo import candidates as candidates_module
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.metrics_query import instant_answer, range_answer
from spanprofiles.embedded.tempo.metrics_request import MetricsRequest
from spanprofiles.embedded.tempo.search import span_answer, trace_answer
from spanprofiles.embedded.tempo.streams import Progress, Streams
from spanprofiles.embedded.tempo.tags import Tags
from spanprofiles.embedded.trace_filters import EVERY_TRACE
from spanprofiles.embedded.traceql.fetcher import SpanView
from spanprofiles.embedded.traceql.intervals import Intervals
from spanprofiles.embedded.traceql.metrics import Result
from spanprofiles.embedded.traceql.records import TraceRecord
from spanprofiles.embedded.traceql.series import Series
from spanprofiles.embedded.traceql.values import FLOAT, STRING, Static
from spanprofiles.embedded.web import AnswerError
from tests.unit.embedded.conftest import Applications, SpanFactory
from tests.unit.embedded.test_trace_records import TRACE_ID, record

SECOND_NS = 10**9
STEPS = Intervals.of_range(120 * SECOND_NS, 180 * SECOND_NS, 60 * SECOND_NS)
"""Two steps, which end at 120 s and 180 s."""


@pytest.mark.parametrize(
    ("path", "body"), [("/ready", "ready\n"), ("/api/echo", "echo\n"), ("/api/search/tags", None), ("/api/nope", None)]
)
def test_the_pages_that_grafana_asks_are_there(applications: Applications, path: str, body: str | None) -> None:
    answer = applications.tempo.get(path)
    assert answer.status_code == (404 if path == "/api/nope" else 200)
    if body is not None:
        assert answer.text == body


def test_the_build_is_said_to_be_no_real_tempo(applications: Applications) -> None:
    build = applications.tempo.get("/api/status/buildinfo").get_json()
    assert build == {
        "version": "3.0.3",
        "revision": "spanprofiles",
        "branch": "embedded",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        ("0g", "trace IDs can only contain hex characters: invalid character 'g' at position 2"),
        ("0" * 33, "trace IDs can't be larger than 128 bits"),
    ],
)
@pytest.mark.parametrize("api", ["api/traces", "api/v2/traces"])
def test_what_is_no_trace_id_is_refused_with_the_words_of_tempo(
    applications: Applications, api: str, digits: str, message: str
) -> None:
    answer = applications.tempo.get(f"/{api}/{digits}")
    assert (answer.status_code, answer.text) == (400, message)


def test_an_unknown_trace_is_an_empty_one_in_the_newer_api(applications: Applications) -> None:
    assert applications.tempo.get("/api/v2/traces/abc").get_json() == {"trace": {}, "metrics": {}}
    assert applications.tempo.get("/api/traces/abc").data == b""


def test_a_span_found_is_written_without_what_is_empty_or_said_elsewhere() -> None:
    bare = SpanView(record(Span(name="work", span_id=b"12345678", start_time_unix_nano=9, end_time_unix_nano=5)))
    assert span_answer(bare, None) == {
        "spanID": "3132333435363738",
        "startTimeUnixNano": "9",
        "durationNanos": str(2**64 - 4),  # as Go writes a negative number without its sign
    }
    assert span_answer(SpanView(record(Span())), None) == {"spanID": "0" * 16}


def test_a_trace_found_is_named_by_its_root_or_said_to_have_none() -> None:
    root = record(Span(name="root", start_time_unix_nano=5, end_time_unix_nano=5 + 1_999_999))
    found = TraceRecord(TRACE_ID, [root], NO_DEADLINE)
    assert trace_answer(found, NO_DEADLINE) == {
        "traceID": "a",
        "rootServiceName": "shop",
        "rootTraceName": "root",
        "startTimeUnixNano": "5",
        "durationMs": 1,
        "serviceStats": {"shop": {"spanCount": 1}},
    }
    lost = TraceRecord(TRACE_ID, [record(Span(parent_span_id=b"nobody", end_time_unix_nano=0))], NO_DEADLINE)
    assert trace_answer(lost, NO_DEADLINE) == {
        "traceID": "a",
        "rootServiceName": "<root span not yet received>",
        "serviceStats": {"shop": {"spanCount": 1}},
    }


def result_of(*series: Series, is_partial: bool = False) -> Result:
    return Result(list(series), is_partial=is_partial)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, None),
        (1.5, 1.5),
        (2.0, 2),
        (-3.0, -3),
        (1e20, 10**20),
        (1e22, 1e22),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_a_value_is_written_as_go_does_and_zero_is_left_out(value: float, shown: Any) -> None:
    answer = instant_answer(result_of(Series((), {0: value}, zeros=True)), 0)
    (series,) = answer["series"]
    assert series == {"labels": []} | ({} if shown is None else {"value": shown})
    assert str(series.get("value")) == str(shown)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ((FLOAT, 2.0), {"doubleValue": 2}),
        ((FLOAT, -0.0), {"doubleValue": -0.0}),
        ((FLOAT, 1e21), {"doubleValue": 1e21}),
        ((FLOAT, math.nan), {"doubleValue": "NaN"}),
        ((STRING, "x"), {"stringValue": "x"}),
    ],
)
def test_a_label_is_written_with_its_type(label: Static, shown: dict[str, Any]) -> None:
    (series,) = instant_answer(result_of(Series((("x", label),), {}, zeros=True)), 0)["series"]
    assert repr(series["labels"]) == repr([{"key": "x", "value": shown}])


def test_an_answer_without_series_does_not_name_them() -> None:
    assert instant_answer(result_of(), 0) == {}


def test_an_answer_that_may_lack_series_says_so_with_the_limit() -> None:
    answer = instant_answer(result_of(is_partial=True), 7)
    assert answer["status"] == "PARTIAL"
    assert answer["message"] == (
        "Response exceeds maximum series limit of 7, a partial response is returned. Warning: the accuracy of each"
        " individual value is not guaranteed."
    )


def samples(series: Series) -> Any:
    """The samples of a series as they are written."""
    (found,) = range_answer(result_of(series), STEPS, 0, NO_DEADLINE)["series"]
    (members,) = found["samples"]
    return json.loads(f"[{members}]")


def test_counts_are_zero_at_each_step_and_other_numbers_are_left_out() -> None:
    values = {-1: 9.0, 1: 4.0, 2: 9.0}
    given = {"timestampMs": "180000", "value": 4}
    assert samples(Series((), values, zeros=True)) == [{"timestampMs": "120000"}, given]
    assert samples(Series((), values, zeros=False)) == [given]


def test_a_zero_is_a_sample_and_what_is_no_number_is_none() -> None:
    values = {0: 0.0, 1: math.nan}
    assert samples(Series((), values, zeros=False)) == [{"timestampMs": "120000"}]
    infinite = samples(Series((), {0: math.inf, 1: -math.inf}, zeros=False))
    assert [sample["value"] for sample in infinite] == ["Infinity", "-Infinity"]


def test_a_query_for_one_value_without_times_is_about_the_last_hour() -> None:
    intervals = MetricsRequest.at_once({"q": "{} | rate()"}, now_ns=7_200 * SECOND_NS).intervals
    assert (intervals.start_ns, intervals.end_ns, intervals.instant) == (3_600 * SECOND_NS, 7_200 * SECOND_NS, True)


def test_the_last_time_that_can_be_stored_may_be_asked_for() -> None:
    last = 2**63 - 1
    assert MetricsRequest.for_range("", last - 5, last).intervals.end_ns == last
    for start, end in ((last, last + 1), (last + 1, last + 2)):
        with pytest.raises(AnswerError) as refused:
            MetricsRequest.for_range("", start, end)
        assert refused.value.response.get_data(as_text=True) == "a time of the request is out of range"


def test_resources_and_scopes_are_read_once_for_all_searches(
    database: Database, applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trace in ("aa", "bb"):
        applications.export(SpanFactory(trace)(trace))
    read: list[str] = []

    def counted(connection: Any, table: Any, number: int) -> bytes:
        read.append(table)
        return payload_of(connection, table, number)

    monkeypatch.setattr(candidates_module, "payload_of", counted)
    candidates = Candidates()
    for _ in range(2):
        traces = list(candidates.traces(database.reader(), EVERY_TRACE))
        assert [(trace.root_name, trace.root_service) for trace in traces] == [("bb", "shop"), ("aa", "shop")]
    assert sorted(read) == ["resources", "scopes"]


def test_of_a_large_trace_so_many_bytes_are_searched(
    database: Database, applications: Applications, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = SpanFactory("aa")
    applications.export(span("first"), span("other"))
    connection = database.reader()
    before = connection.inspected.size_bytes
    (whole,) = Candidates().traces(connection, EVERY_TRACE)
    size = connection.inspected.size_bytes - before
    for limit, count in ((size, 2), (size - 1, 1)):
        monkeypatch.setattr(candidates_module, "TRACE_BYTES", limit)
        (found,) = Candidates().traces(connection, EVERY_TRACE)
        assert len(found.spans) == count
    assert len(whole.spans) == 2


def tagged(applications: Applications) -> None:
    """A trace with attributes on every level, and one whose root has not come."""
    span = SpanFactory("aa")
    event = {"name": "retry", "attributes": [{"key": "attempt", "value": {"intValue": "1"}}]}
    link = {"traceId": "ab" * 16, "spanId": "ab" * 8, "attributes": [{"key": "why", "value": {"stringValue": "x"}}]}
    applications.export(
        span("order", None, values={"n": 1, "http.method": "GET"}),
        span("pick", "order", values={"n": 2, "list": ["a", "b"]}, events=[event], links=[link]),
        resource={"service.name": "shop", "region": "eu"},
    )
    lone = SpanFactory("bb")
    applications.export(lone("lone", "00000000000000ff", values={"n": 3}), resource={"region": "us"})


def _names(applications: Applications, **parameters: Any) -> dict[str, list[str]]:
    answer = applications.tempo.get("/api/v2/search/tags", query_string=parameters)
    assert answer.status_code == 200, answer.text
    return {scope["name"]: scope["tags"] for scope in answer.get_json()["scopes"]}


def _values(applications: Applications, name: str, **parameters: Any) -> list[str]:
    answer = applications.tempo.get(f"/api/v2/search/tag/{name}/values", query_string=parameters)
    assert answer.status_code == 200, answer.text
    return sorted(str(value.get("value")) for value in answer.get_json()["tagValues"])


def test_names_are_offered_of_every_scope_and_narrowed_by_a_query(applications: Applications) -> None:
    tagged(applications)
    everything = _names(applications)
    assert "rootServiceName" in everything.pop("intrinsic")
    assert everything == {
        "resource": ["region", "service.name"],
        "span": ["http.method", "list", "n"],
        "event": ["attempt"],
        "link": ["why"],
    }
    assert _names(applications, scope="event") == {"event": ["attempt"]}
    assert _names(applications, scope="instrumentation") == {}
    assert list(_names(applications, scope="intrinsic")) == ["intrinsic"]
    narrowed = _names(applications, q="{ span.n = 2 }")
    del narrowed["intrinsic"]
    # What has a column of its own is offered whatever the query.
    assert narrowed == everything | {"span": ["http.method", "list", "n"]}
    assert _names(applications, q="{ span.n = 3 }", scope="span") == {"span": ["http.method", "n"]}
    assert _names(applications, q="{ span.n = 3 }", scope="link") == {}
    # A query that is being typed, one of no scope, one of nothing, and one of a span's start narrow nothing.
    for query in ("{ span.n = ", "{ .n = 3 }", "{ }", "  "):
        assert _names(applications, q=query, scope="span") == {"span": everything["span"]}


def test_values_are_those_of_the_spans_that_a_query_finds(applications: Applications) -> None:
    tagged(applications)
    assert _values(applications, "span.n") == ["1", "2", "3"]
    assert _values(applications, "span.n", q='{ resource.region = "eu" }') == ["1", "2"]
    assert _values(applications, "span.n", q="{ kind = internal && span.n > 1 } && { name = `order` }") == ["1", "2"]
    assert _values(applications, "span.list", q="{ span.n = 2 }") == ["a", "b"]
    assert _values(applications, "span.http.method", q="{ name = `pick` }") == []
    assert _values(applications, "name", q="{ span.n / 0 = 1 }") == []
    assert _values(applications, "event:name", q="{ name = `pick` }") == ["retry"]
    assert _values(applications, "event.attempt") == ["1"]
    assert _values(applications, "rootName") == ["None", "order"]
    assert _values(applications, "rootServiceName") == ["None", "shop"]
    assert _values(applications, "rootServiceName", q="{ span.n = 1 }") == ["shop"]
    assert _values(applications, "kind")[:2] == ["client", "consumer"]
    assert _values(applications, "duration") == []


def test_spans_are_found_by_several_ids_at_once(applications: Applications) -> None:
    tagged(applications)
    query = "{ span:id = `aa00000000000002` || span:id = `bb00000000000001` || span:id = `ff` }"
    assert applications.search(query) == {"aa": ["pick"], "bb": ["lone"]}
    query = f"{{ trace:id = `{'aa' * 16}` || trace:id = `{'bb' * 16}` }}"
    assert applications.search(query) == {"aa": ["order", "pick"], "bb": ["lone"]}


def test_values_of_the_older_form_are_texts_of_any_scope(applications: Applications) -> None:
    tagged(applications)

    def plain(name: str, **parameters: Any) -> Any:
        return applications.tempo.get(f"/api/search/tag/{name}/values", query_string=parameters).get_json()["tagValues"]

    assert plain("n") == ["1", "2", "3"]
    assert plain("n", limit=2) == ["1", "2"]
    assert plain("region") == ["eu", "us"]
    assert plain("name") == ["lone", "order", "pick"]
    names = applications.tempo.get("/api/search/tags").get_json()["tagNames"]
    assert names == ["attempt", "http.method", "list", "n", "region", "service.name", "why"]
    scoped = applications.tempo.get("/api/search/tags", query_string={"scope": "intrinsic"}).get_json()["tagNames"]
    assert "trace:rootService" in scoped


def asked(database: Database, method: str, request: bytes) -> list[Any]:
    said: list[Any] = []
    candidates = Candidates()
    Streams(database, candidates, Tags(candidates)).answer(method, request, Progress(said.append, clock=lambda: 0.0))
    return said


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("Search", "SearchRequest"),
        ("SearchTags", "SearchTagsRequest"),
        ("SearchTagValuesV2", "SearchTagValuesRequest"),
        ("MetricsQueryRange", "QueryRangeRequest"),
        ("MetricsQueryInstant", "QueryInstantRequest"),
    ],
)
def test_bytes_that_are_no_request_are_refused_by_its_name(database: Database, method: str, name: str) -> None:
    with pytest.raises(AnswerError) as refused:
        asked(database, method, b"\xff\xff")
    assert refused.value.response.get_data(as_text=True) == f"the request is no {name}"


@pytest.mark.parametrize(
    ("request_message", "found"),
    [
        (messages.SearchRequest(Tags={"region": "eu", "n": "1"}), 0),  # the number 1 is no text
        (messages.SearchRequest(Tags={"region": "eu", 'w"h y=': "x"}), 0),
        (messages.SearchRequest(Tags={"region": "eu"}), 1),
        (messages.SearchRequest(MinDurationMs=12), 0),
        (messages.SearchRequest(MaxDurationMs=11), 2),
        (messages.SearchRequest(MaxDurationMs=10), 1),
        (messages.SearchRequest(Query="{}", Limit=1), 1),
        (messages.SearchRequest(Query="{ span.n > 1 }"), 2),
    ],
)
def test_a_search_over_grpc_is_read_as_over_http(
    database: Database, applications: Applications, request_message: Any, found: int
) -> None:
    tagged(applications)
    (answer,) = asked(database, "Search", request_message.SerializeToString())
    assert len(answer.traces) == found


def test_a_tag_over_grpc_whose_name_no_key_can_have_is_refused(database: Database) -> None:
    with pytest.raises(AnswerError) as refused:
        asked(database, "Search", messages.SearchRequest(Tags={' "=': "x"}).SerializeToString())
    assert refused.value.response.get_data(as_text=True) == "build search request failed: invalid key"
