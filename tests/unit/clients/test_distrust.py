"""A server that is slow on purpose, answers without end, leads elsewhere or lies: an error, in time and small."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests

from spanprofiles.clients import (
    ClientError,
    HttpClient,
    ProfileQuery,
    PyroscopeClient,
    RequestRefusedError,
    TempoClient,
    UnexpectedAnswerError,
    answers,
    json_values,
)
from spanprofiles.clients.http import is_caused_by
from spanprofiles.clients.refusals import samples
from spanprofiles.clients.sockets import DeadlineAdapter, DeadlinePassedError, deadline_after
from spanprofiles.model import Credentials
from tests.unit.conftest import Answer, Serve, StubServer, dripping_server, flamebearer, otlp_span, resource_spans

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "a1a1a1a1a1a1a1a1"
_QUERY = ProfileQuery("{}", 1, 2)
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (_JSON_HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        (_JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (_JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (_JSON_HEAD + b"\r\n", b" "),
        (b"HTTP/1.1 500 No\r\n\r\n", b" "),
    ],
    ids=["status", "header", "interim", "length", "chunks", "extension", "until-it-ends", "refusal"],
)
def test_a_server_that_drips_is_given_up_when_its_whole_answer_is_late(first: bytes, drop: bytes) -> None:
    with dripping_server(first, drop) as url:
        client = TempoClient(url, timeout_s=(0.1, 0.2))
        with pytest.raises(ClientError) as failed:
            client.search("{}")
        client.close()
    if first.startswith(b"HTTP/1.1 500"):
        return  # its first words are enough, or it was late
    assert str(failed.value) == f"Tempo does not answer at {url}/api/search: its answer was not complete after 0.4 s"


def test_a_server_that_is_slow_but_in_time_is_waited_for(serve: Serve) -> None:
    def respond(_: object) -> Answer:
        time.sleep(0.05)
        return Answer.of({"tagValues": [{"value": "a"}]})

    assert TempoClient(serve(respond).url, timeout_s=(10.0, 10.0)).tag_values("name") == ["a"]


def _gzipped(content: bytes, encoding: str = "gzip") -> Answer:
    return Answer(content, headers={"Content-Encoding": encoding})


def _answered(answer: Answer, _: object) -> Answer:
    return answer


def test_an_answer_that_is_compressed_is_read_and_so_are_two_behind_one_another(serve: Serve) -> None:
    whole = b'{"tagValues": [{"value": "a"}]}'
    for content in (gzip.compress(whole), gzip.compress(whole[:9]) + gzip.compress(whole[9:])):
        stub = serve(partial(_answered, _gzipped(content)))
        assert TempoClient(stub.url).tag_values("name") == ["a"]
        assert stub.seen[0].headers["Accept-Encoding"] == "gzip"


def test_a_compressed_answer_is_inflated_to_the_limit_and_no_further() -> None:
    bomb = gzip.compress(bytes(2 * answers.LARGEST_ANSWER_BYTES), 1)
    inflated = 0

    def pieces() -> Iterator[bytes]:
        nonlocal inflated
        for start in range(0, len(bomb), 1024):
            inflated = start
            yield bomb[start : start + 1024]

    with pytest.raises(answers.AnswerError, match="larger than"):
        answers.body(pieces(), "gzip")
    assert inflated < 0.6 * len(bomb)


@pytest.mark.parametrize(
    ("content", "encoding", "reason"),
    [
        (gzip.compress(b"{}" + b" " * 40_000_000, 1), "gzip", "larger than 33554432 bytes"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", "encoded as 'gzip, gzip'"),
        (b"{}", "br", "encoded as 'br'"),
        (b"{}", "gzip", "not what it says it is encoded as"),
        (gzip.compress(b"{}") + b"garbage", "gzip", "not what it says it is encoded as"),
        (gzip.compress(b'{"a": "' + bytes(range(250)) * 20 + b'"}')[:-20], "gzip", "ends in the middle"),
    ],
    ids=["bomb", "nested", "another", "plain", "more", "half"],
)
def test_a_body_that_is_too_large_or_not_as_it_says_is_an_error(
    serve: Serve, content: bytes, encoding: str, reason: str
) -> None:
    stub = serve(lambda _: _gzipped(content, encoding))
    with pytest.raises(UnexpectedAnswerError) as failed:
        TempoClient(stub.url).tag_values("name")
    assert str(failed.value).startswith(f"the answer of Tempo at {stub.url}/api/v2/search/tag/name/values is not ")
    assert reason in str(failed.value)


def test_of_a_refusal_that_is_a_bomb_the_first_words_are_shown(serve: Serve) -> None:
    stub = serve(lambda _: Answer(gzip.compress(b"no. " * 1_000_000, 1), 500, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(RequestRefusedError, match=r"with 500: no\. no\. "):
        TempoClient(stub.url).check_ready()


_SECRETS = Credentials(bearer_token="s3cret", tenant="team", headers={"X-Extra": "s3cret"})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_is_not_followed_and_told(serve: Serve, status: int) -> None:
    other = serve(lambda _: Answer.of({"tagValues": []}))
    stub = serve(lambda _: Answer("", status, headers={"Location": f"{other.url}/login?next=s3cret"}))
    tempo, pyroscope = TempoClient(stub.url, _SECRETS), PyroscopeClient(stub.url, _SECRETS)
    questions: list[Callable[[], object]] = [lambda: tempo.tag_values("name"), lambda: pyroscope.label_names(1, 2)]
    for ask in questions:
        with pytest.raises(UnexpectedAnswerError) as failed:
            ask()
        assert f"redirects to another server, {other.url}/login?next=***" in str(failed.value)
        assert "s3cret" not in str(failed.value)
    assert other.seen == []


@pytest.mark.parametrize("credentials", [_SECRETS, None], ids=["secrets", "none"])
@pytest.mark.parametrize(
    "location",
    [
        "//elsewhere.invalid/x",
        "https://127.0.0.1/x",
        "http://127.0.0.1:1/x",
        "http://joe:s3cret@elsewhere.invalid/",
        "http://[::1/",
        "http://127.0.0.1:99999999/",
        "file:///etc/passwd",
        "http://elsewhere.invalid/\x1b[2J",
    ],
)
def test_a_redirect_is_elsewhere_by_its_scheme_its_host_and_its_port(
    location: str, credentials: Credentials | None
) -> None:
    head = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)

        thread = threading.Thread(target=run)
        thread.start()
        with pytest.raises(ClientError) as failed:
            TempoClient(f"http://127.0.0.1:{listener.getsockname()[1]}", credentials).check_ready()
        thread.join()
    assert "s3cret" not in str(failed.value)
    assert str(failed.value).isprintable()


def test_a_redirect_on_the_same_server_is_followed_with_credentials_a_few_times(serve: Serve) -> None:
    def respond(seen: Any) -> Answer:
        if seen.path.startswith("/new"):
            return Answer.of({"tagValues": [{"value": "a"}]})
        return Answer("", 307, headers={"Location": f"/new{seen.path}"})

    stub = serve(respond)
    assert TempoClient(stub.url, _SECRETS).tag_values("name") == ["a"]
    assert [seen.headers["Authorization"] for seen in stub.seen] == ["Bearer s3cret"] * 2
    stub.respond = lambda seen: Answer("", 302, headers={"Location": seen.path + "x"})
    stub.seen = []
    with pytest.raises(UnexpectedAnswerError, match="more than 5 redirects"):
        TempoClient(stub.url).check_ready()
    assert len(stub.seen) == 6


def test_a_post_is_redirected_with_its_body_or_not_at_all(serve: Serve) -> None:
    def respond(seen: Any) -> Answer:
        if seen.path == "/new":
            return Answer.of({"names": [seen.json["start"] and seen.method]})
        return Answer("", status, headers={"Location": "/new"})

    stub = serve(respond)
    status = 308
    assert PyroscopeClient(stub.url).label_names(1, 2) == ["POST"]
    status = 302
    with pytest.raises(UnexpectedAnswerError, match="redirects a POST"):
        PyroscopeClient(stub.url).label_names(1, 2)


def test_cookies_of_a_server_are_not_kept(serve: Serve) -> None:
    stub = serve(lambda _: Answer.of({}, 200))
    stub.respond = lambda _: Answer("{}", headers={"Set-Cookie": "a=b; Path=/"})
    client = TempoClient(stub.url)
    client.search("{}")
    client.search("{}")
    assert "Cookie" not in stub.seen[1].headers


def _ask_all(stub: StubServer) -> list[Callable[[], object]]:
    tempo, pyroscope = TempoClient(stub.url), PyroscopeClient(stub.url)
    return [
        lambda: tempo.trace(_TRACE),
        lambda: tempo.search("{}"),
        lambda: tempo.tag_values("name"),
        lambda: pyroscope.span_profile(_QUERY, [_SPAN]),
        lambda: pyroscope.span_lines(_QUERY, [_SPAN]),
        lambda: pyroscope.merged_profile(_QUERY),
        lambda: pyroscope.profile_types(1, 2),
        lambda: pyroscope.label_names(1, 2),
        lambda: pyroscope.series(1, 2),
        lambda: pyroscope.totals(_QUERY, 1),
        lambda: pyroscope.span_exemplars(_QUERY, 1),
    ]


_DEEP = 100_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": ' + "[" * _DEEP + "]" * _DEEP + "}", "deep inside one another"),
        ('{"a": ' + '{"a": ' * 300 + "1" + "}" * 300 + "}", "deep inside one another"),
        ("[" * _DEEP, "deep inside one another"),
        ('{"a": NaN}', "NaN, which is not a number"),
        ('{"a": -Infinity}', "-Infinity, which is not a number"),
        ('{"a": 1e999}', "larger than any"),
        ('{"a": ' + "9" * 5000 + "}", "a number of 5000 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": "' + "[" * 300 + '"', "not JSON"),
        ("", "not JSON"),
        ("[" + "[]," * answers.MOST_JSON_PARTS + "[]]", "objects and lists, more than"),
    ],
    ids=["lists", "objects", "open", "nan", "infinity", "float", "digits", "twice", "utf-8", "half", "none", "many"],
)
def test_json_that_no_server_would_write_is_an_error_that_says_what_is_odd(
    serve: Serve, content: str | bytes, reason: str
) -> None:
    stub = serve(lambda _: Answer(content))
    for ask in _ask_all(stub)[:: 1 if len(content) < 10_000 else 5]:
        with pytest.raises(UnexpectedAnswerError) as failed:
            ask()
        assert reason in str(failed.value)
        assert len(str(failed.value)) < 500


def test_brackets_in_texts_are_no_depth(serve: Serve) -> None:
    name = "[{" * 500 + '\\"' + "[" * 500
    stub = serve(lambda _: Answer.of({"tagValues": [{"value": name}]}))
    assert TempoClient(stub.url).tag_values("name") == [name]


_SPAN_FIELDS: dict[str, list[Any]] = {
    "traceId": [1, None, [], "x"],
    "spanId": [1, None, {}],
    "parentSpanId": [1, {}],
    "name": [1, None, [], {}],
    "kind": [99, -1, 1.5, True, "SPAN_KIND_NONSENSE", []],
    "startTimeUnixNano": ["x", "9" * 30, -1, "1e3", None, [], True, "NaN", "\u0661"],
    "endTimeUnixNano": ["x", 1e300, -1],
    "attributes": [5, [5], [{}], [{"key": 5}], [{"key": "a", "value": 5}], [{"key": "a", "value": {"intValue": "x"}}]],
    "events": [5, [5], [{"name": 5}], [{"timeUnixNano": -1}]],
    "status": [5, {"code": 9}, {"message": 5}],
    "flags": ["x", -1, []],
}


@pytest.mark.parametrize(("field", "value"), [(name, value) for name, all_ in _SPAN_FIELDS.items() for value in all_])
def test_a_field_of_a_span_that_is_of_another_kind_is_an_error(serve: Serve, field: str, value: Any) -> None:
    span = otlp_span(_TRACE, _SPAN, start_ns=1, end_ns=2) | {field: value}
    stub = serve(lambda _: Answer.of({"trace": {"resourceSpans": [resource_spans("a", span)]}}))
    with pytest.raises(UnexpectedAnswerError, match="not a trace"):
        TempoClient(stub.url).trace(_TRACE)


def test_values_deep_inside_one_another_are_read_as_far_as_anybody_nests_them(serve: Serve) -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(50):
        value = {"kvlistValue": {"values": [{"key": "a", "value": value}]}}
    span = otlp_span(_TRACE, _SPAN, start_ns=1, end_ns=2) | {"attributes": [{"key": "a", "value": value}]}
    stub = serve(lambda _: Answer.of({"trace": {"resourceSpans": [resource_spans("a", span)]}}))
    trace = TempoClient(stub.url).trace(_TRACE)
    assert trace is not None
    assert json.dumps(dict(trace.spans[0].attributes)).count("{") == 51


def test_half_a_surrogate_pair_in_a_name_is_replaced(serve: Serve) -> None:
    stub = serve(lambda _: Answer('{"tagValues": [{"value": "a\\ud800b"}, {"value": "\\ud83d\\ude80"}]}'))
    assert TempoClient(stub.url).tag_values("name") == ["a\ufffdb", "\U0001f680"]


def test_a_trace_of_more_spans_than_anybody_looks_at_is_an_error(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.clients.otlp_json.MOST_SPANS", 3)
    spans = [otlp_span(_TRACE, f"{n:016x}", start_ns=1, end_ns=2) for n in range(1, 5)]
    stub = serve(lambda _: Answer.of({"trace": {"resourceSpans": [resource_spans("a", *spans[: len(stub.seen) + 2])]}}))
    tempo = TempoClient(stub.url)
    trace = tempo.trace(_TRACE)
    assert trace is not None
    assert len(trace.spans) == 3
    with pytest.raises(UnexpectedAnswerError, match="more than 3 spans"):
        tempo.trace(_TRACE)


def _chain(depth: int) -> dict[str, Any]:
    return {"names": ["total", "f"], "levels": [{"values": [0, 9, 9 * (n == depth - 1), 1]} for n in range(depth)]}


def _staircase(depth: int) -> dict[str, Any]:
    """A chain with a sample at each depth: of so many boxes there are half the square of it frames in its paths."""
    return {"names": ["total", "f"], "levels": [{"values": [0, depth - n, 1, 1]} for n in range(depth)]}


def _wide_pprof(lines: int, samples_: int) -> dict[str, Any]:
    return {
        "stringTable": ["", "f"],
        "function": [{"id": "1", "name": "1"}],
        "location": [{"id": "1", "line": [{"functionId": "1"}] * lines}],
        "sample": [{"locationId": ["1"], "value": ["1"]}] * samples_,
    }


def test_the_frames_of_a_flame_graph_are_counted_as_it_is_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    pyroscope = PyroscopeClient(serve(lambda _: Answer.of({"flamegraph": _chain(1000)})).url)
    assert len(next(iter(pyroscope.merged_profile(_QUERY).stacks))) == 999
    pyroscope = PyroscopeClient(serve(lambda _: Answer.of({"flamegraph": _staircase(1000)})).url)
    monkeypatch.setattr(json_values, "MOST_FRAMES", 400_000)
    with pytest.raises(UnexpectedAnswerError, match="more than 400000 frames"):
        pyroscope.merged_profile(_QUERY)
    bomb = _wide_pprof(1000, 401)
    pyroscope = PyroscopeClient(serve(lambda _: Answer.of({"pprof": {"profile": bomb}})).url)
    with pytest.raises(UnexpectedAnswerError, match="more than 400000 frames"):
        pyroscope.span_lines(_QUERY, [_SPAN])


@pytest.mark.parametrize("place", [-1, 5, "x", None, 1.5, True])
def test_a_name_that_is_not_in_the_table_is_an_error(serve: Serve, place: Any) -> None:
    graph = flamebearer({("f",): 3})
    graph["levels"][1]["values"][3] = place
    pyroscope = PyroscopeClient(serve(lambda _: Answer.of({"flamegraph": graph})).url)
    with pytest.raises(UnexpectedAnswerError, match="not a flame graph"):
        pyroscope.merged_profile(_QUERY)


@pytest.mark.parametrize(
    "labels",
    ["a" * 60_000, 'a="' * 20_000, 'a="' + '\\"a=' * 15_000, " " * 60_000 + "a", 'a="b"' + "," * 60_000],
    ids=["name", "open", "escaped", "spaces", "commas"],
)
def test_a_line_of_metrics_takes_no_longer_than_it_is_long(labels: str) -> None:
    started = time.process_time()
    for _ in samples(f"m{{{labels}}} 1\n" * 4, {"m"}):
        pass
    assert time.process_time() - started < 5  # the square of its length takes minutes


def test_a_user_name_and_password_in_an_address_are_used_and_never_shown(serve: Serve, dead_url: str) -> None:
    stub = serve(lambda _: Answer("no", 401, "text/plain"))
    for url in (stub.url, dead_url, "http://no-such-host.invalid:1", "http://[::1", "http://127.0.0.1:x"):
        with pytest.raises(ClientError) as failed:
            TempoClient(url.replace("://", "://jo%40e:s3cret%2F@")).check_ready()
        for word in ("s3cret", "jo%40e", "jo@e"):
            assert word not in str(failed.value)
            assert word not in repr(failed.value.__cause__), url
    assert stub.seen[0].headers["Authorization"] == "Basic am9AZTpzM2NyZXQv"


def test_credentials_that_are_given_go_before_those_of_the_address(serve: Serve) -> None:
    stub = serve(lambda _: Answer("ready"))
    url = stub.url.replace("://", "://joe:other@")
    TempoClient(url, Credentials(bearer_token="s3cret")).check_ready()
    TempoClient(url, Credentials(headers={"authorization": "Bearer own"})).check_ready()
    assert [seen.headers["Authorization"] for seen in stub.seen] == ["Bearer s3cret", "Bearer own"]
    assert "joe" not in HttpClient("Tempo", url).url


def test_words_of_a_server_are_printable_in_every_error(serve: Serve) -> None:
    evil = "\x1b]0;owned\x07\u202e\n::error::x\r##[set-env]"
    stub = serve(lambda _: Answer(evil, 500, "text/plain"))
    with pytest.raises(RequestRefusedError) as refused:
        TempoClient(stub.url).check_ready()
    stub.respond = lambda _: Answer(f"<html><title>{evil}</title>", 404, "text/html")
    with pytest.raises(RequestRefusedError) as page:
        TempoClient(stub.url).check_ready()
    stub.respond = lambda _: Answer.of({"traces": [{"traceID": evil}]})
    with pytest.raises(UnexpectedAnswerError) as unexpected:
        TempoClient(stub.url).search("{}")
    stub.respond = lambda _: Answer(b"{", 200, "text/html; x=\xff\x80")
    with pytest.raises(UnexpectedAnswerError) as not_json:
        TempoClient(stub.url).search("{}")
    for failed in (refused, page, unexpected, not_json):
        assert re.fullmatch(r"[ -~…\xa1-\xff]+", str(failed.value)), str(failed.value)
        assert "##[" not in str(failed.value)


def test_a_read_ends_at_a_deadline_where_one_is_set_and_not_elsewhere(serve: Serve) -> None:
    stub = serve(lambda _: Answer("ready"))
    with requests.Session() as session:
        session.mount("http://", DeadlineAdapter(verify_tls=True))
        assert session.get(stub.url, timeout=60).text == "ready"
        with deadline_after(60):
            assert session.get(stub.url, timeout=60).text == "ready"
        with deadline_after(-1), pytest.raises(requests.RequestException) as failed:
            session.get(stub.url, timeout=60)
        assert is_caused_by(failed.value, DeadlinePassedError)
