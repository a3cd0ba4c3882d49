"""Tempo's queries over gRPC on its HTTP port: asked by gRPC's own client, answered as over HTTP."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from spanprofiles.embedded import lanes, stream_server
from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.limits import FREE_GUESSES
from spanprofiles.embedded.proto import status_pb2
from spanprofiles.embedded.proto import tempo_pb2 as messages
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.candidates import Candidates
from spanprofiles.embedded.tempo.stream_messages import packets
from spanprofiles.embedded.tempo.streams import Progress, Streams
from spanprofiles.embedded.tempo.tags import Tags
from spanprofiles.model import Endpoints
from tests.support.conformance.random_streams import Questions
from tests.support.conformance.streams import Question, StreamClient, streams_of
from tests.unit.embedded.conftest import NOW_NS, Applications, SpanFactory
from tests.unit.embedded.streaming_pair import PATIENCE_S, fill, metadata_of, plain, wait_until
from tests.unit.pair_in_process import pair_in_process

TOKEN = "a-token-of-some-length"
NOW_S = NOW_NS // 10**9
TRACES = 8
WINDOW = {"start": NOW_S - 3_600, "end": NOW_S + 60}
RANGE: dict[str, Any] = {"start": (NOW_S - 600) * 10**9, "end": (NOW_S + 1) * 10**9}
ALIKE = [
    Question("Search", {"Query": "{}"}),
    Question("Search", {"Query": "{ span.vehicle = `bike` } | select(span.list, span.km, span.found)", **WINDOW}),
    Question("Search", {"Query": "{ status = error } | by(span.n) | count() > 0", "SpansPerSpanSet": 1, "Limit": 2}),
    Question("Search", {"Query": "{ } | avg(duration) > 1ms", **WINDOW}),
    Question("Search", {"Query": "{ .n = 99 }"}),
    Question("SearchTags", {}),
    Question("SearchTags", {"scope": "intrinsic"}),
    Question("SearchTagsV2", {"maxTagsPerScope": 2, **WINDOW}),
    Question("SearchTagsV2", {"query": "{ span.n = 2 }", "scope": "span"}),
    Question("SearchTagValues", {"tagName": "region"}),
    Question("SearchTagValues", {"tagName": "n", "maxTagValues": 3}),
    Question("SearchTagValuesV2", {"tagName": "span.km", **WINDOW}),
    Question("SearchTagValuesV2", {"tagName": "span.n", "query": '{ resource.region = "eu" }'}),
    Question("SearchTagValuesV2", {"tagName": "status"}),
    Question("MetricsQueryRange", {"query": "{} | rate() by (resource.region)", **RANGE}),
    Question("MetricsQueryRange", {"query": "{} | quantile_over_time(duration, .5)", "step": 7 * 10**9, **RANGE}),
    Question("MetricsQueryRange", {"query": "{} | min_over_time(span.n) by (name)", "maxSeries": 1, **RANGE}),
    Question("MetricsQueryRange", {"query": "{} | count_over_time()", "instant": True, **RANGE}),
    Question("MetricsQueryInstant", {"query": "{} | sum_over_time(span.km) by (span.found)", **RANGE}),
]
REFUSED = [
    Question("Search", {"Query": "{"}),
    Question("Search", {"Query": "{ span.a + `x` }"}),
    Question("Search", {"Query": "{}", "start": NOW_S, "end": NOW_S - 1}),
    Question("Search", {"Query": "{}", "end": NOW_S}),
    Question("Search", {"Query": "{}", "SpansPerSpanSet": 101}),
    Question("Search", {"Query": "{}", "Limit": 262_145}),
    Question("Search", {"Query": "{}" + " | select(span.a)" * 101}),
    Question("SearchTags", {"scope": "nowhere"}),
    Question("SearchTagsV2", {"start": 1, "end": NOW_S}),
    Question("SearchTagValuesV2", {"tagName": "service.name"}),
    Question("MetricsQueryRange", {"query": "{}", **RANGE}),
    Question("MetricsQueryRange", {"query": "{} | rate()", "step": 1, **RANGE}),
    Question("MetricsQueryRange", {"query": "{} | rate()", "start": RANGE["end"], "end": RANGE["start"]}),
    Question("MetricsQueryInstant", {"query": "{} | rate(", **RANGE}),
]


MINUTES = {"start": RANGE["end"] - 120 * 10**9, "end": RANGE["end"]}
NO_END = "error parsing date range: only one of start and end provided: must provide both or neither"
RECORDED = [
    ("Search", {"Query": "{"}, "invalid TraceQL query: parse error at line 1, col 2: syntax error: unexpected $end"),
    (
        "Search",
        {"Query": "{ span.n + `x` }"},
        "invalid TraceQL query: illegal operation for the given types: span.n + `x`",
    ),
    ("Search", {"Query": "{}", "end": NOW_S}, NO_END),
    ("Search", {"Query": "{}", "SpansPerSpanSet": 200}, "spans per span set exceeds 100. received 200"),
    ("Search", {"Query": "{}", "Limit": 1_000_000}, "limit 1000000 exceeds max limit 262144"),
    (
        "Search",
        {"Query": "{}", "Tags": {"a": "b"}},
        "invalid request: can't specify tags and q in the same query",
    ),
    ("Search", {"MinDurationMs": 5, "MaxDurationMs": 1}, "invalid maxDuration: must be greater than minDuration"),
    ("SearchTags", {"scope": "nope"}, "invalid scope: nope"),
    ("SearchTags", {"start": NOW_S}, NO_END),
    (
        "SearchTags",
        {"start": NOW_S, "end": NOW_S - 5},
        f"range specified by start and end exceeds 168h0m0s. received start={NOW_S} end={NOW_S - 5}",
    ),
    ("SearchTagsV2", {"scope": "x"}, "invalid scope: x"),
    ("SearchTagValues", {}, "please provide a non-empty tagName"),
    ("SearchTagValuesV2", {}, "please provide a non-empty tagName"),
    ("MetricsQueryRange", {"query": "{}", **MINUTES}, "not a metrics query"),
    ("MetricsQueryRange", {"query": "{} | rate()", "end": RANGE["end"]}, "start required"),
    ("MetricsQueryRange", {"query": "{} | rate()", "start": RANGE["end"]}, "end must be greater than start"),
    (
        "MetricsQueryRange",
        {"query": "{} | rate()", "step": 1, **MINUTES},
        "step of 1ns is too small, minimum step for given range is 12ms",
    ),
    ("MetricsQueryInstant", {"query": "{} | count_over_time()"}, "start required"),
    (
        "MetricsQueryInstant",
        {"query": "{} | rate()", "start": RANGE["end"], "end": 5},
        "end must be greater than start",
    ),
]
"""Calls that Tempo 3.0.3 refused, and its words. Its code was INVALID_ARGUMENT; for those of metrics it has none."""


def named(question: Question) -> str:
    return f"{question.method} {next(iter(question.fields.values()), '')}"[:60]


@pytest.fixture(scope="module")
def pair(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with pair_in_process(empty_store, tmp_path_factory.mktemp("pair") / "data") as endpoints:
        fill(endpoints, TRACES)
        yield endpoints


@pytest.fixture(scope="module")
def client(pair: Endpoints) -> Iterator[StreamClient]:
    with streams_of(pair.tempo) as asked:
        yield asked


def over_http(pair: Endpoints, question: Question) -> tuple[int, bytes]:
    answer = requests.get(f"{pair.tempo}{question.path}", timeout=PATIENCE_S)
    return answer.status_code, answer.content


@pytest.mark.parametrize("question", ALIKE, ids=named)
def test_a_call_is_answered_as_the_same_question_over_http(
    pair: Endpoints, client: StreamClient, question: Question
) -> None:
    status, answer = over_http(pair, question)
    assert status == 200
    code, streamed = client.answer(question)
    assert (code, plain(streamed)) == (200, plain(answer))


@pytest.mark.parametrize("tag", ["kind", "status"])
def test_the_older_form_of_values_has_no_words_for_kinds_and_statuses_as_in_tempo(
    pair: Endpoints, client: StreamClient, tag: str
) -> None:
    _, older = over_http(pair, Question("SearchTagValues", {"tagName": tag}))
    (streamed,) = client.messages("SearchTagValues", tagName=tag)
    (newer,) = client.messages("SearchTagValuesV2", tagName=tag)
    assert plain(older)["tagValues"] == list(streamed.tagValues) == []
    assert {value.type for value in newer.tagValues} == {"keyword"}


@pytest.mark.parametrize("question", REFUSED, ids=named)
def test_a_call_is_refused_in_the_words_of_http(pair: Endpoints, client: StreamClient, question: Question) -> None:
    status, answer = over_http(pair, question)
    with pytest.raises(grpc.RpcError) as refused:
        client.messages(question.method, **question.fields)
    assert status == 400
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == answer.decode()


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    RECORDED,
    ids=[f"{method} {number}" for number, (method, *_) in enumerate(RECORDED)],  # the words have the time in them
)
def test_a_call_that_tempo_refuses_is_refused_in_its_words(
    client: StreamClient, method: str, fields: dict[str, Any], words: str
) -> None:
    refused = client.failure(method, **fields)
    assert (refused.code(), refused.details()) == (grpc.StatusCode.INVALID_ARGUMENT, words)


def test_an_answer_is_one_message_if_it_is_quick_and_says_what_was_read_as_tempos(client: StreamClient) -> None:
    search, metrics, tags = (
        client.messages(method, **fields)
        for method, fields in (
            ("Search", {"Query": "{}", **WINDOW}),
            ("MetricsQueryRange", {"query": "{} | rate()", **RANGE}),
            ("SearchTagsV2", {"query": "{ span.n = 1 }"}),
        )
    )
    assert [len(search), len(metrics), len(tags)] == [1, 1, 1]
    for message in (search[0], metrics[0]):
        assert message.metrics.completedJobs == message.metrics.totalJobs == 1
        assert message.metrics.inspectedBytes > 0
    assert tags[0].metrics.inspectedBytes > 0


def test_random_questions_are_answered_as_over_http(pair: Endpoints, client: StreamClient) -> None:
    questions = Questions(7, NOW_S)
    kinds = itertools.cycle((questions.search, questions.metrics, questions.metadata, questions.narrowed))
    for make in itertools.islice(kinds, 32):
        question = make()
        status, answer = over_http(pair, question)
        code, streamed = client.answer(question)
        assert code == status, question
        if status == 200:
            assert plain(streamed) == plain(answer), question


def test_tags_of_the_older_form_are_searched_for_as_over_http(pair: Endpoints, client: StreamClient) -> None:
    tags = {"region": "eu", "vehicle": 'a "quoted\\" one', "two words": "x"}
    shown = requests.get(f"{pair.tempo}/api/search", params={"tags": "region=eu", "minDuration": "8ms"}, timeout=20)
    (found,) = client.messages("Search", Tags={"region": "eu"}, MinDurationMs=8)
    (nothing,) = client.messages("Search", Tags=tags)
    with pytest.raises(grpc.RpcError) as refused:
        client.messages("Search", Tags={" ": "x"})
    with pytest.raises(grpc.RpcError) as both:
        client.messages("Search", Tags={"a": "b"}, Query="{}")
    assert {trace.traceID for trace in found.traces} == {trace["traceID"] for trace in shown.json()["traces"]}
    assert len(found.traces) == TRACES // 2
    assert not nothing.traces
    assert "invalid key" in refused.value.details()
    assert "can't specify tags and q" in both.value.details()


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("MetricsQueryRange", {"query": "{} | rate()", "start": 2**64 - 10, "end": 2**64 - 1}),
        ("MetricsQueryRange", {"query": "{} | rate()", "step": 2**64 - 1, **RANGE}),
        ("MetricsQueryInstant", {"query": "{} | rate()", "start": 2**63, "end": 2**63 + 5}),
        ("SearchTagValues", {}),
    ],
)
def test_what_no_request_over_http_can_say_is_refused_too(client: StreamClient, method: str, fields: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.messages(method, **fields)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_bytes_that_are_no_request_and_a_call_without_one_are_refused(client: StreamClient) -> None:
    stream = client._channel.stream_stream("/tempopb.StreamingQuerier/Search")
    for sent in ([b"\xff\xff"], [b"\x42\x01\xff"], []):
        with pytest.raises(grpc.RpcError) as refused:
            list(stream(iter(sent), timeout=PATIENCE_S))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "method",
    ["/tempopb.StreamingQuerier/Nothing", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/"],
)
def test_a_call_that_belongs_elsewhere_is_told_where(client: StreamClient, method: str) -> None:
    with pytest.raises(grpc.RpcError) as unknown:
        client._channel.unary_unary(method)(b"x", timeout=PATIENCE_S)
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"there is no method {method} here: this port takes queries" in unknown.value.details()
    assert "spans go to the OTLP port" in unknown.value.details()


def streams_on(database: Database) -> Streams:
    candidates = Candidates()
    return Streams(database, candidates, Tags(candidates))


def test_progress_tells_each_trace_once_and_at_last_comes_the_whole_answer(
    database: Database, applications: Applications
) -> None:
    for trace in ("aa", "bb", "cc"):
        applications.export(SpanFactory(trace)(trace))
    said: list[Any] = []
    clock = itertools.count().__next__  # at each look, it was long ago that something was said
    progress = Progress(said.append, clock=lambda: float(clock()))
    request = messages.SearchRequest(Query="{}").SerializeToString()
    with database.reading(database.deadline_from(None, look=progress.look)):
        streams_on(database).answer("Search", request, progress)
    *earlier, last = said
    told = [trace.traceID for message in earlier for trace in message.traces]
    assert told[:2] == ["cc" * 16, "bb" * 16]  # the newest first
    assert len(told) == len(set(told)) >= 2  # the last is found when there is nothing more to look at
    assert {trace.traceID for trace in last.traces} == {"aa" * 16, "bb" * 16, "cc" * 16} >= set(told)
    assert {message.metrics.completedJobs for message in earlier} == {0}
    assert (last.metrics.completedJobs, last.metrics.totalJobs, last.metrics.inspectedTraces) == (1, 1, 3)
    bytes_read = [message.metrics.inspectedBytes for message in said]
    assert bytes_read == sorted(bytes_read)
    assert bytes_read[-1] > 0


@pytest.mark.parametrize(
    ("method", "request_message"),
    [
        ("MetricsQueryRange", messages.QueryRangeRequest(query="{} | rate()", **RANGE)),
        ("MetricsQueryInstant", messages.QueryInstantRequest(query="{} | rate()", **RANGE)),
        ("SearchTags", messages.SearchTagsRequest(query="{ span.n = 1 }")),
        ("SearchTagsV2", messages.SearchTagsRequest(query="{ span.n = 1 }")),
        ("SearchTagValues", messages.SearchTagValuesRequest(tagName="n", query="{ span.n = 1 }")),
        ("SearchTagValuesV2", messages.SearchTagValuesRequest(tagName="span.n", query="{ span.n = 1 }")),
    ],
)
def test_every_kind_of_query_says_how_far_it_is(
    database: Database, applications: Applications, method: str, request_message: Any
) -> None:
    applications.export(SpanFactory("aa")("a", values={"n": 1}))
    said: list[Any] = []
    clock = itertools.count().__next__
    progress = Progress(said.append, clock=lambda: float(clock()))
    with database.reading(database.deadline_from(None, look=progress.look)):
        streams_on(database).answer(method, request_message.SerializeToString(), progress)
    *earlier, last = said
    assert earlier
    assert all(message.HasField("metrics") for message in (*earlier, last))
    lists = ("series", "tagNames", "scopes", "tagValues")
    shown = [list(getattr(message, name)) for message in said for name in lists if hasattr(message, name)]
    assert shown[-1]
    assert not any(shown[:-1])


def test_a_large_answer_comes_in_several_messages_that_are_the_whole() -> None:
    empty = messages.SearchTagsResponse(metrics=messages.MetadataMetrics(inspectedBytes=7))
    names = [f"name {number:04}" for number in range(100)] + ["x" * 500]
    made = list(packets(empty, "tagNames", names, limit=200))
    assert [name for packet in made for name in packet.tagNames] == names
    assert all(packet.ByteSize() <= 200 for packet in made[:-1])
    assert list(made[-1].tagNames) == names[-1:]
    assert {packet.metrics.inspectedBytes for packet in made} == {7}


def test_only_the_last_message_says_that_series_may_be_missing() -> None:
    series = [messages.InstantSeries(value=number) for number in range(5)]
    last = messages.QueryInstantResponse(status=messages.PARTIAL, message="more")
    made = list(packets(messages.QueryInstantResponse(), "series", series, last, limit=20))
    assert len(made) > 1
    assert [packet.message for packet in made] == [""] * (len(made) - 1) + ["more"]
    assert [packet.message for packet in packets(messages.QueryInstantResponse(), "series", [], last)] == ["more"]


def test_an_answer_that_is_too_large_is_refused(client: StreamClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.tempo.streams.SizeCheck.__init__.__defaults__", (100,))
    with pytest.raises(grpc.RpcError) as refused:
        client.messages("Search", Query="{}")
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "the answer is larger than 100 bytes" in refused.value.details()


class Endless:
    """In the place of an answer: a query that looks at its deadline until that is over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.given_up = threading.Semaphore(0), threading.Event()
        endless = self

        def answer(self: Streams, *_: object) -> None:
            endless.begun.release()
            end_s = time.monotonic() + PATIENCE_S
            try:
                while time.monotonic() < end_s:
                    self._database.deadline.check()
                    time.sleep(0.001)
            except QueryTooLongError:
                endless.given_up.set()
                raise

        monkeypatch.setattr(Streams, "answer", answer)


def test_a_call_that_its_client_cancels_stops_its_query(client: StreamClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        endless = Endless(patched)
        call = client.call("Search", Query="{}")
        assert endless.begun.acquire(timeout=PATIENCE_S)
        call.cancel()
        assert endless.given_up.wait(PATIENCE_S)
    assert client.messages("Search", Query="{}")


def test_a_query_that_a_cancelled_deadline_interrupts_in_the_middle_of_a_loop_ends() -> None:
    deadline = Deadline(1_000.0)
    numbers = deadline.watch(itertools.count())
    assert [next(numbers) for _ in range(3)] == [0, 1, 2]
    deadline.cancel()
    assert deadline.is_over
    with pytest.raises(QueryTooLongError):
        next(numbers)


def test_a_query_that_takes_too_long_is_told_so(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Endless(monkeypatch)
    settings = Settings(query_timeout_s=0.1)
    with (
        pair_in_process(empty_store, tmp_path / "data", settings=settings) as endpoints,
        streams_of(endpoints.tempo) as client,
        pytest.raises(grpc.RpcError) as late,
    ):
        client.messages("Search", Query="{}")
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "took longer than 0.1 s (--query-timeout)" in late.value.details()


def retry_s(error: Any) -> int:
    """When an error says to try again, in both ways of saying it."""
    metadata = metadata_of(error)
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    info = status_pb2.RetryInfo.FromString(status.details[0].value)
    assert status.details[0].type_url == "type.googleapis.com/google.rpc.RetryInfo"
    assert (status.code, status.message) == (error.code().value[0], error.details())
    assert metadata["grpc-retry-pushback-ms"] == str(info.retry_delay.seconds * 1_000)
    return int(info.retry_delay.seconds)


def test_a_call_for_which_there_is_no_room_in_the_line_may_be_made_again(
    pair: Endpoints, client: StreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "QUERIES_WAITING", 0)
    status, answer = over_http(pair, Question("Search", {"Query": "{}"}))
    with pytest.raises(grpc.RpcError) as refused:
        client.messages("Search", Query="{}")
    assert (status, refused.value.details()) == (503, answer.decode())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert retry_s(refused.value) == 1


def test_more_calls_than_there_are_places_may_be_made_again(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_server, "STREAMING_CALLS", 2)
    monkeypatch.setattr(stream_server, "STREAMING_RESERVED", 0)
    with pair_in_process(empty_store, tmp_path / "data") as endpoints, streams_of(endpoints.tempo) as client:
        with monkeypatch.context() as patched:
            endless = Endless(patched)
            calls = [client.call("Search", Query="{}") for _ in range(2)]
            assert all(endless.begun.acquire(timeout=PATIENCE_S) for _ in calls)
            refused = client.failure("Search", Query="{")
            for call in calls:
                call.cancel()
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_s(refused) == 1
        wait_until(lambda: client.answer(Question("Search", {"Query": "{}"}))[0] == 200)


def test_without_the_token_a_call_is_refused_before_its_request_is_read(empty_store: Path, tmp_path: Path) -> None:
    settings = Settings(token=TOKEN)
    unsent = threading.Event()

    def request() -> Iterator[bytes]:
        unsent.wait(PATIENCE_S)
        yield b""

    with (
        pair_in_process(empty_store, tmp_path / "data", settings=settings) as endpoints,
        streams_of(endpoints.tempo) as client,
    ):
        stream = client._channel.stream_stream("/tempopb.StreamingQuerier/Search")
        with pytest.raises(grpc.RpcError) as refused:
            list(stream(request(), timeout=PATIENCE_S))
        unsent.set()
        allowed = client.messages("Search", {"authorization": f"Bearer {TOKEN}"}, Query="{}")
        guess = {"authorization": "Bearer x"}
        codes = [client.failure("Search", guess, Query="{}").code() for _ in range(FREE_GUESSES + 1)]
        again = client.messages("Search", {"authorization": f"Bearer {TOKEN}"}, Query="{}")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "send the token" in refused.value.details()
    assert len(allowed) == len(again) == 1
    assert codes[-2:] == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize("metadata", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_a_page_of_another_site_is_kept_out_whatever_brought_its_call(
    client: StreamClient, metadata: dict[str, str]
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.messages("Search", metadata, Query="{}")
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_an_error_of_the_pair_itself_is_told_without_its_inside(
    client: StreamClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Streams, "answer", broken)
    with pytest.raises(grpc.RpcError) as failed:
        client.messages("Search", Query="{}")
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "Search over gRPC failed" in caplog.text
