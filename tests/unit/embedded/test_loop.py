"""What a round of the loop costs depends on the connections that do something, and who goes first is read first."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from spanprofiles.embedded.limits import OTHERS_TURN_S, OTHERS_WAIT_S
from spanprofiles.embedded.loop import Members

IDLE = 50


class Connection:
    """A connection that reads what comes, and counts how often it was asked whether it wants to."""

    accepting = False

    def __init__(self, wants_to_read: bool = True) -> None:
        self.near, self.far = socket.socketpair()
        self.is_settled = True
        self.goes_first = False
        self.wants_to_read, self.wants_to_write = wants_to_read, False
        self.asked = 0
        self.happened: Counter[str] = Counter()
        self.then: Callable[[], None] = lambda: None

    def readable(self) -> bool:
        self.asked += 1
        return self.wants_to_read

    def writable(self) -> bool:
        return self.wants_to_write

    def handle_read_event(self) -> None:
        self.happened["read"] += 1
        self.near.recv(100)
        self.then()

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


class Hold:
    """Says for how long others are held up; ``now_s`` is the loop's clock."""

    def __init__(self) -> None:
        self.left_s, self.now_s = 0.0, 100.0

    def loop_of(self, connections: list[Connection]) -> Members:
        """Return a loop that obeys, with connections all of which were asked."""
        members = Members(lambda: self.left_s, lambda: self.now_s)
        for connection in connections:
            members[connection.near.fileno()] = connection
        members.go_round(0)
        members._next_s = float("inf")
        return members


def reads(connections: list[Connection]) -> list[int]:
    """Return how often each was read from."""
    return [connection.happened["read"] for connection in connections]


def test_while_others_are_held_up_those_who_go_first_alone_are_read(connections: list[Connection]) -> None:
    first, *others = connections[:3]
    first.goes_first = True
    hold = Hold()
    members = hold.loop_of([first, *others])
    for connection in (first, *others):
        connection.far.send(b"x")
    hold.left_s = OTHERS_WAIT_S
    members.go_round(0)
    assert reads([first, *others]) == [1, 0, 0]
    hold.left_s = 0.0
    members.go_round(0)
    assert reads([first, *others]) == [1, 1, 1]


def test_one_who_is_held_up_is_not_even_asked_what_it_wants(connections: list[Connection]) -> None:
    hold = Hold()
    members = hold.loop_of(connections[:2])
    port = connections[0]
    port.is_settled = False
    members._unsettled.add(port.near.fileno())
    asked, hold.left_s = port.asked, OTHERS_WAIT_S
    members.go_round(0)
    assert port.asked == asked
    hold.left_s = 0.0
    members.go_round(0)
    assert port.asked == asked + 1


def test_others_are_held_up_for_a_moment_however_much_those_who_go_first_send(connections: list[Connection]) -> None:
    first, other = connections[:2]
    first.goes_first = True
    hold = Hold()
    members = hold.loop_of([first, other])
    hold.left_s = OTHERS_WAIT_S  # again and again: it never ends by itself
    other.far.send(b"x")
    waited_s: list[float] = []
    began_s = hold.now_s
    for _ in range(40):
        first.far.send(b"x")
        members.go_round(0)
        hold.now_s += OTHERS_WAIT_S / 10
        if other.happened and not waited_s:
            waited_s.append(hold.now_s - began_s)
    assert waited_s[0] <= OTHERS_WAIT_S * 1.2
    assert first.happened["read"] == 40


def test_a_turn_of_others_lasts_over_rounds_and_ends_when_its_time_is_up(connections: list[Connection]) -> None:
    other = connections[0]
    hold = Hold()
    members = hold.loop_of([other])
    hold.left_s = OTHERS_WAIT_S

    def read_in_a_round() -> bool:
        other.happened.clear()
        other.far.send(b"x")
        members.go_round(0)
        return bool(other.happened)

    assert not read_in_a_round()
    hold.now_s += OTHERS_WAIT_S
    assert [read_in_a_round() for _ in range(3)] == [True] * 3  # such as to accept, to read, and to hang up
    hold.now_s += OTHERS_TURN_S
    assert not read_in_a_round()
    hold.now_s += OTHERS_WAIT_S / 2
    assert not read_in_a_round()


def test_others_stop_being_read_when_somebody_who_goes_first_begins(connections: list[Connection]) -> None:
    first, *others = connections[:4]
    first.goes_first = True
    hold = Hold()
    members = hold.loop_of([first, *others])

    def begin() -> None:
        hold.left_s = OTHERS_WAIT_S

    first.then = begin
    for connection in (*others, first):
        connection.far.send(b"x")
    members.go_round(0)
    assert reads([first, *others]) == [1, 0, 0, 0]  # it is read before those whose bytes came before


def test_others_have_a_turn_of_bounded_length_and_each_comes_to_its_own(connections: list[Connection]) -> None:
    others = connections[:6]
    hold = Hold()
    members = hold.loop_of(others)

    def take_long() -> None:
        hold.now_s += OTHERS_TURN_S * 0.6

    for connection in others:
        connection.then = take_long
    for expected in (2, 4, 6):
        for connection in others:
            if not connection.happened:
                connection.far.send(b"x")
        members.go_round(0)
        assert sum(bool(count) for count in reads(others)) == expected
    assert reads(others) == [1] * 6


def test_one_who_no_longer_goes_first_is_held_up_like_the_others(connections: list[Connection]) -> None:
    fallen = connections[0]
    fallen.goes_first = True
    hold = Hold()
    members = hold.loop_of([fallen])
    fallen.goes_first = False
    members._unsettled.add(fallen.near.fileno())
    members.go_round(0)
    fallen.far.send(b"x")
    hold.left_s = OTHERS_WAIT_S
    members.go_round(0)
    assert not fallen.happened
