"""Each way a server can fail, over real sockets: the error's class, and a message that says server, URL and cause."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spanprofiles.clients import (
    ClientError,
    ProfileQuery,
    PyroscopeClient,
    RequestRefusedError,
    ServerUnreachableError,
    TempoClient,
    UnexpectedAnswerError,
)
from spanprofiles.clients.http import is_caused_by
from spanprofiles.model import Credentials, IdentifierError
from tests.unit.conftest import Answer, Serve, flamebearer, otlp_span, resource_spans

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "a1a1a1a1a1a1a1a1"
_QUERY = ProfileQuery("{}", 1, 2)
_PATIENT, _IMPATIENT = (10.0, 10.0), (10.0, 0.2)
_WORD = "s3cret"

Ask = Callable[[str, Credentials | None], Any]


def _tempo(url: str, credentials: Credentials | None = None) -> TempoClient:
    return TempoClient(url, credentials, _PATIENT)


def _pyroscope(url: str, credentials: Credentials | None = None) -> PyroscopeClient:
    return PyroscopeClient(url, credentials, _PATIENT)


# every question a client can ask: server, path, the question
_QUESTIONS: list[tuple[str, str, Ask]] = [
    ("Tempo", f"/api/v2/traces/{_TRACE}", lambda url, who: _tempo(url, who).trace(_TRACE)),
    ("Tempo", "/api/search", lambda url, who: _tempo(url, who).search("{}")),
    ("Tempo", "/api/v2/search/tag/name/values", lambda url, who: _tempo(url, who).tag_values("name")),
    ("Pyroscope", "SelectMergeSpanProfile", lambda url, who: _pyroscope(url, who).span_profile(_QUERY, [_SPAN])),
    ("Pyroscope", "SelectMergeStacktraces", lambda url, who: _pyroscope(url, who).span_lines(_QUERY, [_SPAN])),
    ("Pyroscope", "SelectMergeStacktraces", lambda url, who: _pyroscope(url, who).trace_profile(_QUERY, _TRACE)),
    ("Pyroscope", "SelectMergeStacktraces", lambda url, who: _pyroscope(url, who).merged_profile(_QUERY)),
    ("Pyroscope", "ProfileTypes", lambda url, who: _pyroscope(url, who).profile_types(1, 2)),
    ("Pyroscope", "LabelNames", lambda url, who: _pyroscope(url, who).label_names(1, 2)),
    ("Pyroscope", "LabelValues", lambda url, who: _pyroscope(url, who).label_values("a", 1, 2)),
    ("Pyroscope", "Series", lambda url, who: _pyroscope(url, who).series(1, 2)),
]
_READY: list[tuple[str, str, Ask]] = [
    ("Tempo", "/ready", lambda url, who: _tempo(url, who).check_ready()),
    ("Pyroscope", "/ready", lambda url, who: _pyroscope(url, who).check_ready()),
]
_questions = pytest.mark.parametrize(("server", "path", "ask"), _QUESTIONS, ids=[path for _, path, _ in _QUESTIONS])
_all_questions = pytest.mark.parametrize(
    ("server", "path", "ask"), _QUESTIONS + _READY, ids=[path for _, path, _ in _QUESTIONS + _READY]
)


@contextlib.contextmanager
def _raw_server(greeting: bytes) -> Iterator[str]:
    """A server that takes connections, says this much, and then nothing more for as long as it runs."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    connection.recv(65536)
                    connection.sendall(greeting)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


@_all_questions
def test_where_nothing_listens_the_message_says_connection_refused(
    dead_url: str, server: str, path: str, ask: Ask
) -> None:
    with pytest.raises(ServerUnreachableError) as failed:
        ask(dead_url, None)
    message = str(failed.value)
    assert message.startswith(f"{server} does not answer at {dead_url}/")
    assert path in message
    assert message.endswith(": Connection refused")


def test_a_server_that_accepts_and_never_answers_is_given_up_after_the_time_out() -> None:
    with _raw_server(b"") as url, pytest.raises(ServerUnreachableError) as failed:
        TempoClient(url, timeout_s=_IMPATIENT).check_ready()
    assert str(failed.value) == f"Tempo does not answer at {url}/ready: no answer in time"


def test_an_answer_that_stops_half_way_is_given_up_after_the_time_out() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    with _raw_server(half) as url, pytest.raises(ServerUnreachableError) as failed:
        PyroscopeClient(url, timeout_s=_IMPATIENT).profile_types(1, 2)
    assert str(failed.value).endswith("/ProfileTypes: no answer in time")


def test_something_that_does_not_speak_http_is_named_as_no_answer() -> None:
    with _raw_server(b"SSH-2.0-OpenSSH_9.2\r\n") as url, pytest.raises(ServerUnreachableError) as failed:
        _tempo(url).check_ready()
    assert str(failed.value).startswith(f"Tempo does not answer at {url}/ready: ")


def test_a_name_that_does_not_resolve_is_named_with_the_cause() -> None:
    with pytest.raises(ServerUnreachableError, match=r"does not answer at http://no-such-host\.invalid:1/ready: .+"):
        _tempo("http://no-such-host.invalid:1").check_ready()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
@_all_questions
def test_a_refusal_says_the_status_and_the_servers_words(
    serve: Serve, status: int, server: str, path: str, ask: Ask
) -> None:
    stub = serve(lambda _: Answer("that will\nnot do", status, "text/plain"))
    with pytest.raises(RequestRefusedError) as failed:
        ask(stub.url, None)
    message = str(failed.value)
    assert failed.value.status == status
    assert message.startswith(f"{server} refused {stub.url}/")
    assert path in message
    assert f" with {status}: that will not do" in message
    assert ("look at user name, password, token and tenant" in message) == (status in {401, 403})


def test_a_refusal_without_words_says_so_and_one_with_too_many_is_cut(serve: Serve) -> None:
    stub = serve(lambda seen: Answer("" if seen.path == "/ready" else "x" * 5000, 500, "text/plain"))
    with pytest.raises(RequestRefusedError, match=r"with 500: no text$"):
        _tempo(stub.url).check_ready()
    with pytest.raises(RequestRefusedError) as failed:
        _tempo(stub.url).search("{}")
    assert failed.value.answer == "x" * 300


@_questions
def test_a_login_page_is_not_taken_for_an_answer(serve: Serve, server: str, path: str, ask: Ask) -> None:
    stub = serve(lambda _: Answer("<html>please log in</html>", 200, "text/html"))
    with pytest.raises(UnexpectedAnswerError) as failed:
        ask(stub.url, None)
    message = str(failed.value)
    assert message.startswith(f"the answer of {server} at {stub.url}/")
    assert path in message
    assert "not JSON (text/html)" in message


_OTHER_SHAPES: list[object] = [
    {"status": "ok"},
    [],
    "text",
    None,
    {"trace": {"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "x"}]}]}]}, "traces": [1], "tagValues": [1]}
    | {"flamegraph": {"levels": [{"values": ["0"]}]}, "names": 7, "labelsSet": [{"labels": [1]}], "profileTypes": [{}]},
    {
        "trace": "x",
        "traces": "x",
        "tagValues": 5,
        "flamegraph": "x",
        "names": "x",
        "labelsSet": "x",
        "profileTypes": "x",
        "pprof": "x",
    },
    {"trace": {"resourceSpans": 5}, "traces": [{"traceID": "xyz"}], "tagValues": None}
    | {"flamegraph": {"levels": 5}, "names": None, "labelsSet": None, "profileTypes": None}
    | {"pprof": {"profile": {"sample": [{"locationId": ["7"], "value": ["1"]}]}}},
]


@pytest.mark.parametrize("shape", _OTHER_SHAPES, ids=range(len(_OTHER_SHAPES)))
@_questions
def test_json_of_another_shape_is_not_taken_for_an_answer(
    serve: Serve, shape: object, server: str, path: str, ask: Ask
) -> None:
    stub = serve(lambda _: Answer.of(shape))
    with pytest.raises(UnexpectedAnswerError) as failed:
        ask(stub.url, None)
    message = str(failed.value)
    assert message.startswith(f"the answer of {server} at {stub.url}/")
    assert path in message


@_questions
def test_an_answer_of_nothing_at_all_means_that_there_is_nothing(
    serve: Serve, server: str, path: str, ask: Ask
) -> None:
    found = ask(serve(lambda _: Answer.of({})).url, None)
    assert not found or found.is_empty, (server, path)


def _with_ids(**ids: str) -> Answer:
    span = otlp_span(_TRACE, _SPAN, start_ns=1, end_ns=2) | ids
    return Answer.of({"trace": {"resourceSpans": [resource_spans("a", span)]}})


@pytest.mark.parametrize(
    "ids",
    [
        {"spanId": "zzzzzzzzzzzzzzzz"},  # as long as hex
        {"spanId": "not base64!"},
        {"spanId": "AAAAAAAAAAAAAAAAAAAAAA=="},  # 16 octets
        {"spanId": ""},
        {"spanId": "0" * 16},
        {"traceId": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"traceId": "z" * 32},
        {"traceId": "é" * 32},
        {"parentSpanId": "x"},
    ],
)
def test_a_trace_with_broken_ids_is_not_taken_for_a_trace(serve: Serve, ids: dict[str, str]) -> None:
    stub = serve(lambda _: _with_ids(**ids))
    with pytest.raises(UnexpectedAnswerError, match="not a trace"):
        _tempo(stub.url).trace(_TRACE)


@pytest.mark.parametrize("span_id", [_SPAN, _SPAN.upper(), "oaGhoaGhoaE="])
def test_ids_in_hex_and_in_base64_are_the_same_ids(serve: Serve, span_id: str) -> None:
    trace = _tempo(serve(lambda _: _with_ids(spanId=span_id)).url).trace(_TRACE)
    assert trace is not None
    assert [span.span_id for span in trace.spans] == [_SPAN]


@pytest.mark.parametrize("parent_id", ["", "0" * 16, "AAAAAAAAAAA="])
def test_a_parent_id_that_is_empty_or_all_zeros_is_none(serve: Serve, parent_id: str) -> None:
    trace = _tempo(serve(lambda _: _with_ids(parentSpanId=parent_id)).url).trace(_TRACE)
    assert trace is not None
    assert trace.spans[0].parent_id is None


@pytest.mark.parametrize(("flags", "remote"), [(0, None), (1, None), (0x101, False), (0x301, True), (0x200, None)])
def test_the_flags_say_whether_the_parent_is_remote_or_nothing(serve: Serve, flags: int, remote: bool | None) -> None:
    span = otlp_span(_TRACE, _SPAN, parent_id="b2b2b2b2b2b2b2b2", start_ns=1, end_ns=2) | {"flags": flags}
    stub = serve(lambda _: Answer.of({"trace": {"resourceSpans": [resource_spans("a", span)]}}))
    trace = _tempo(stub.url).trace(_TRACE)
    assert trace is not None
    assert trace.spans[0].parent_is_remote is remote


@pytest.mark.parametrize(
    "levels",
    [
        [[0, 10, 0, 0], [0, 5, 5, 1, 6, 4, 4, 1]],  # the second box starts behind its parent's end
        [[0, 10, 0, 0], [0, 11, 11, 1]],  # wider than its parent
        [[0, 10, 0, 0], [-1, 5, 5, 1]],  # before its parent
        [[0, 10, 0, 0], [0, 5, 5, 9]],  # no such name
        [[0, 10, 0, 0], [0, 5, -5, 1]],  # a negative value
    ],
)
def test_boxes_that_do_not_lie_under_one_another_are_not_taken_for_a_flame_graph(
    serve: Serve, levels: list[list[int]]
) -> None:
    broken = {"names": ["total", "f"], "levels": [{"values": values} for values in levels]}
    stub = serve(lambda _: Answer.of({"flamegraph": broken}))
    with pytest.raises(UnexpectedAnswerError, match="not a flame graph"):
        _pyroscope(stub.url).span_profile(_QUERY, [_SPAN])


def test_a_flame_graph_whose_boxes_leave_gaps_is_read_all_the_same(serve: Serve) -> None:
    stacks = {("f",): 3, ("f", "g"): 4, ("h", "g"): 2, ("h",): 1}
    stub = serve(lambda _: Answer.of({"flamegraph": flamebearer(stacks)}))
    assert _pyroscope(stub.url).span_profile(_QUERY, [_SPAN]).stacks == stacks


@pytest.mark.parametrize("selector", [[], [""], ["xyz"], [_SPAN, "0"], [_TRACE]])
def test_a_span_selector_that_names_no_span_is_refused_before_anything_is_sent(
    serve: Serve, selector: list[str]
) -> None:
    stub = serve(lambda _: Answer.of({"flamegraph": flamebearer({("everything",): 1})}))
    with pytest.raises(IdentifierError):
        _pyroscope(stub.url).span_profile(_QUERY, selector)
    assert stub.seen == []


_WHO = Credentials(username="joe", password=_WORD, tenant="team", headers={"X-Extra": "1"})


@_all_questions
def test_credentials_arrive_as_headers_with_every_question(serve: Serve, server: str, path: str, ask: Ask) -> None:
    stub = serve(lambda _: Answer.of({}))
    ask(stub.url, _WHO)
    ask(stub.url, Credentials(bearer_token=_WORD))
    ask(stub.url, None)
    with_name, with_token, without = (seen.headers for seen in stub.seen)
    assert with_name["Authorization"] == "Basic am9lOnMzY3JldA==", (server, path)
    assert (with_name["X-Scope-Orgid"], with_name["X-Extra"]) == ("team", "1")
    assert with_token["Authorization"] == f"Bearer {_WORD}"
    assert "Authorization" not in without


def test_no_error_repeats_the_credentials(serve: Serve, dead_url: str) -> None:
    stub = serve(lambda _: Answer("no", 401, "text/plain"))
    for url in (stub.url, dead_url):
        with pytest.raises(ClientError) as failed:
            _tempo(url, _WHO).check_ready()
        assert _WORD not in str(failed.value)
        assert "am9l" not in str(failed.value)


def test_a_server_of_this_machine_is_asked_without_the_proxy_and_the_netrc(
    serve: Serve, dead_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login other password other\n")
    netrc.chmod(0o600)
    for name, value in {"HTTP_PROXY": dead_url, "http_proxy": dead_url, "NETRC": str(netrc)}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    stub = serve(lambda _: Answer("ready"))
    _tempo(stub.url, Credentials(bearer_token=_WORD)).check_ready()
    assert stub.seen[0].headers["Authorization"] == f"Bearer {_WORD}"


def test_a_server_elsewhere_is_asked_through_the_proxy_with_the_given_credentials(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda _: Answer("ready"))
    netrc = tmp_path / "netrc"
    netrc.write_text("default login other password other\n")
    netrc.chmod(0o600)
    for name, value in {"http_proxy": proxy.url, "NETRC": str(netrc), "no_proxy": ""}.items():
        monkeypatch.setenv(name, value)
    _tempo("http://localhost.elsewhere.invalid", Credentials(bearer_token=_WORD)).check_ready()
    assert proxy.seen[0].headers["Host"] == "localhost.elsewhere.invalid"
    assert proxy.seen[0].headers["Authorization"] == f"Bearer {_WORD}"


def test_errors_that_cause_one_another_are_gone_through_to_an_end() -> None:
    first, second = OSError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert is_caused_by(first, ValueError)
    assert not is_caused_by(first, TimeoutError)


def test_the_proxy_is_used_for_each_question(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(lambda _: Answer("ready"))
    for name, value in {"http_proxy": proxy.url, "no_proxy": ""}.items():
        monkeypatch.setenv(name, value)
    elsewhere = _tempo("http://localhost.elsewhere.invalid")
    for _ in range(2):
        elsewhere.check_ready()
    assert [seen.headers["Host"] for seen in proxy.seen] == ["localhost.elsewhere.invalid"] * 2
