"""What a round of the loop costs depends on the connections that do something, not on all of them."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from spanprofiles.embedded.loop import Members

IDLE = 50


class Connection:
    """A connection that reads what comes, and counts how often it was asked whether it wants to."""

    accepting = False

    def __init__(self, wants_to_read: bool = True) -> None:
        self.near, self.far = socket.socketpair()
        self.is_settled = True
        self.wants_to_read, self.wants_to_write = wants_to_read, False
        self.asked = 0
        self.happened: Counter[str] = Counter()

    def readable(self) -> bool:
        self.asked += 1
        return self.wants_to_read

    def writable(self) -> bool:
        return self.wants_to_write

    def handle_read_event(self) -> None:
        self.happened["read"] += 1
        self.near.recv(100)

    def handle_write_event(self) -> None:
        self.happened["written"] += 1

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def connections() -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        made = [Connection() for _ in range(IDLE)]
        for connection in made:
            stack.callback(connection.close)
        yield made


def loop_of(connections: list[Connection]) -> Members:
    """A loop with connections, all of which were asked, and are not asked again for as long as the test runs."""
    members = Members()
    for connection in connections:
        members[connection.near.fileno()] = connection
    members.go_round(0)
    members._next_s = float("inf")
    return members


def test_those_on_which_nothing_happens_are_not_asked(connections: list[Connection]) -> None:
    members = loop_of(connections)
    before = [connection.asked for connection in connections]
    busy = connections[7]
    for _ in range(20):
        busy.far.send(b"x")
        members.go_round(0)
    assert busy.happened == {"read": 20}
    assert [
        connection.asked - was for connection, was in zip(connections, before, strict=True) if connection is not busy
    ] == [0] * (IDLE - 1)


def test_one_that_is_not_settled_is_asked_in_each_round_until_it_is(connections: list[Connection]) -> None:
    members = loop_of(connections)
    working = connections[3]
    working.far.send(b"a request")
    members.go_round(0)
    working.is_settled, working.wants_to_read = False, False
    members.go_round(0)
    working.far.send(b"the next one")
    members.go_round(0)
    assert working.happened == {"read": 1}  # it has to answer first
    working.wants_to_read = working.wants_to_write = True  # as a thread says, whenever it likes
    members.go_round(0)
    assert working.happened == {"read": 2, "written": 1}
    working.is_settled, working.wants_to_write = True, False
    asked = working.asked
    for _ in range(3):
        members.go_round(0)
    assert working.asked == asked + 1


def test_everyone_is_asked_once_in_a_while(connections: list[Connection]) -> None:
    members = loop_of(connections)
    connections[0].wants_to_write = True
    members.go_round(0)
    assert not connections[0].happened
    members._next_s = 0.0
    members.go_round(0)
    assert connections[0].happened == {"written": 1}


def test_a_descriptor_that_was_closed_may_be_anothers(connections: list[Connection]) -> None:
    members = loop_of(connections[1:])
    gone, new = connections[1], connections[0]
    descriptor = gone.near.fileno()
    gone.wants_to_read = False
    del members[descriptor]
    gone.close()
    os.dup2(new.near.fileno(), descriptor)
    new.near.close()
    new.near = socket.socket(fileno=descriptor)
    members[descriptor] = new
    new.far.send(b"x")
    members.go_round(0)
    assert new.happened == {"read": 1}
    assert not gone.happened
