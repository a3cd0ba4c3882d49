"""Who is not let in, and the words, headers and notes that go with it."""

from __future__ import annotations

import base64
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from waitress.utilities import build_http_date

from spanprofiles.embedded import channel, limits, listener
from spanprofiles.embedded.access import brought_token
from spanprofiles.embedded.channel import RefusingTask
from spanprofiles.embedded.gate import CHALLENGES, Denial, Gate, Head, busy
from spanprofiles.embedded.grpc_refusal import GO_AWAY, PREFACE, GrpcRefusal, frame
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import FREE_GUESSES, GUESS_DELAY_S, GUESSES_S
from spanprofiles.embedded.listener import Listener
from spanprofiles.embedded.parser import NO_ROOM, TOO_LARGE
from spanprofiles.embedded.refusals import Reason, Refusals, Sender, Signal, Way
from spanprofiles.embedded.settings import Settings

TOKEN = "a-token-of-some-length"
TEXT = ("Content-Type", "text/plain; charset=utf-8")
UNAUTHORIZED = "401 unauthorized: send the token as a bearer token, or as the password of basic auth"
GUESSED = "429 too many requests with a wrong token from this address; the right one is taken at any time"
NOW_S = 1_700_000_000.0


def head(path: str = "/v1/traces", method: str = "POST", version: str = "1.1", **headers: str) -> Head:
    return Head(method, path, version, {"HOST": "localhost:4318", "USER_AGENT": "agent/2"} | headers, "192.0.2.7")


def gate(refusals: Refusals, guesses: Guesses | None = None, **settings: Any) -> Gate:
    return Gate(Settings(**settings), refusals, guesses or Guesses())


def noted(refusals: Refusals) -> list[Any]:
    return [
        (signal, refusal.way, refusal.reason, refusal.message, refusal.sender)
        for signal in Signal
        for group in refusals.groups(signal)
        for refusal in [group.last]
    ]


@pytest.mark.parametrize(
    ("asks", "reason", "why"),
    [
        (
            head(SEC_FETCH_SITE="Cross-Site"),
            Reason.FOREIGN_PAGE,
            "a browser sent it from another site (Sec-Fetch-Site: cross-site)",
        ),
        (
            head(ORIGIN="https://site.example"),
            Reason.FOREIGN_PAGE,
            "a browser sent it from another site (Origin: https://site.example)",
        ),
        (
            head(SEC_FETCH_MODE="cors", CONTENT_TYPE="Text/Plain ; charset=x"),
            Reason.FOREIGN_PAGE,
            "a browser sent it as a form of any site could (Content-Type: text/plain)",
        ),
        (
            head(ORIGIN="http://localhost:4318"),
            Reason.FOREIGN_PAGE,
            "a browser sent it as a form of any site could (Content-Type: none)",
        ),
        (
            head(HOST="localhost:0x50", ORIGIN="http://localhost"),
            Reason.FOREIGN_PAGE,
            "a browser sent it from another site (Origin: http://localhost)",
        ),
        (
            head(HOST="rebound.example:80"),
            Reason.FOREIGN_HOST,
            "it was sent to the name 'rebound.example:80', and this server answers to names of this machine alone: use"
            " 127.0.0.1, or allow the name with --allow-host or SPAN_PROFILES_SERVE_ALLOWED_HOSTS",
        ),
        (
            head(HOST="b\xc3\xbccher.example"),
            Reason.FOREIGN_HOST,
            "it was sent to the name 'bücher.example', and this server answers to names of this machine alone: use"
            " 127.0.0.1, or allow the name with --allow-host or SPAN_PROFILES_SERVE_ALLOWED_HOSTS",
        ),
    ],
)
def test_a_page_or_a_name_of_another_site_is_told_why_and_noted(asks: Head, reason: Reason, why: str) -> None:
    refusals = Refusals()
    denial = gate(refusals).denial(asks)
    assert denial is not None
    message = f"403 forbidden: {why}"
    assert denial.to_response() == ("403 Forbidden", [TEXT], f"{message}\n".encode())
    assert (denial.code, denial.body, denial.delay_s) == (403, message, 0.0)
    sender = Sender("192.0.2.7", "agent/2")
    assert noted(refusals) == [(Signal.TRACES, Way.OTLP_HTTP, reason, message, sender)]


def test_what_is_no_upload_is_not_noted() -> None:
    refusals = Refusals()
    assert gate(refusals).denial(head("/api/search", "GET", HOST="rebound.example")) is not None
    assert gate(refusals, token=TOKEN).denial(head("/api/search", "GET")) is not None
    assert noted(refusals) == []


@pytest.mark.parametrize("version", ["1.1", "1.0", "2"])
def test_only_http_1_1_wants_a_host(version: str) -> None:
    refusals = Refusals()
    denial = gate(refusals).denial(head(version=version, HOST=""))
    if version != "1.1":
        assert denial is None
        return
    assert denial is not None
    body = "400 bad request: HTTP/1.1 wants a Host header"
    assert denial.to_response("waitress") == ("400 Bad Request", [TEXT], f"{body}\n".encode())
    assert noted(refusals) == []


@pytest.mark.parametrize(
    ("settings", "host", "is_in"),
    [
        ({}, "localhost", True),
        ({}, "box.example", False),
        ({"allowed_hosts": ("Box.example:80",)}, "box.EXAMPLE:3200", True),
        ({"allowed_hosts": ("box.example",)}, "other.example", False),
        ({"allowed_hosts": ("[::]",)}, "", True),
        ({"host": "0.0.0.0", "token": TOKEN}, "box.example", True),  # noqa: S104  # nothing is bound
        ({"token": TOKEN}, "box.example", True),
    ],
)
def test_names_are_looked_at_where_no_token_is_asked_for(settings: dict[str, Any], host: str, *, is_in: bool) -> None:
    asks = head("/v1/traces", version="1.0", HOST=host, AUTHORIZATION=f"Bearer {TOKEN}")
    assert (gate(Refusals(), **settings).denial(asks) is None) == is_in


def test_without_the_token_nobody_is_let_in_and_whoever_guesses_has_to_wait() -> None:
    refusals, guesses = Refusals(), Guesses()
    asks = gate(refusals, guesses, token=TOKEN)
    assert asks.denial(head("/ready")) is None
    assert asks.denial(head(AUTHORIZATION=f"Bearer {TOKEN}")) is None
    for _ in range(FREE_GUESSES + 5):
        denial = asks.denial(head())
        assert denial is not None
        unauthorized = ("401 Unauthorized", [TEXT, *CHALLENGES], f"{UNAUTHORIZED}\n".encode())
        assert (denial.to_response(), denial.delay_s) == (unauthorized, 0.0)
    assert CHALLENGES == (("WWW-Authenticate", 'Basic realm="spanprofiles"'), ("WWW-Authenticate", "Bearer"))
    for _ in range(FREE_GUESSES + 1):
        denial = asks.denial(head(AUTHORIZATION="Bearer wrong"))
    assert denial is not None
    retry = ("Retry-After", str(int(GUESSES_S)))
    assert denial.to_response() == ("429 Too Many Requests", [TEXT, retry], f"{GUESSED}\n".encode())
    assert (denial.code, denial.delay_s) == (429, GUESS_DELAY_S)
    sender = Sender("192.0.2.7", "agent/2")
    assert noted(refusals) == [(Signal.TRACES, Way.OTLP_HTTP, Reason.UNAUTHORIZED, UNAUTHORIZED, sender)]


def test_an_address_that_is_none_stands_for_itself() -> None:
    guesses = Guesses()
    for address in ("unix:", "2001:db8::1"):
        assert [guesses.note(address) for _ in range(FREE_GUESSES + 1)] == [False] * FREE_GUESSES + [True]
    assert guesses.note("2001:db8::2")
    assert not guesses.note("unix:other")


def test_a_token_may_have_any_letters_and_a_header_any_bytes() -> None:
    token = "s3cret with ünïcode"
    asks = gate(Refusals(), token=token)
    assert asks.denial(head(AUTHORIZATION=f"Bearer {token}".encode().decode("latin-1"))) is None
    assert asks.denial(head(AUTHORIZATION="Bearer \xff\xfe")) is not None
    assert asks.denial(head(AUTHORIZATION="Bearer 注文")) is not None
    assert Head("GET", "/", "1.1", {"USER_AGENT": "\xff"}, "").sender == Sender("", "\ufffd")
    assert Head("GET", "/", "1.1", {}, "::1").sender == Sender("::1", "")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"a:b", "b"),
        (b"a:b:c", "b:c"),
        (b"nobody", ""),
        (b"a:\xff", "\ufffd"),
    ],
)
def test_the_password_of_basic_auth_is_read_whatever_is_in_it(header: bytes, token: str) -> None:
    assert brought_token(f" bAsIc  {base64.b64encode(header).decode()} ") == token


def test_no_room_is_to_be_tried_again() -> None:
    assert busy("no room").to_response() == (
        "503 Service Unavailable", [TEXT, ("Retry-After", "1")], b"no room\n",
    )  # fmt: skip
    assert Denial("400 Bad Request", "half a \ud800").to_response()[2] == b"half a ?\n"


def refused(
    error: Any, path: str, monkeypatch: pytest.MonkeyPatch, version: str = "1.1"
) -> tuple[list[bytes], list[Any], Any]:
    """What is sent and noted where a request is refused before it is read."""
    monkeypatch.setattr(channel, "time", SimpleNamespace(time=lambda: NOW_S))
    sent: list[bytes] = []
    refusals = Refusals()
    server = SimpleNamespace(adj=SimpleNamespace(ident="spanprofiles"), refusals=refusals)
    request = SimpleNamespace(error=error, head=head(path), version=version)
    task = RefusingTask(SimpleNamespace(server=server, write_soon=sent.append), request)
    task.service()
    return sent, noted(refusals), task


def test_a_refusal_is_sent_in_one_piece_and_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, notes, task = refused(Denial("403 Forbidden", "no", (("X-Why", "é"),)), "/v1/traces", monkeypatch)
    date = build_http_date(NOW_S)
    assert sent == [
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nX-Why: é\r\nConnection: close\r\n"
        f"Content-Length: 3\r\nDate: {date}\r\nServer: spanprofiles\r\n\r\nno\n".encode("latin-1")
    ]
    assert (notes, task.wrote_header, task.close_on_finish) == ([], True, True)


@pytest.mark.parametrize(
    ("status", "body", "reason", "message"),
    [
        (f"{TOO_LARGE} Too Large", "5 bytes", Reason.BODY_SIZE, "the body is too large: 5 bytes"),
        ("503 Busy", f"{NO_ROOM} now", Reason.OVERLOAD, f"{NO_ROOM} now"),
        ("503 Busy", f"now {NO_ROOM}", None, ""),
    ],
)
def test_uploads_that_are_too_large_or_too_many_are_noted(
    monkeypatch: pytest.MonkeyPatch, status: str, body: str, reason: Reason | None, message: str
) -> None:
    sender = Sender("192.0.2.7", "agent/2")
    for path, signal, way in (
        ("/v1/traces", Signal.TRACES, Way.OTLP_HTTP),
        ("/ingest", Signal.PROFILES, Way.INGEST),
    ):
        _, notes, _ = refused(Denial(status, body), path, monkeypatch)
        assert notes == ([(signal, way, reason, message, sender)] if reason else [])
    assert refused(Denial(status, body), "/api/search", monkeypatch)[1] == []


class Connection(channel.Channel):
    """A connection whose state is set by hand."""

    def __init__(self, **state: Any) -> None:
        made: dict[str, Any] = {
            "requests": [], "request": None, "last_activity": NOW_S, "_began_s": None, "total_outbufs_len": 0,
            "_lingers_since_s": None, "_unread_since_s": None, "_tunnel": None, "_waits_for_tunnel": False,
            "_heard_s": 0.0, "calls": set(), "close_when_flushed": False, "will_close": False, "_good_answers": 0,
        }  # fmt: skip
        self.__dict__.update(made | state)


READS_BODY = SimpleNamespace(headers_finished=True)
STEADY_S = 1_000.0


@pytest.mark.parametrize(
    ("state", "idleness"),
    [
        ({"_lingers_since_s": 5.0}, (0, NOW_S)),
        ({"_waits_for_tunnel": True, "_heard_s": STEADY_S - limits.BUSY_S}, (1, STEADY_S - limits.BUSY_S)),
        ({"_waits_for_tunnel": True, "_heard_s": STEADY_S}, (6, STEADY_S)),
        ({"_waits_for_tunnel": True, "calls": {1}}, None),
        ({"total_outbufs_len": 5}, None),
        ({"total_outbufs_len": 5, "_unread_since_s": STEADY_S - limits.READING_S},
         (5, STEADY_S - limits.READING_S)),
        ({"total_outbufs_len": 5, "_unread_since_s": STEADY_S - limits.READING_S + 0.01}, None),
        ({"requests": [1]}, None),
        ({}, (6, NOW_S)),
        ({"last_activity": NOW_S - limits.BUSY_S}, (1, NOW_S - limits.BUSY_S)),
        ({"_began_s": STEADY_S - limits.BUSY_S}, (2, STEADY_S - limits.BUSY_S)),
        ({"_began_s": STEADY_S - limits.BUSY_S + 0.01}, None),
        ({"_began_s": STEADY_S, "request": READS_BODY, "last_activity": NOW_S - limits.BUSY_S},
         (3, NOW_S - limits.BUSY_S)),
        ({"_began_s": STEADY_S - limits.HEADER_S, "request": READS_BODY}, (4, STEADY_S - limits.HEADER_S)),
        ({"_began_s": STEADY_S - limits.HEADER_S + 0.01, "request": READS_BODY}, None),
    ],
)  # fmt: skip
def test_connections_give_up_their_place_by_what_they_do(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], idleness: tuple[int, float] | None
) -> None:
    monkeypatch.setattr(channel, "time", SimpleNamespace(time=lambda: NOW_S, monotonic=lambda: STEADY_S))
    assert Connection(**state).idleness() == idleness


@pytest.mark.parametrize(
    ("state", "deadline_s"),
    [
        ({"_waits_for_tunnel": True, "_heard_s": 100.0}, limits.ANSWER_S),
        ({"_lingers_since_s": 100.0}, limits.LINGER_S),
        ({"total_outbufs_len": 5, "_unread_since_s": 100.0}, limits.ANSWER_S),
        ({"_began_s": 100.0}, limits.HEADER_S),
        ({"_began_s": 100.0, "request": SimpleNamespace(headers_finished=False)}, limits.HEADER_S),
        ({"_began_s": 100.0, "request": READS_BODY}, limits.BODY_S),
        ({"_tunnel": object(), "close_when_flushed": True, "total_outbufs_len": 5, "_unread_since_s": 100.0},
         limits.ANSWER_S),
        ({"requests": [1], "_began_s": 100.0}, None),
        ({}, None),
        ({"_tunnel": object(), "total_outbufs_len": 5, "_unread_since_s": 100.0}, None),
    ],
)  # fmt: skip
def test_each_thing_a_connection_does_has_its_deadline(state: dict[str, Any], deadline_s: float | None) -> None:
    if deadline_s is None:
        assert not Connection(**state).is_overdue(100_000.0)
        return
    assert not Connection(**state).is_overdue(100.0 + deadline_s - 0.01)
    assert Connection(**state).is_overdue(100.0 + deadline_s)


def test_an_answer_is_unread_from_the_first_look_at_it() -> None:
    slow = Connection(total_outbufs_len=5)
    assert not slow.is_overdue(100.0)
    assert slow._unread_since_s == 100.0
    assert slow.is_overdue(100.0 + limits.ANSWER_S)
    slow.__dict__["total_outbufs_len"] = 0
    assert not slow.is_overdue(100_000.0)
    assert slow._unread_since_s is None


@pytest.mark.parametrize(
    ("state", "is_settled"),
    [
        ({}, True),
        ({"requests": [1]}, False),
        ({"total_outbufs_len": 1}, False),
        ({"close_when_flushed": True}, False),
        ({"will_close": True}, False),
        ({"_waits_for_tunnel": True}, False),
        ({"_tunnel": object()}, False),
    ],
)
def test_a_connection_is_settled_while_it_waits_for_the_network_alone(
    state: dict[str, Any], *, is_settled: bool
) -> None:
    assert Connection(**state).is_settled is is_settled


def test_a_read_that_finds_nothing_or_fails_is_no_data() -> None:
    def fail(_: int) -> bytes:
        raise ConnectionResetError

    def nothing(_: int) -> bytes:
        raise BlockingIOError

    closed: list[bool] = []
    adj = SimpleNamespace(recv_bytes=8)
    for recv, closes in ((nothing, []), (fail, [True])):
        connection = Connection(adj=adj, recv=recv, handle_close=lambda: closed.append(True))
        connection.handle_read()
        assert (closed, connection.last_activity) == (closes, NOW_S)


@pytest.mark.parametrize(
    ("unsent", "gives_up", "lingers", "writes"),
    [(0, False, True, False), (5, False, False, False), (0, True, False, True)],
    ids=["all is sent", "some is left", "the client is gone"],
)
def test_a_refused_connection_lingers_once_its_answer_is_sent(
    monkeypatch: pytest.MonkeyPatch, unsent: int, gives_up: bool, lingers: bool, writes: bool
) -> None:
    wrote: list[bool] = []
    monkeypatch.setattr("waitress.channel.HTTPChannel.handle_write", lambda _: wrote.append(True))
    near, far = socket.socketpair()
    with near, far:
        connection = Connection(
            socket=near, refused=True, lingers=True, close_when_flushed=True, connected=True, total_outbufs_len=unsent
        )

        def flush(_: object) -> None:
            connection.will_close = gives_up

        connection.__dict__["_flush_exception"] = flush
        connection.handle_write()
    assert (connection._lingers_since_s is not None, bool(wrote)) == (lingers, writes)


def test_calls_that_are_refused_are_answered_until_the_client_says_farewell() -> None:
    sent: list[bytes] = []
    connection = Connection(write_soon=sent.append)
    refusal = GrpcRefusal("no")
    for data, is_over in ((PREFACE, False), (b"", False), (frame(GO_AWAY, 0, 0, bytes(8)), True)):
        connection._refuse_calls(refusal, data)
        assert connection.close_when_flushed is is_over
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("connected", "will_close", "is_sent"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_what_a_server_says_is_sent_on_while_the_client_is_there(
    connected: bool, will_close: bool, is_sent: bool
) -> None:
    sent: list[bytes] = []
    connection = Connection(
        connected=connected, will_close=will_close, write_soon=sent.append, handle_write=lambda: None
    )
    connection.give(b"said")
    assert sent == [b"said"] * is_sent
    assert (connection._heard_s > 0) is is_sent


def test_a_connection_that_lingers_says_that_no_more_will_come() -> None:
    near, far = socket.socketpair()
    with near, far:
        lingers = Connection(socket=near, close_when_flushed=True)
        lingers._linger()
        assert (lingers.close_when_flushed, lingers.will_close, far.recv(1)) == (False, False, b"")
        assert lingers.readable() is True
        lingers.will_close = True
        assert lingers.readable() is False
    gone = Connection(socket=near)
    gone._linger()
    assert gone.will_close is True


@pytest.mark.parametrize(
    ("statuses", "is_known"),
    [
        ((200, 204, 304), True),
        ((200, 200), False),
        ((200, 200, 200, 400), False),
        ((400, 200, 200), False),
        ((400, 200, 200, 200), True),
        ((200, 404, 429, 503, 504, 200, 200), True),
        ((200, 200, 500, 200), False),
        ((200, 200, 399), True),
    ],
)
def test_a_connection_is_known_after_three_good_answers_in_a_row(statuses: tuple[int, ...], *, is_known: bool) -> None:
    connection = Connection()
    for status in statuses:
        connection.note_answer(status)
    assert (connection.is_known, connection.goes_first) == (is_known, is_known)


def test_a_connection_is_hung_up_on_by_the_loop_that_is_woken() -> None:
    woken: list[bool] = []
    connection = Connection(server=SimpleNamespace(pull_trigger=lambda: woken.append(True)))
    connection.hang_up()
    assert (connection.will_close, woken) == (True, [True])


@pytest.mark.parametrize(
    ("sizes", "given_up"),
    [
        ((limits.UNSENT_BYTES // 2, limits.UNSENT_BYTES // 2), []),
        ((limits.UNSENT_BYTES // 2 + 1, limits.UNSENT_BYTES // 2), [0]),
        ((limits.UNSENT_BYTES, limits.UNSENT_BYTES, 5), [0]),
        ((5, limits.UNSENT_BYTES), [1]),
    ],
)
def test_of_too_much_that_is_unread_the_largest_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], given_up: list[int]
) -> None:
    monkeypatch.setattr(channel, "time", SimpleNamespace(monotonic=lambda: STEADY_S))
    since_s = STEADY_S - limits.READING_S
    slow = [Connection(total_outbufs_len=size, _unread_since_s=since_s) for size in sizes]
    recent = Connection(total_outbufs_len=0)
    port = Listener.__new__(Listener)
    port._map = dict(enumerate([*slow, recent, object()]))
    port._drop_unread()
    assert [place for place, each in enumerate(slow) if each.will_close] == given_up


def test_of_much_that_is_unread_nothing_is_given_up_while_it_may_still_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "time", SimpleNamespace(monotonic=lambda: STEADY_S))
    size = limits.UNSENT_BYTES + 1
    recent = Connection(total_outbufs_len=size, _unread_since_s=STEADY_S - limits.READING_S + 0.01)
    port = Listener.__new__(Listener)
    port._map = {1: recent}
    port._drop_unread()
    assert not recent.will_close


class Door(Listener):
    """A port at which a test decides who comes."""

    def __init__(self, comes: Any, *, places: int = 5, has_room: bool = True) -> None:
        self.comes, self.has_room, self.asked = comes, has_room, 0
        self.let_in: list[Any] = []
        self._map: dict[int, object] = {1: object()}
        self.adj = SimpleNamespace(connection_limit=places)
        self._closed_until_s = 0.0
        self.__dict__["channel_class"] = lambda *arguments, **more: self.let_in.append((*arguments[1:], more))

    def accept(self) -> Any:
        if isinstance(self.comes, Exception):
            raise self.comes
        return self.comes

    def set_socket_options(self, connection: Any) -> None:
        connection.set_options()

    def _make_room(self) -> bool:
        self.asked += 1
        return self.has_room


def test_a_port_takes_whom_it_has_a_place_for_and_pauses_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "time", SimpleNamespace(monotonic=lambda: STEADY_S))
    closed: list[bool] = []
    connection = SimpleNamespace(set_options=lambda: None, close=lambda: closed.append(True))
    paused_s = STEADY_S + limits.ACCEPT_PAUSE_S
    full = OSError(24, "Too many open files")
    for door, rooms_asked, is_let_in, closed_until_s in (
        (Door((connection, "::1")), 0, True, 0.0),
        (Door((connection, "::1"), places=1), 1, True, 0.0),
        (Door((connection, "::1"), places=1, has_room=False), 1, False, paused_s),
        (Door(None), 0, False, 0.0),
        (Door(full), 1, False, paused_s),
    ):
        door.handle_accept()
        expected = [(connection, "::1", door.adj, {"map": door._map})] if is_let_in else []
        assert (door.asked, door.let_in, door._closed_until_s) == (rooms_asked, expected, closed_until_s)
    assert [record.getMessage() for record in caplog.records] == [
        "a connection could not be accepted: Too many open files"
    ]
    assert closed == []

    def gone() -> None:
        raise OSError(9, "Bad file descriptor")

    connection.set_options = gone
    door = Door((connection, "::1"))
    door.handle_accept()
    assert (door.let_in, closed) == ([], [True])
