"""How a call of gRPC is let in, waits for a place, and is answered or ended: the service's rules, without a server."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from spanprofiles.embedded.deadline import Deadline, QueryTooLongError
from spanprofiles.embedded.gate import Denial, Head
from spanprofiles.embedded.limits import STREAMING_CALLS
from spanprofiles.embedded.priority import Rank
from spanprofiles.embedded.stream_server import (
    ENDING,
    NO_REQUEST,
    NOT_BY_THE_PORT,
    STOP_S,
    TOO_MANY_CALLS,
    StreamingServer,
    _NothingElse,
)
from spanprofiles.embedded.tempo.streams import PATHS
from spanprofiles.embedded.web import AnswerError, Failure, text

PEER = "unix:/folder/1"


class EndedError(Exception):
    """A call was ended."""


class Context:
    """What gRPC knows of a call."""

    def __init__(self, peer: str = PEER, *, is_active: bool = True) -> None:
        self._peer, self._is_active = peer, is_active
        self.ended: list[Any] = []
        self.cancelled = 0

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> list[Any]:
        return [SimpleNamespace(key="user-agent", value="grafana")]

    def add_callback(self, _: Any) -> bool:
        return self._is_active

    def set_trailing_metadata(self, _: Any) -> None:
        """They are looked at elsewhere."""

    def cancel(self) -> None:
        self.cancelled += 1

    def abort(self, code: grpc.StatusCode, words: str) -> None:
        self.ended.append((code, words))
        raise EndedError


class Port:
    """The connection that a call came by."""

    def __init__(self, *, is_known: bool = True) -> None:
        self.is_known, self.addr, self.server = is_known, ("192.0.2.7", 5), "a port"
        self.calls: set[object] = set()
        self.statuses: list[int] = []
        self.hang_up = lambda: None

    def note_answer(self, status: int) -> None:
        self.statuses.append(status)


class Watch:
    """Notes what is to be done when a time is over."""

    def __init__(self) -> None:
        self.watched: list[Any] = []

    @contextlib.contextmanager
    def watching(self, late: Any) -> Iterator[None]:
        self.watched.append(late)
        yield


class Service:
    """The service with all that is around it in plain view.

    Args:
        answer: answers a call, as ``Streams.answer`` does.
        denial: why nobody is let in.
    """

    def __init__(self, answer: Any = lambda *_: None, denial: Denial | None = None) -> None:
        self.turns = 0
        self.heads: list[Head] = []
        self.deadlines: list[tuple[Any, ...]] = []
        self.channel = Port()
        made: Any = StreamingServer.__new__(StreamingServer)
        made._connections = {PEER: self.channel}
        made._streams = SimpleNamespace(answer=answer)
        made._database = SimpleNamespace(
            right_of_way=SimpleNamespace(await_turn=self._wait),
            deadline_from=self._deadline_from,
            reading=lambda _: contextlib.nullcontext(),
        )
        made._gate = SimpleNamespace(denial=self._judge)
        self._denial = denial
        made._lanes = SimpleNamespace(add_task=lambda call: call.service())
        made._places, made._reserved = threading.Semaphore(1), threading.Semaphore(1)
        made._requests, made._answers = Watch(), Watch()
        self.server = made

    def _wait(self) -> None:
        self.turns += 1

    def _judge(self, head: Head) -> Denial | None:
        self.heads.append(head)
        return self._denial

    def _deadline_from(self, *arguments: Any) -> Deadline:
        self.deadlines.append(arguments)
        return Deadline(20.0)

    def call(self, context: Context | None = None, *requests: bytes) -> list[bytes]:
        """The messages of a call's answer."""
        return list(self.server._answered("Search", iter(requests or (b"asked",)), context or Context()))

    def ended(self, context: Context, *requests: bytes) -> tuple[grpc.StatusCode, str]:
        """How a call is ended."""
        with pytest.raises(EndedError):
            list(self.server._answered("Search", iter(requests), context))
        found: tuple[grpc.StatusCode, str]
        (found,) = context.ended
        return found


class Message:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializeToString(self) -> bytes:  # noqa: N802  # protobuf's name
        return self._content


def test_a_call_is_answered_with_its_messages_and_its_place_is_given_back() -> None:
    asked: list[Any] = []

    def answer(method: str, request: bytes, progress: Any) -> None:
        asked.append((method, request))
        for content in (b"one", b"two"):
            progress.send(Message(content))

    service = Service(answer)
    for _ in range(3):
        assert service.call() == [b"one", b"two"]
    assert asked == [("Search", b"asked")] * 3
    assert (service.channel.statuses, service.channel.calls, service.turns) == ([200] * 3, set(), 0)
    assert service.heads[0] == Head(
        "POST",
        "/tempopb.StreamingQuerier/Search",
        "2",
        {"USER_AGENT": "grafana", "CONTENT_TYPE": "application/grpc"},
        "192.0.2.7",
    )
    ((accepted_s, rank, look), *_) = service.deadlines
    assert (accepted_s, rank, look.__name__) == (0.0, Rank.OTHER_QUERY, "look")
    assert service.server._answers.watched == [service.channel.hang_up] * 6


def test_a_connection_that_is_not_known_waits_for_its_turn_first() -> None:
    service = Service()
    service.channel.is_known = False
    service.call()
    assert service.turns == 1


@pytest.mark.parametrize(
    ("error", "code", "words", "status"),
    [
        (AnswerError(text("no such tag\n", 404)), "NOT_FOUND", "no such tag", 404),
        (QueryTooLongError("too long"), "DEADLINE_EXCEEDED", "too long", 504),
        (ValueError("broken"), "INTERNAL", "internal error", 500),
    ],
)
def test_a_call_that_cannot_be_answered_ends_with_why(
    error: Exception, code: str, words: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise error

    service = Service(fails)
    assert service.ended(Context(), b"asked") == (grpc.StatusCode[code], words)
    assert (service.channel.statuses, service.channel.calls) == ([status], set())
    logged = ["Search over gRPC failed"] if status == 500 else []
    assert [record.getMessage() for record in caplog.records] == logged
    assert service.server._places.acquire(blocking=False)


def test_who_is_not_let_in_or_did_not_come_by_the_port_is_told_so() -> None:
    denied = Service(denial=Denial("401 Unauthorized", "no token"))
    assert denied.ended(Context(), b"asked") == (grpc.StatusCode.UNAUTHENTICATED, "no token")
    assert denied.channel.statuses == [401]
    elsewhere = Service()
    assert elsewhere.ended(Context("unix:/elsewhere")) == (grpc.StatusCode.PERMISSION_DENIED, NOT_BY_THE_PORT.message)
    assert elsewhere.heads == []
    assert Failure(403, "this socket is Tempo's port's own: call the service there") == NOT_BY_THE_PORT


def test_a_call_without_a_request_is_told_so_and_one_that_has_gone_is_not_begun() -> None:
    service = Service()
    context = Context()
    assert service.ended(context) == (grpc.StatusCode.INVALID_ARGUMENT, "the call has no request")
    assert service.server._requests.watched == [context.cancel]
    assert service.call(Context(is_active=False)) == []
    assert (service.channel.statuses, service.channel.calls, NO_REQUEST.status) == ([], set(), 400)


def test_known_connections_have_places_when_the_others_are_taken() -> None:
    service = Service()
    places, reserved = service.server._places, service.server._reserved
    assert service.server._place_for(Port(is_known=False)) is places
    assert service.server._place_for(Port(is_known=False)) is None
    assert service.server._place_for(Port()) is reserved
    assert service.server._place_for(Port()) is None
    assert service.ended(Context(), b"asked") == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"{STREAMING_CALLS} calls are under way already: try again later",
    )
    assert TOO_MANY_CALLS.retry_after_s == ENDING.retry_after_s == 1
    assert service.channel.statuses == []


def test_a_call_that_gets_no_thread_is_told_so() -> None:
    service = Service()
    call: Any = SimpleNamespace(turned_away="64 queries wait already")
    failure = service.server._worked("Search", b"asked", call)
    assert (failure.status, failure.retry_after_s) == (503, 1)
    assert "64 queries wait already" in failure.message


def test_a_method_that_is_not_there_is_named_with_where_things_belong() -> None:
    details = SimpleNamespace(method="/opentelemetry.proto.collector.trace.v1.TraceService/Export\x1b[2J")
    handler = _NothingElse().service(details)
    context = Context()
    with pytest.raises(EndedError):
        next(handler.stream_stream(iter(()), context))
    ((code, words),) = context.ended
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert words.startswith("there is no method /opentelemetry.proto.collector.trace.v1.TraceService/Export\\x1b[2J")
    assert (handler.request_streaming, handler.response_streaming) == (True, True)


def test_the_service_has_a_moment_to_end() -> None:
    service = Service()
    said: list[Any] = []

    def stop(seconds: float) -> Any:
        said.append(seconds)
        return SimpleNamespace(wait=lambda: said.append("waited"))

    service.server._server = SimpleNamespace(stop=stop)
    service.server._threads = SimpleNamespace(shutdown=lambda *, wait: said.append(wait))
    service.server.stop()
    assert said == [STOP_S, "waited", False]
    assert set(PATHS) >= {"Search"}
