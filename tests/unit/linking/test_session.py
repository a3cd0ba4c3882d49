from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from spanprofiles.linking import NotTracedError, TracedSession, await_answer, trace_context_of
from spanprofiles.model import TraceContext
from tests.unit.conftest import Answer, Seen, Serve, StubServer

_GIVEN = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"


@pytest.fixture
def app(serve: Serve) -> StubServer:
    return serve(lambda seen: Answer(seen.path))


@pytest.fixture
def session(app: StubServer) -> Iterator[TracedSession]:
    with TracedSession(app.url + "/") as session:
        yield session


def _sent(app: StubServer) -> TraceContext:
    return TraceContext.parse(app.seen[-1].headers["Traceparent"])


def test_each_request_starts_a_trace_of_its_own_and_asks_for_recording(app: StubServer, session: TracedSession) -> None:
    contexts = []
    for _ in range(3):
        contexts.append(trace_context_of(session.get("/bike")))
        assert contexts[-1] == _sent(app)
    assert len({context.trace_id for context in contexts}) == 3
    assert all(context.sampled for context in contexts)


def test_a_request_can_ask_not_to_be_recorded(app: StubServer, session: TracedSession) -> None:
    session.get("/bike", sampled=False)
    assert not _sent(app).sampled
    session.request("POST", "/bike", sampled=False)
    assert not _sent(app).sampled
    assert [seen.method for seen in app.seen] == ["GET", "POST"]


def test_a_traceparent_of_the_callers_own_is_kept_however_it_is_spelled(
    app: StubServer, session: TracedSession
) -> None:
    response = session.get("/bike", headers={"TraceParent": _GIVEN, "X-Other": "1"})
    assert app.seen[0].headers["Traceparent"] == _GIVEN
    assert app.seen[0].headers["X-Other"] == "1"
    assert trace_context_of(response).traceparent == _GIVEN


def test_the_headers_a_caller_hands_in_are_not_changed(session: TracedSession) -> None:
    headers = {"X-Other": "1"}
    session.get("/bike", headers=headers)
    assert headers == {"X-Other": "1"}


@pytest.mark.parametrize(
    ("url", "path"),
    [("/bike", "/bike"), ("bike", "/bike"), ("", "/"), ("/a/b?c=d", "/a/b"), ("/go?next=http://elsewhere/x", "/go")],
)
def test_an_address_without_a_server_is_one_of_the_base_url(
    app: StubServer, session: TracedSession, url: str, path: str
) -> None:
    assert session.get(url).text == path
    assert app.seen[0].path == path


def test_an_address_with_a_server_of_its_own_goes_there(app: StubServer, session: TracedSession, serve: Serve) -> None:
    other = serve(lambda _: Answer("other"))
    assert session.get(f"{other.url}/bike").text == "other"
    assert app.seen == []


def test_without_a_base_url_an_address_must_be_whole() -> None:
    with TracedSession() as session, pytest.raises(requests.exceptions.MissingSchema):
        session.get("/bike")


def test_every_method_carries_a_traceparent_and_its_body(app: StubServer, session: TracedSession) -> None:
    session.post("/orders", json={"riders": 2})
    session.put("/orders", data=b"x")
    assert [(seen.method, seen.body) for seen in app.seen] == [("POST", b'{"riders": 2}'), ("PUT", b"x")]
    assert all(TraceContext.parse(seen.headers["Traceparent"]) for seen in app.seen)


def test_an_app_that_hangs_fails_the_request_and_a_call_may_give_its_own_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with TracedSession(url, timeout_s=(1.0, 0.1)) as session, pytest.raises(requests.ReadTimeout):
            session.get("/bike")
        with TracedSession(url) as session, pytest.raises(requests.ReadTimeout):
            session.get("/bike", timeout=0.1)


@pytest.mark.parametrize("other", [42, None, ["a response"]])
def test_what_is_no_response_is_refused_by_its_type(other: object) -> None:
    with pytest.raises(TypeError, match=f"a {type(other).__name__} is not an answered request"):
        trace_context_of(other)  # type: ignore[arg-type]  # the user's mistake


def test_a_request_without_traceparent_cannot_be_followed(app: StubServer) -> None:
    with pytest.raises(NotTracedError, match=r"carried no traceparent header.*TracedSession"):
        trace_context_of(requests.get(app.url, timeout=5))


def test_a_request_with_a_broken_traceparent_cannot_be_followed(session: TracedSession) -> None:
    with pytest.raises(NotTracedError, match="'00-xyz' is not a traceparent"):
        trace_context_of(session.get("/", headers={"traceparent": "00-xyz"}))


@dataclass
class HttpxRequest:
    """The part of an `httpx.Request` that is looked at."""

    headers: Mapping[str, object]


@dataclass
class HttpxResponse:
    """The part of an `httpx.Response` that is looked at."""

    request: HttpxRequest


@pytest.mark.parametrize("value", [_GIVEN, _GIVEN.encode()])
def test_a_response_of_another_library_is_followed_just_as_well(value: object) -> None:
    response = HttpxResponse(HttpxRequest({"traceparent": value}))
    assert trace_context_of(response) == TraceContext.parse(_GIVEN)
    with pytest.raises(NotTracedError):
        trace_context_of(HttpxResponse(HttpxRequest({})))


def test_an_app_is_awaited_until_it_answers_below_500_and_leaves_no_trace(serve: Serve) -> None:
    answers = iter([500, 503, 404])

    def starting(_: Seen) -> Answer:
        return Answer("", next(answers))

    app = serve(starting)
    with TracedSession(app.url) as session:
        assert await_answer(session, "/health", 10)
    assert [seen.path for seen in app.seen] == ["/health"] * 3
    assert not any(TraceContext.parse(seen.headers["Traceparent"]).sampled for seen in app.seen)


def test_an_app_that_does_not_answer_in_time_is_given_up(serve: Serve) -> None:
    app = serve(lambda _: Answer("", 503))
    with TracedSession(app.url) as session:
        assert not await_answer(session, "/health", 0.1)


def test_an_app_that_has_ended_is_given_up_at_once(dead_url: str) -> None:
    with TracedSession(dead_url) as session:
        assert not await_answer(session, "/health", 600, while_true=lambda: False)


def test_each_hop_of_a_redirect_is_a_call_of_its_own_in_the_same_trace(serve: Serve) -> None:
    def respond(seen: Seen) -> Answer:
        return Answer("", 302, headers={"Location": "/new"}) if seen.path == "/old" else Answer("here")

    app = serve(respond)
    response = TracedSession(app.url).get("/old")

    first, last = (TraceContext.parse(seen.headers["Traceparent"]) for seen in app.seen)
    assert trace_context_of(response) == last
    assert first.trace_id == last.trace_id
    assert first.span_id != last.span_id


def test_an_app_that_has_ended_is_not_ready_though_another_answers_on_its_port(serve: Serve) -> None:
    other = serve(lambda _: Answer("I am somebody else"))
    assert not await_answer(TracedSession(other.url), "/", 1.0, while_true=lambda: False)
    assert await_answer(TracedSession(other.url), "/", 1.0, while_true=lambda: True)


def test_headers_of_a_call_go_with_a_redirect_on_the_same_server_and_not_to_another(serve: Serve) -> None:
    secrets = {"Authorization": "Bearer s3cret", "X-Scope-OrgID": "team", "X-Api-Key": "s3cret", "Cookie": "a=s3cret"}
    other = serve(lambda _: Answer("elsewhere"))

    def respond(seen: Seen) -> Answer:
        place = {"/old": "/new", "/away": f"{other.url}/"}.get(seen.path)
        return Answer("", 302, headers={"Location": place}) if place else Answer("here")

    app = serve(respond)
    session = TracedSession(app.url)
    session.headers["X-Own"] = "s3cret"
    session.get("/old", headers=secrets)
    session.get("/away", headers=secrets)

    assert [seen.headers.get("X-Api-Key") for seen in app.seen] == ["s3cret"] * 3
    assert "s3cret" not in str(other.seen[0].headers)
    assert "X-Scope-Orgid" not in other.seen[0].headers
    assert other.seen[0].headers["Traceparent"][:35] == app.seen[2].headers["Traceparent"][:35]


def test_a_user_name_and_password_in_an_apps_address_are_sent_and_not_shown(serve: Serve) -> None:
    app = serve(lambda _: Answer("here"))
    session = TracedSession(app.url.replace("://", "://joe:s3cret@"))
    response = session.get("/")

    assert session.base_url == app.url
    assert response.request.headers["Authorization"] == "Basic am9lOnMzY3JldA=="
    assert "s3cret" not in response.url


def test_a_traceparent_that_cannot_be_read_is_sent_along_a_redirect_as_it_is(serve: Serve) -> None:
    def respond(seen: Seen) -> Answer:
        return Answer("", 302, headers={"Location": "/new"}) if seen.path == "/old" else Answer("here")

    app = serve(respond)
    TracedSession(app.url).get("/old", headers={"traceparent": "broken"})

    assert [seen.headers["Traceparent"] for seen in app.seen] == ["broken", "broken"]


def test_an_app_of_this_machine_is_asked_without_the_proxy_of_the_environment(
    app: StubServer, dead_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, dead_url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert TracedSession(app.url).get("/bike").text == "/bike"
    assert TracedSession("http://app.invalid").trust_env


def test_without_an_address_there_is_no_base_url() -> None:
    assert TracedSession().base_url == ""
    assert TracedSession("http://app.invalid/").base_url == "http://app.invalid"


def test_while_an_app_is_awaited_no_answer_is_waited_for_long_or_read(app: StubServer) -> None:
    asked: list[dict[str, object]] = []

    class Noted(TracedSession):
        def get(self, url: str, **options: Any) -> requests.Response:  # type: ignore[override]  # as the session's own
            asked.append(options)
            return super().get(url, **options)

    with Noted(app.url) as session:
        assert await_answer(session, "/health", 10)
    assert asked == [{"sampled": False, "timeout": (1.0, 5.0), "stream": True}]
