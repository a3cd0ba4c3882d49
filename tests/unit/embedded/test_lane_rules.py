"""Who is answered next, asked of lanes whose threads have ended, on a clock that a test sets."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from spanprofiles.embedded.lanes import Lanes
from spanprofiles.embedded.limits import OTHERS_WAIT_S, QUERIES_AT_ONCE, QUERIES_WAITING, UNSENT_BYTES
from spanprofiles.embedded.priority import Rank


class Visitor:
    """A connection with one request."""

    def __init__(self, rank: Rank = Rank.OTHER, unsent: int = 0, *, connected: bool = True) -> None:
        self.rank, self.turned_away = rank, ""
        self.requests, self.connected, self.total_outbufs_len = [self], connected, unsent


@pytest.fixture
def lanes() -> tuple[Any, list[float]]:
    """Lanes whose threads have ended, and their clock: what they decide can be asked one by one."""
    now_s = [100.0]
    made = Lanes(3, lambda _: True, lambda _: contextlib.nullcontext(), wait_s=5.0, clock=lambda: now_s[0])
    assert made.shutdown(timeout=20)
    return made, now_s


def test_lanes_end_with_all_their_threads_and_hang_up_on_those_who_wait(lanes: tuple[Any, list[float]]) -> None:
    idle, _ = lanes
    assert (idle._running, idle._is_stopping) == (0, True)
    hung_up: list[str] = []
    for line, name in ((idle._known, "known"), (idle._others, "other"), (idle._queries, "query")):
        visitor = SimpleNamespace(cancel=partial(hung_up.append, name))
        line.append(visitor if name == "known" else (100.0, visitor))
    assert idle.shutdown(cancel_pending=False, timeout=0)
    assert hung_up == []
    assert idle.shutdown(timeout=0)
    assert hung_up == ["known", "other", "query"]


def test_a_query_waits_so_long_and_is_then_turned_away(lanes: tuple[Any, list[float]]) -> None:
    idle, now_s = lanes
    assert (idle._overdue(), idle._time_left()) == (None, 5.0)
    visitor = Visitor()
    idle._queries.append((98.0, visitor))
    assert (idle._overdue(), idle._time_left()) == (None, 3.0)
    now_s[0] = 102.5
    assert (idle._overdue(), idle._time_left()) == (None, 0.5)
    now_s[0] = 103.0
    assert (idle._time_left(), idle._overdue()) == (0.0, visitor)
    assert (visitor.turned_away, len(idle._queries)) == ("it waited for 5 s behind others", 0)


def test_others_wait_for_a_moment_while_somebody_known_is_answered(lanes: tuple[Any, list[float]]) -> None:
    idle, now_s = lanes
    other = Visitor()
    assert (idle._may_begin_other(), idle._other()) == (False, None)
    idle._others.append((100.0, other))
    assert idle._may_begin_other()
    idle._known_requests = 1
    assert not idle._may_begin_other()
    assert idle._time_left() == pytest.approx(OTHERS_WAIT_S)
    now_s[0] = 100.0 + OTHERS_WAIT_S + 0.001
    idle._under_way[Rank.OTHER] = 2
    assert (idle._may_begin_other(), idle._time_left()) == (False, 5.0)
    idle._under_way[Rank.OTHER] = 1
    assert (idle._time_left(), idle._other(), len(idle._others)) == (0.0, other, 0)


def test_known_connections_hold_others_up_for_a_moment_after_each_request(lanes: tuple[Any, list[float]]) -> None:
    idle, now_s = lanes
    idle._known_until_s = 100.5
    assert idle.held_s() == 0.0
    idle._known_requests = 1
    assert idle.held_s() == 0.5
    now_s[0] = 101.0
    assert idle.held_s() == -0.5


def test_the_next_query_is_the_first_known_one_or_the_first_if_its_time_has_come(
    lanes: tuple[Any, list[float]],
) -> None:
    idle, now_s = lanes
    assert (idle._next_place(), idle._other_query_waits_s()) == (None, None)
    idle._queries.append((100.0, Visitor(Rank.OTHER_QUERY)))
    idle._known_requests = 1
    assert (idle._next_place(), idle._other_query_waits_s()) == (None, pytest.approx(OTHERS_WAIT_S))
    now_s[0] = 101.0
    assert idle._next_place() == 0
    idle._under_way[Rank.OTHER_QUERY] = QUERIES_AT_ONCE
    assert (idle._next_place(), idle._other_query_waits_s()) == (None, None)
    idle._queries.append((101.0, Visitor(Rank.KNOWN_QUERY)))
    assert idle._next_place() == 1
    idle._under_way[Rank.OTHER_QUERY], idle._known_requests = QUERIES_AT_ONCE - 1, 0
    del idle._queries[1]
    assert idle._other_query_waits_s() == 0.0


def test_no_query_has_room_while_too_much_is_unread_by_those_who_are_there(lanes: tuple[Any, list[float]]) -> None:
    idle, _ = lanes
    read, gone = Visitor(), Visitor(unsent=UNSENT_BYTES, connected=False)
    slow = Visitor(unsent=UNSENT_BYTES)
    idle._unsent = [read, gone, slow]
    assert idle._has_room()
    assert idle._unsent == [slow]
    idle._unsent.append(Visitor(unsent=1))
    assert not idle._has_room()


def test_a_request_is_ranked_by_its_connection_and_by_what_it_asks(lanes: tuple[Any, list[float]]) -> None:
    idle, now_s = lanes
    for is_known, error, rank in (
        (True, None, Rank.KNOWN_QUERY), (False, None, Rank.OTHER_QUERY), (True, "no", Rank.KNOWN),
        (False, "no", Rank.OTHER),
    ):  # fmt: skip
        visitor: Any = Visitor()
        visitor.is_known, visitor.error = is_known, error
        idle.add_task(visitor)
        assert (visitor.rank, visitor.accepted_s) == (rank, 100.0)
    assert [len(line) for line in (idle._queries, idle._known, idle._others)] == [2, 1, 1]
    assert (idle._known_requests, idle._known_until_s) == (2, now_s[0] + OTHERS_WAIT_S)


def test_a_line_of_queries_that_is_full_has_the_next_one_turned_away(lanes: tuple[Any, list[float]]) -> None:
    idle, _ = lanes
    idle._queries.extend([(100.0, Visitor())] * QUERIES_WAITING)
    late: Any = Visitor()
    late.is_known, late.error = False, None
    idle.add_task(late)
    assert (late.turned_away, len(idle._queries)) == (f"{QUERIES_WAITING} queries wait already", QUERIES_WAITING)
    assert idle._others[0][1] is late


def test_a_request_that_breaks_gives_its_place_back(
    lanes: tuple[Any, list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    idle, _ = lanes
    visitor: Any = Visitor(Rank.KNOWN)

    def breaks() -> None:
        raise ValueError("broken")

    visitor.service = breaks
    idle._under_way[Rank.KNOWN], idle._known_requests = 2, 2
    idle._serve(visitor)
    assert (idle._under_way[Rank.KNOWN], idle._known_requests) == (1, 1)
    assert [record.getMessage() for record in caplog.records] == ["a request could not be answered"]


def test_a_request_that_never_ends_does_not_keep_the_process_from_ending() -> None:
    before = set(threading.enumerate())
    made = Lanes(2, lambda _: True, lambda _: contextlib.nullcontext())
    started = set(threading.enumerate()) - before
    assert {thread.name for thread in started} >= {"request 0", "request 1", "query 0"}
    assert all(thread.daemon for thread in started)
    assert made.shutdown(timeout=20)
