"""Calls of gRPC in the lanes, the turns of large requests, and what goes first: plain objects, without a server."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from spanprofiles.embedded.calls import Call
from spanprofiles.embedded.channel import Channel
from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.gate import Denial, Head
from spanprofiles.embedded.limits import (
    LIGHT_BYTES,
    RETRY_S,
)
from spanprofiles.embedded.listener import Listener
from spanprofiles.embedded.priority import PERIOD_S, QUERY_S, Rank, RightOfWay
from spanprofiles.embedded.proto import status_pb2
from spanprofiles.embedded.stream_server import _abort, _failure_of_denial, _head_of
from spanprofiles.embedded.tunnel import Tunnel, TunnelError, Tunnels
from spanprofiles.embedded.turns import BUSY, LARGE, OverloadError, Turns
from spanprofiles.embedded.web import Failure

ENDING, NO_ANSWER = Failure(503, "the server ends"), Failure(404, "nothing there")


class Time(Deadline):
    """Stands in for a deadline."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def call(work: Any = lambda _: None, **connection: Any) -> Call:
    return Call(SimpleNamespace(server="a port", is_known=True, **connection), "/api/search", work, ENDING)


def test_a_call_stands_where_a_connection_with_one_request_stands() -> None:
    made = call()
    assert (made.server, made.path, made.requests, made.error) == ("a port", "/api/search", [made], None)
    assert (made.accepted_s, made.turned_away, made.rank, made.deadline) == (0.0, "", Rank.OTHER_QUERY, None)
    assert (made.is_known, made.connected, made.failure, made.total_outbufs_len) == (True, True, None, 0)


def test_messages_come_out_in_their_order_and_count_until_they_are_read() -> None:
    def answer(answered: Call) -> None:
        answered.send(b"one")
        answered.send(b"three")

    made = call(answer)
    made.service()
    assert made.total_outbufs_len == 8
    messages = made.messages()
    assert (next(messages), made.total_outbufs_len) == (b"one", 8)
    assert (next(messages), made.total_outbufs_len) == (b"three", 5)
    assert list(messages) == []
    assert (made.total_outbufs_len, made.failure) == (0, None)


def test_a_call_ends_with_why_it_has_no_answer() -> None:
    made = call(lambda _: NO_ANSWER)
    made.service()
    assert (made.failure, list(made.messages())) == (NO_ANSWER, [])

    def breaks(_: Call) -> None:
        raise ValueError("broken")

    broken = call(breaks)
    with pytest.raises(ValueError, match="broken"):
        broken.service()
    assert (broken.failure, list(broken.messages())) == (ENDING, [])


def test_a_call_that_was_not_begun_when_the_server_ends_is_told_so() -> None:
    made = call()
    made.cancel()
    assert (made.failure, list(made.messages())) == (ENDING, [])
    done = call(lambda _: NO_ANSWER)
    done.service()
    done.cancel()
    assert done.failure is NO_ANSWER


def test_a_call_whose_client_has_gone_is_given_up_wherever_it_is() -> None:
    begun, deadline = call(), Time()
    begun.begin(deadline)
    begun.send(b"one")
    assert (deadline.cancelled, begun.deadline) == (0, deadline)
    begun.abandon()
    begun.send(b"two")
    assert (deadline.cancelled, begun.connected, begun.total_outbufs_len) == (1, False, 0)
    assert (list(begun.messages()), begun.failure) == ([], None)

    worked: list[Call] = []
    waiting, late = call(worked.append), Time()
    waiting.abandon()
    waiting.service()
    waiting.begin(late)
    assert (worked, late.cancelled, waiting.failure) == ([], 1, None)


def test_whoever_waits_for_a_message_is_woken_by_it_and_by_the_end() -> None:
    made = call()
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(made.messages()))
    reader.start()
    made.send(b"one")
    made.cancel()
    reader.join(20)
    assert (reader.is_alive(), read) == (False, [b"one"])


def test_a_large_request_waits_for_the_one_before_it_and_a_small_one_does_not() -> None:
    line = Turns(light_bytes=10, patience_s=0.0, waiting=1)
    with line.ticket() as first, line.ticket() as second, line.ticket() as small:
        first.expect(10)
        first.expect(11)
        first.expect(12)
        small.expect(10)
        with pytest.raises(OverloadError) as error:
            second.expect(11)
        assert str(error.value) == BUSY == "the server is busy with other large requests: send it again later"
        first.leave()
        second.expect(11)
        first.leave()
        with pytest.raises(OverloadError):
            first.expect(11)
    with line.ticket() as next_one:
        next_one.expect(11)


def test_more_large_requests_than_may_wait_are_refused_at_once() -> None:
    line = Turns(light_bytes=0, patience_s=20.0, waiting=0)
    with line.ticket() as first, line.ticket() as second:
        first.expect(1)
        with pytest.raises(OverloadError):
            second.expect(1)
    assert LARGE.light_bytes == LIGHT_BYTES


@pytest.mark.parametrize("ranks", [(Rank.KNOWN,), (Rank.KNOWN, Rank.KNOWN), (Rank.KNOWN_QUERY, Rank.KNOWN)])
def test_what_goes_first_holds_up_what_comes_after_it_until_all_of_it_is_done(ranks: tuple[Rank, ...]) -> None:
    way = RightOfWay()
    claims = [way.claimed(rank) for rank in ranks]
    for claim in claims:
        claim.__enter__()
    assert way.held_up == [False, Rank.KNOWN in ranks, True, True]
    for claim in claims:
        claim.__exit__(None, None, None)
    assert way.held_up == [False] * 4


class Waits:
    """Notes for how long is waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_queries_have_the_first_part_of_each_period_and_wait_for_the_rest_of_it() -> None:
    now_s = [0.0]
    way, waits = RightOfWay(lambda: now_s[0]), Waits()
    way._is_free = [waits] * 4  # type: ignore[list-item]  # stands in for events
    way.held_up[Rank.OTHER_QUERY] = True
    for moment_s in (0.0, QUERY_S / 2, QUERY_S, PERIOD_S * 0.75):
        now_s[0] = moment_s
        way.give_way()
    assert waits.seconds == pytest.approx([PERIOD_S - QUERY_S, PERIOD_S / 4])
    way.give_way(Rank.KNOWN)
    way.await_turn(Rank.OTHER_QUERY, 7.0)
    way.await_turn(Rank.OTHER, 7.0)
    assert waits.seconds[2:] == [7.0]


def test_a_server_of_grpc_that_cannot_start_is_tried_once_and_told_to_callers() -> None:
    made: list[str] = []

    def make(address: str, connections: Any) -> Any:
        made.append(address)
        assert connections == {}
        raise RuntimeError("no room")

    woken = threading.Event()
    tunnels = Tunnels(make)
    tunnels.wake = woken.set
    assert not tunnels._failure
    _ = tunnels.is_ready
    assert woken.wait(20)
    assert tunnels.is_ready
    for _ in range(2):
        with pytest.raises(TunnelError) as error:
            tunnels.open(SimpleNamespace())  # type: ignore[arg-type]  # not looked at
        assert str(error.value) == "queries over gRPC cannot be served: no room"
    assert len(made) == 1
    assert made[0].startswith("unix:")
    assert made[0].endswith("/grpc")
    tunnels.stop()


def test_a_pair_that_ends_starts_no_server_of_grpc_any_more() -> None:
    tunnels = Tunnels(lambda *_: pytest.fail("it was started"))
    tunnels.stop()
    assert not tunnels.is_ready
    assert tunnels._start is None


def test_a_tunnel_takes_so_much_ahead_and_closes_both_sides_once() -> None:
    forgotten: list[bool] = []
    channel = SimpleNamespace(server=SimpleNamespace(_map={}), total_outbufs_len=0, close_when_flushed=False)
    given: list[bytes] = []
    channel.goes_first, channel.give = True, given.append
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        client: Any = channel
        tunnel = Tunnel(near, client, lambda: forgotten.append(True))
        assert (tunnel.writable(), tunnel.readable(), tunnel.has_room, tunnel.goes_first) == (False, True, True, True)
        tunnel.handle_read()  # nothing is there
        far.sendall(b"said")
        tunnel.handle_read()
        far.sendall(b"said last")
        tunnel.handle_close()
        tunnel.handle_close()
        assert (given, forgotten, channel.close_when_flushed) == ([b"said", b"said last"], [True], True)


def test_whoever_guesses_a_token_is_told_when_to_try_again_and_nobody_else() -> None:
    assert _failure_of_denial(Denial("401 Unauthorized", "no token")) == Failure(401, "no token", None)
    assert _failure_of_denial(Denial("429 Too Many", "guessed", delay_s=1.0)) == Failure(429, "guessed", RETRY_S)


def test_a_call_is_judged_as_a_request_over_http() -> None:
    metadata = [
        SimpleNamespace(key="user-agent", value="grafana"),
        SimpleNamespace(key="authorization", value="Bearer x"),
        SimpleNamespace(key="trace-bin", value=b"bytes"),
    ]
    context = SimpleNamespace(invocation_metadata=lambda: metadata)
    client: Any = SimpleNamespace(addr=("192.0.2.7", 5))
    assert _head_of("Search", client, context) == Head(
        "POST",
        "/tempopb.StreamingQuerier/Search",
        "2",
        {"USER_AGENT": "grafana", "AUTHORIZATION": "Bearer x", "CONTENT_TYPE": "application/grpc"},
        "192.0.2.7",
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND"),
        (422, "RESOURCE_EXHAUSTED"), (429, "RESOURCE_EXHAUSTED"), (501, "UNIMPLEMENTED"), (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"), (500, "INTERNAL"), (418, "INTERNAL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("retry_after_s", [None, 5])
def test_a_call_ends_with_the_code_of_its_failure_and_when_to_try_again(
    status: int, code: str, retry_after_s: int | None
) -> None:
    said: list[Any] = []

    class EndedError(Exception):
        pass

    def abort(*words: Any) -> None:
        said.append(words)
        raise EndedError

    context = SimpleNamespace(abort=abort, set_trailing_metadata=said.append)
    with pytest.raises(EndedError):
        _abort(context, Failure(status, "why", retry_after_s))
    assert said[-1] == (grpc.StatusCode[code], "why")
    if retry_after_s is None:
        assert len(said) == 1
        return
    (name, details), pushback = said[0]
    assert (name, pushback) == ("grpc-status-details-bin", ("grpc-retry-pushback-ms", "5000"))
    found = status_pb2.Status.FromString(details)
    assert (found.code, found.message) == (grpc.StatusCode[code].value[0], "why")
    (detail,) = found.details
    assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
    assert status_pb2.RetryInfo.FromString(detail.value).retry_delay.seconds == 5


def test_the_connection_that_is_idle_longest_makes_room_for_another() -> None:
    closed: list[str] = []

    class Idles(Channel):
        def __init__(self, name: str, idleness: tuple[int, float] | None) -> None:
            self.__dict__.update(name=name, found=idleness)

        def idleness(self) -> tuple[int, float] | None:
            found: tuple[int, float] | None = self.found
            return found

        def handle_close(self) -> None:
            closed.append(self.name)

    everyone = [Idles("works", None), Idles("late", (1, 9.0)), Idles("first", (1, 5.0)), Idles("second", (1, 5.0))]
    port = Listener.__new__(Listener)
    port._map = {1: object(), **dict(enumerate(everyone, 2))}
    assert port._make_room() is True
    tunnels = Tunnels(lambda *_: pytest.fail("it was started"))
    tunnels.connections.update({each.name: each for each in everyone})
    assert tunnels._make_room() is True
    assert closed == ["first", "first"]
    port._map = {1: object(), 2: everyone[0]}
    tunnels.connections = {"works": everyone[0]}
    assert (port._make_room(), tunnels._make_room(), len(closed)) == (False, False, 2)


def test_why_there_is_no_way_to_the_server_of_grpc_is_told(tmp_path: Path) -> None:
    tunnels = Tunnels(lambda *_: pytest.fail("it was started"), limit=1)
    channel: Any = SimpleNamespace(idleness=lambda: None)
    tunnels._folder = SimpleNamespace(name=str(tmp_path / "gone"))  # type: ignore[assignment]  # stands in for one
    with pytest.raises(TunnelError) as error:
        tunnels.open(channel)
    assert str(error.value) == "queries over gRPC cannot be served: No such file or directory"
    tunnels.connections["busy"] = channel
    with pytest.raises(TunnelError) as error:
        tunnels.open(channel)
    assert str(error.value) == "1 connections send queries over gRPC already: try again later"


def test_a_tunnel_leads_to_the_server_by_a_name_of_its_own(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "grpc"))
        server.listen()
        server.settimeout(20)
        tunnels = Tunnels(lambda *_: pytest.fail("it was started"))
        tunnels._folder = SimpleNamespace(name=str(tmp_path), cleanup=lambda: None)  # type: ignore[assignment]
        channel: Any = SimpleNamespace(server=SimpleNamespace(_map={}), total_outbufs_len=0)
        first, second = tunnels.open(channel), tunnels.open(channel)
        accepted = [server.accept() for _ in range(2)]
        names = [f"unix:{name}" for _, name in accepted]
        assert list(tunnels.connections) == names
        assert len(set(names)) == 2
        assert [path.name for path in tmp_path.iterdir()] == ["grpc"]
        first.take(b"asked")
        assert accepted[0][0].recv(100) == b"asked"
        assert not first.writable()
        first.end()
        assert list(tunnels.connections) == names[1:]
        second.end()
        for connection, _ in accepted:
            connection.close()
        tunnels.stop()
