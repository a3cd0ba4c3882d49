"""Calls of gRPC in the lanes, the turns of large requests, and what goes first: plain objects, without a server."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.embedded.calls import Call
from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.limits import LIGHT_BYTES
from spanprofiles.embedded.priority import PERIOD_S, QUERY_S, Rank, RightOfWay
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
