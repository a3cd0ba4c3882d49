"""Connections that drip, idle or crowd do not keep the page from whoever looks at it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from spanprofiles.ui import connections
from spanprofiles.ui.connections import Listener, connection_limit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TIMEOUT_S = 20.0
ASKING = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def page(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "1")])
    return [b"x"]


@contextmanager
def listening() -> Iterator[tuple[Listener, tuple[str, int]]]:
    """The page's port, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        listener = Listener(page, port)
        loop = threading.Thread(target=listener.run)
        loop.start()
        try:
            yield listener, port.getsockname()[:2]
        finally:
            with contextlib.suppress(OSError):  # a loop that was awake has closed everything before it is woken
                listener.trigger.pull_trigger(lambda: listener.asyncore.close_all(listener._map, ignore_all=True))
            loop.join(TIMEOUT_S)
            assert not loop.is_alive()
            listener.task_dispatcher.shutdown(timeout=TIMEOUT_S)


def ask(connection: socket.socket) -> int:
    """The status of the answer to a request."""
    connection.sendall(ASKING)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.read() == b"x"
    return answer.status


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    ("part", "constant"),
    [(ASKING[:9], "HEADER_S"), (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", "BODY_S")],
    ids=["header", "body"],
)
def test_a_request_that_does_not_come_to_its_end_in_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, part: bytes, constant: str
) -> None:
    monkeypatch.setattr(connections, constant, 0.2)
    with listening() as (_, address), connect(address) as dripping, connect(address) as whole:
        dripping.sendall(part)
        assert dripping.recv(1) == b""
        assert ask(whole) == 200


def test_a_header_with_hundreds_of_fields_is_refused() -> None:
    with listening() as (_, address), connect(address) as sender:
        sender.sendall(ASKING[:-2] + b"A: b\r\n" * 200 + b"\r\n")
        with sender.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.0 400")


def test_the_connection_that_did_nothing_for_longest_gives_up_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "connection_limit", lambda: 5)
    with listening() as (_, address), contextlib.ExitStack() as stack:
        idle = []
        for _ in range(5):
            idle.append(stack.enter_context(connect(address)))
            assert ask(idle[-1]) == 200
            time.sleep(0.01)
        with connect(address) as late:
            assert ask(late) == 200
        assert idle[0].recv(1) == b""
        assert ask(idle[-1]) == 200


def test_a_connection_is_idle_though_the_clock_was_set_back() -> None:
    with listening() as (listener, address), connect(address) as idle:
        assert ask(idle) == 200
        (connection,) = listener.active_channels.values()
        deadline = time.monotonic() + TIMEOUT_S
        while connection.requests and time.monotonic() < deadline:  # its answer is there before it is at rest
            time.sleep(0.01)
        now = time.time()
        connection.last_activity = now + 10_000
        listener.maintenance(now)
        listener.maintenance(now + connections.IDLE_S + 1)
        assert idle.recv(1) == b""


def test_no_place_left_in_the_system_is_waited_for_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with listening() as (listener, _):
        listener.accept = refuse
        for _ in range(1_000):
            listener.handle_accept()
        assert not listener.readable()
        assert [record.getMessage() for record in caplog.records] == [
            "a connection could not be accepted: Too many open files"
        ]


def test_an_answer_that_is_not_read_is_given_up() -> None:
    kept = connections.Connection.__new__(connections.Connection)
    kept._unread_since_s, kept.total_outbufs_len = None, 5
    assert not kept.is_overdue(100.0)
    assert not kept.is_overdue(100.0 + connections.ANSWER_S - 1)
    assert kept.is_overdue(100.0 + connections.ANSWER_S)


def test_who_is_served_keeps_the_place_and_who_drips_or_does_not_read_gives_it_up() -> None:
    now_s = time.monotonic()
    usual: dict[str, object] = {"_began_s": None, "_unread_since_s": None, "requests": [], "last_activity": 0.0}
    states: tuple[tuple[dict[str, object], int | None], ...] = (
        ({}, 1),
        ({"last_activity": time.time() + 60}, 4),
        ({"_began_s": now_s - connections.BUSY_S}, 2),
        ({"total_outbufs_len": 1, "_unread_since_s": now_s - connections.READING_S}, 3),
        ({"requests": [1]}, None),
        ({"_began_s": now_s + 60}, None),
        ({"total_outbufs_len": 1, "_unread_since_s": now_s + 60}, None),
    )
    for state, expected in states:
        kept = connections.Connection.__new__(connections.Connection)
        kept.__dict__.update(usual | state)
        assert (kept.idleness() or [None])[0] == expected, state


def test_the_number_of_connections_follows_from_the_descriptors_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for descriptors, expected in ((10, 8), (128, 32), (1_024, 200), (resource.RLIM_INFINITY, 200)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=descriptors: (soft, soft))
        assert connection_limit() == expected
