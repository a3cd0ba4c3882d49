"""Queries keep nobody else waiting: not for threads, not for Python, and not beyond a limit of time for each other."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

from spanprofiles.embedded.gate import Gate
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.lanes import ACCEPTED, TURNED_AWAY, Lanes
from spanprofiles.embedded.limits import OTHERS_WAIT_S, QUERIES_AT_ONCE, QUERIES_WAITING, UNSENT_BYTES
from spanprofiles.embedded.listener import Listeners
from spanprofiles.embedded.priority import PERIOD_S, QUERY_S, Rank, RightOfWay
from spanprofiles.embedded.pyroscope.application import Pyroscope
from spanprofiles.embedded.refusals import Refusals
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.application import Tempo
from tests.unit.embedded.conftest import BODY_LIMIT, Applications, SpanFactory

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATIENCE_S = 30.0
URGENT_THREADS = 2


def unclaimed(_: Rank) -> contextlib.AbstractContextManager[None]:
    """Nothing makes way."""
    return contextlib.nullcontext()


@dataclass
class Asked:
    """What waitress keeps of a request."""

    error: object = None
    turned_away: str = ""
    accepted_s: float = -1.0
    rank: Rank = Rank.OTHER


class Visitor:
    """A connection with one request, whose answer takes until it is let go."""

    def __init__(self, *, is_query: bool, is_known: bool | None = None, unsent: int = 0, blocks: bool = True) -> None:
        self.is_query = is_query
        self.is_known = not is_query if is_known is None else is_known
        self.request = Asked()
        self.requests = [self.request]
        self.connected = True
        self.total_outbufs_len = unsent
        self.begun, self.may_end, self.done = threading.Event(), threading.Event(), threading.Event()
        self.is_cancelled = False
        if not blocks:
            self.may_end.set()

    def service(self) -> None:
        """Answer, which takes no time for who is turned away."""
        self.begun.set()
        if not self.request.turned_away:
            assert self.may_end.wait(PATIENCE_S)
        self.done.set()

    def cancel(self) -> None:
        """Be hung up on."""
        self.is_cancelled = True


@dataclass
class House:
    """Lanes, and who came."""

    lanes: Lanes
    visitors: list[Visitor] = field(default_factory=list)

    def comes(self, *, is_query: bool, **more: Any) -> Visitor:
        """Somebody asks."""
        visitor = Visitor(is_query=is_query, **more)
        self.visitors.append(visitor)
        self.lanes.add_task(visitor)
        return visitor

    def takes_all_queries(self) -> list[Visitor]:
        """As many queries as are worked on at once, all of them under way."""
        busy = [self.comes(is_query=True) for _ in range(QUERIES_AT_ONCE)]
        assert all(visitor.begun.wait(PATIENCE_S) for visitor in busy)
        return busy


MakeHouse = Callable[..., House]


@pytest.fixture
def house() -> Iterator[MakeHouse]:
    """Makes lanes with few threads, in which a query may wait for so long."""
    opened: list[House] = []

    def make(wait_s: float = 2 * PATIENCE_S) -> House:
        home = House(Lanes(URGENT_THREADS, lambda visitor: visitor.is_query, unclaimed, wait_s))
        opened.append(home)
        return home

    yield make
    for home in opened:
        for visitor in home.visitors:
            visitor.may_end.set()
        assert home.lanes.shutdown(timeout=PATIENCE_S)


def test_whatever_is_no_query_is_answered_while_queries_wait(house: MakeHouse) -> None:
    home = house()
    home.takes_all_queries()
    waiting = [home.comes(is_query=True) for _ in range(20)]
    for _ in range(10):
        assert home.comes(is_query=False, blocks=False).done.wait(PATIENCE_S)
    assert not any(visitor.begun.is_set() for visitor in waiting)


def test_a_query_is_answered_while_everything_else_is_busy(house: MakeHouse) -> None:
    home = house()
    busy = [home.comes(is_query=False) for _ in range(URGENT_THREADS)]
    assert all(visitor.begun.wait(PATIENCE_S) for visitor in busy)
    assert home.comes(is_query=True, blocks=False).done.wait(PATIENCE_S)


def test_queries_are_answered_in_their_order_when_there_is_a_thread(house: MakeHouse) -> None:
    home = house()
    busy = home.takes_all_queries()
    waiting = [home.comes(is_query=True) for _ in range(5)]
    busy[0].may_end.set()
    for visitor in waiting:
        assert visitor.begun.wait(PATIENCE_S)
        assert not visitor.request.turned_away
        visitor.may_end.set()


def test_a_query_that_waits_too_long_is_turned_away_by_the_other_threads(house: MakeHouse) -> None:
    home = house(wait_s=0.05)
    home.takes_all_queries()
    waiting = [home.comes(is_query=True) for _ in range(5)]
    for visitor in waiting:
        assert visitor.done.wait(PATIENCE_S)
        assert "waited for 0.05 s" in visitor.request.turned_away


def test_it_is_turned_away_even_where_one_of_the_other_threads_is_busy(house: MakeHouse) -> None:
    home = house(wait_s=0.05)
    home.takes_all_queries()
    busy = [home.comes(is_query=False) for _ in range(URGENT_THREADS - 1)]
    assert all(visitor.begun.wait(PATIENCE_S) for visitor in busy)
    assert home.comes(is_query=True).done.wait(PATIENCE_S)


def test_a_line_that_is_full_takes_no_more(house: MakeHouse) -> None:
    home = house()
    home.takes_all_queries()
    waiting = [home.comes(is_query=True) for _ in range(QUERIES_WAITING)]
    refused = home.comes(is_query=True)
    assert refused.done.wait(PATIENCE_S)
    assert f"{QUERIES_WAITING} queries wait already" in refused.request.turned_away
    assert not any(visitor.request.turned_away for visitor in waiting)


def test_no_query_begins_while_too_much_is_unread_and_one_does_when_it_was_read(house: MakeHouse) -> None:
    home = house()
    unread = home.comes(is_query=True, blocks=False, unsent=UNSENT_BYTES + 1)
    assert unread.done.wait(PATIENCE_S)
    # What it left is seen when it has given back its thread, and every thread has looked.
    deadline = time.monotonic() + PATIENCE_S
    while not home.lanes._unsent and time.monotonic() < deadline:
        time.sleep(0.001)
    held_up = home.comes(is_query=True, blocks=False)
    assert not held_up.done.wait(0.2)
    unread.connected = False
    assert held_up.done.wait(PATIENCE_S)


def test_at_the_end_those_who_wait_are_hung_up_on(house: MakeHouse) -> None:
    home = house()
    busy = home.takes_all_queries()
    waiting = home.comes(is_query=True)
    assert not home.lanes.shutdown(timeout=0.01)
    assert waiting.is_cancelled
    assert not any(visitor.is_cancelled for visitor in busy)


def blocking(let_go: threading.Event, begun: threading.Semaphore) -> Callable[..., Iterable[bytes]]:
    """An application whose queries take until they are let go."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/query" and not environ[TURNED_AWAY]:
            begun.release()
            assert let_go.wait(PATIENCE_S)
        assert environ[ACCEPTED] <= time.monotonic()
        start_response("503 Busy" if environ[TURNED_AWAY] else "200 OK", [("Content-Length", "0")])
        return []

    return answer


def test_an_upload_is_answered_beside_endless_queries_and_a_late_query_gets_503() -> None:
    let_go, begun = threading.Event(), threading.Semaphore(0)
    settings = Settings(threads=URGENT_THREADS)
    with socket.create_server(("127.0.0.1", 0)) as port, contextlib.ExitStack() as opened:
        lanes = Lanes(URGENT_THREADS, lambda channel: channel.requests[0].path == "/query", unclaimed, wait_s=0.2)
        gate = Gate(settings, Refusals(), Guesses())
        listeners = Listeners(blocking(let_go, begun), [port], settings, gate, Refusals(), lanes)
        loop = threading.Thread(target=listeners.run)
        loop.start()

        def asked(path: str) -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("127.0.0.1", port.getsockname()[1], timeout=PATIENCE_S)
            opened.callback(connection.close)
            connection.request("POST" if path == "/upload" else "GET", path)
            return connection

        queries = [asked("/query") for _ in range(QUERIES_AT_ONCE)]
        assert all(begun.acquire(timeout=PATIENCE_S) for _ in queries)
        late = [asked("/query") for _ in range(3)]
        assert [asked("/upload").getresponse().status for _ in range(5)] == [200] * 5
        assert [query.getresponse().status for query in late] == [503] * 3
        let_go.set()
        assert [query.getresponse().status for query in queries] == [200] * QUERIES_AT_ONCE
        listeners.end()
        loop.join()
        listeners.stop(PATIENCE_S)


BUSY = {TURNED_AWAY: "it waited for 5 s behind others"}


def test_whoever_is_turned_away_is_told_when_to_come_again(applications: Applications) -> None:
    answer = applications.tempo.get("/api/search?q={}", environ_overrides=BUSY)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert answer.text == "too many queries at once: it waited for 5 s behind others; ask again later, or for less"
    call = applications.pyroscope.post("/querier.v1.QuerierService/ProfileTypes", json={}, environ_overrides=BUSY)
    assert (call.status_code, int(call.headers["Retry-After"]) > 0) == (503, True)
    assert json.loads(call.data)["code"] == "unavailable"


def test_the_time_that_a_query_waited_counts(applications: Applications) -> None:
    applications.export(SpanFactory("aa")("work"))
    long_ago = {ACCEPTED: time.monotonic() - 1_000}
    assert applications.tempo.get("/api/search?q={}", environ_overrides=long_ago).status_code == 504
    assert applications.tempo.get("/ready", environ_overrides=long_ago).status_code == 200
    just_now = {ACCEPTED: time.monotonic()}
    assert applications.tempo.get("/api/search?q={}", environ_overrides=just_now).status_code == 200


def test_every_route_that_reads_the_store_is_a_query(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    path = ""
    reader = Database.reader
    monkeypatch.setattr(Database, "reader", lambda self: read.append(path) or reader(self))  # type: ignore[func-returns-value]
    for application in (Tempo(database), Pyroscope(database, BODY_LIMIT)):
        for rule in application._map.iter_rules():
            path = rule.rule.replace("<path:name>", "name").replace("<digits>", "ab")
            for method in ("GET", "POST"):
                Client(application).open(path, method=method, json={} if method == "POST" else None)
            assert (path in read) <= application.is_query(path), path
    assert len(set(read)) > 5


def test_whatever_is_no_query_goes_first_and_queries_have_a_share() -> None:
    moments = iter([QUERY_S / 2, PERIOD_S * 0.99, PERIOD_S * 0.99])
    way = RightOfWay(clock=lambda: next(moments))
    way.give_way()  # nothing is urgent: the clock is not even looked at
    waited: list[float | None] = []
    free = way._is_free[Rank.OTHER_QUERY]
    free.wait = lambda timeout=None: waited.append(timeout) or True  # type: ignore[method-assign, func-returns-value]
    with way.claimed():
        way.give_way()
        assert not waited
        with way.claimed():
            way.give_way()
        way.give_way()
    assert waited == [pytest.approx(PERIOD_S * 0.01)] * 2
    way.give_way()
    assert len(waited) == 2


@pytest.mark.parametrize("claimed", Rank)
@pytest.mark.parametrize("asking", Rank)
def test_each_makes_way_for_those_before_it_alone(claimed: Rank, asking: Rank) -> None:
    looks: list[None] = []
    way = RightOfWay(clock=lambda: looks.append(None) or 0.0)  # type: ignore[func-returns-value]
    with way.claimed(claimed):
        way.give_way(asking)
    assert bool(looks) == (claimed < asking)
    assert way._claims == [0] * len(Rank)


def test_queries_go_on_when_what_was_urgent_is_done() -> None:
    way = RightOfWay(clock=lambda: QUERY_S)
    with way.claimed():
        assert not way._is_free[Rank.OTHER_QUERY].is_set()
    assert way._is_free[Rank.OTHER_QUERY].is_set()


def test_a_write_is_urgent_until_it_is_committed(database: Database) -> None:
    claims: list[int] = []

    class Batch:
        def write(self, connection: object) -> None:
            del connection
            claims.append(sum(database.right_of_way._claims))

        def forget(self) -> None:
            raise AssertionError

    database.write(Batch())
    assert claims == [1]
    assert sum(database.right_of_way._claims) == 0


def test_the_known_are_answered_while_others_fill_all_threads_they_may_have(house: MakeHouse) -> None:
    home = house()
    others = [home.comes(is_query=False, is_known=False) for _ in range(10)]
    assert others[0].begun.wait(PATIENCE_S)
    assert home.comes(is_query=False, blocks=False).done.wait(PATIENCE_S)
    assert not any(visitor.begun.is_set() for visitor in others[1:])


def test_a_query_of_the_known_is_answered_beside_as_many_others_as_may_run(house: MakeHouse) -> None:
    home = house()
    home.takes_all_queries()
    waiting = [home.comes(is_query=True) for _ in range(5)]
    assert home.comes(is_query=True, is_known=True, blocks=False).done.wait(PATIENCE_S)
    assert not any(visitor.begun.is_set() for visitor in waiting)


def test_others_wait_for_those_who_are_known_and_not_for_long(house: MakeHouse) -> None:
    home = house()
    now = [0.0]
    home.lanes._clock = lambda: now[0]
    known = home.comes(is_query=False)
    assert known.begun.wait(PATIENCE_S)
    other = home.comes(is_query=False, is_known=False, blocks=False)
    assert not other.begun.wait(0.1)
    now[0] = OTHERS_WAIT_S
    home.comes(is_query=False, is_known=False, blocks=False)
    assert other.done.wait(PATIENCE_S)
    assert not known.done.is_set()


def test_others_are_begun_when_those_who_are_known_have_their_answers(house: MakeHouse) -> None:
    home = house()
    home.lanes._clock = lambda: 0.0
    known = home.comes(is_query=False)
    assert known.begun.wait(PATIENCE_S)
    other = home.comes(is_query=False, is_known=False, blocks=False)
    known.may_end.set()
    assert other.done.wait(PATIENCE_S)


def test_a_query_of_others_waits_for_those_who_are_known_and_not_for_long(house: MakeHouse) -> None:
    home = house()
    now = [0.0]
    home.lanes._clock = lambda: now[0]
    known = home.comes(is_query=False)
    assert known.begun.wait(PATIENCE_S)
    query = home.comes(is_query=True, blocks=False)
    assert not query.begun.wait(0.1)
    now[0] = OTHERS_WAIT_S
    assert query.done.wait(PATIENCE_S)
    assert not known.done.is_set()


def test_a_query_of_others_is_begun_when_those_who_are_known_have_their_answers(house: MakeHouse) -> None:
    home = house()
    home.lanes._clock = lambda: 0.0
    known = home.comes(is_query=False)
    assert known.begun.wait(PATIENCE_S)
    query = home.comes(is_query=True, blocks=False)
    known.may_end.set()
    assert query.done.wait(PATIENCE_S)


@pytest.mark.parametrize("is_query", [False, True])
def test_others_are_not_read_while_a_known_request_is_young(house: MakeHouse, is_query: bool) -> None:
    home = house()
    now = [100.0]
    home.lanes._clock = lambda: now[0]
    assert home.lanes.held_s() <= 0
    other = home.comes(is_query=is_query, is_known=False, blocks=False)
    assert home.lanes.held_s() <= 0
    assert other.done.wait(PATIENCE_S)
    known = home.comes(is_query=is_query, is_known=True)
    assert home.lanes.held_s() == pytest.approx(OTHERS_WAIT_S)
    now[0] += OTHERS_WAIT_S
    assert home.lanes.held_s() <= 0  # it takes long, and holds nobody up for that
    now[0] -= OTHERS_WAIT_S
    known.may_end.set()
    deadline = time.monotonic() + PATIENCE_S
    while home.lanes.held_s() > 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert home.lanes.held_s() <= 0


def test_a_request_waits_once_before_it_begins_and_only_for_those_before_it() -> None:
    way = RightOfWay()
    waited: list[float | None] = []
    free = way._is_free[Rank.OTHER]
    free.wait = lambda timeout=None: waited.append(timeout) or True  # type: ignore[method-assign, func-returns-value]
    way.await_turn()
    with way.claimed(Rank.OTHER):
        way.await_turn()
    assert not waited
    with way.claimed(Rank.KNOWN):
        way.await_turn()
    assert waited == [OTHERS_WAIT_S]
