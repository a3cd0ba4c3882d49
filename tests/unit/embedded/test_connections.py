"""Connections that drip, idle, crowd or send what nobody wants: each is bounded, and the others are served."""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from waitress.buffers import OverflowableBuffer

from spanprofiles.embedded import channel, gate, guesses, limits, listener, parser
from spanprofiles.embedded.gate import Gate
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.lanes import Lanes
from spanprofiles.embedded.limits import GOOD_ANSWERS
from spanprofiles.embedded.listener import Listener, Listeners
from spanprofiles.embedded.loglines import COUNTED, FewLines
from spanprofiles.embedded.refusals import Refusals, Signal
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.spool import Spool
from tests.support.conformance.pair import Pair, announced
from tests.unit.embedded.test_process import free_ports

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATIENCE_S = 20.0
TOKEN = "a-token-of-some-length"
RIGHT = f"Authorization: Bearer {TOKEN}\r\n"
LARGE = 1_000_000
ASKING = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = ASKING[:-2] + b"Connection: close\r\n\r\n"


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the length of the body."""
    answer = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


class Server:
    """A port in this process, and what was noted of it."""

    def __init__(self, token: str = "") -> None:
        self.refusals = Refusals()
        self.socket = socket.create_server(("127.0.0.1", 0))
        settings = Settings(token=token, threads=2)
        gate = Gate(settings, self.refusals, Guesses())
        lanes = Lanes(settings.threads, lambda _: False, lambda _: contextlib.nullcontext())
        self.listeners = Listeners(echo, [self.socket], settings, gate, self.refusals, lanes)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.socket.getsockname()[:2], timeout=PATIENCE_S)

    def ask(self) -> int:
        """The status of an answer to somebody who comes along."""
        host, port = self.socket.getsockname()[:2]
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", "/ready")
            return connection.getresponse().status

    def held(self) -> int:
        """How many bytes of bodies are held."""
        (listener,) = (listener for listener in self.listeners._channels.values() if isinstance(listener, Listener))
        return listener.spool.held


@contextmanager
def running(token: str = "") -> Iterator[Server]:
    server = Server(token)
    loop = threading.Thread(target=server.listeners.run)
    loop.start()
    try:
        yield server
    finally:
        server.listeners.end()
        loop.join(PATIENCE_S)
        server.listeners.stop(PATIENCE_S)
        server.socket.close()


def head(path: str = "/v1/traces", length: int = LARGE, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def first_line(connection: socket.socket) -> str:
    """The first line of what comes; empty where the other side hangs up."""
    with connection.makefile("rb") as stream:
        return stream.readline().decode().strip()


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the body of the answer that comes."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side hangs up without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("part", "constant"),
    [(b"GET /rea", "HEADER_S"), (b"\r\n\r\n", "HEADER_S"), (head(length=5) + b"hel", "BODY_S")],
    ids=["header", "empty lines", "body"],
)
def test_a_request_that_does_not_come_to_its_end_in_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, part: bytes, constant: str
) -> None:
    monkeypatch.setattr(channel, constant, 0.2)
    with running() as server, server.connect() as dripping:
        dripping.sendall(part)
        assert hung_up(dripping)
        assert server.ask() == 200


def test_a_request_that_comes_in_pieces_is_answered() -> None:
    with running() as server, server.connect() as slow:
        for piece in (b"POST /x HT", b"TP/1.1\r\nHost: localhost\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"):
            slow.sendall(piece)
            time.sleep(0.02)
        assert answer_of(slow) == (200, b"5")


def a_channel(**state: Any) -> channel.Channel:
    """A connection in some state, without a socket."""
    made = channel.Channel.__new__(channel.Channel)
    usual: dict[str, object] = {
        "_lingers_since_s": None,
        "_unread_since_s": None,
        "_began_s": None,
        "requests": [],
        "last_activity": 0.0,
    }
    made.__dict__.update(usual | state)
    return made


class Begun:
    """A request whose header is there."""

    headers_finished = True


def test_the_idle_go_first_then_who_drips_then_who_does_not_read_then_the_newest() -> None:
    now_s, clock_s = time.monotonic(), time.time()
    willing = [
        a_channel(_lingers_since_s=now_s),
        a_channel(last_activity=clock_s - limits.BUSY_S),
        a_channel(_began_s=now_s - limits.BUSY_S, last_activity=clock_s),
        a_channel(_began_s=now_s, request=Begun, last_activity=clock_s - limits.BUSY_S),
        a_channel(_began_s=now_s - limits.HEADER_S, request=Begun, last_activity=clock_s),
        a_channel(total_outbufs_len=1, _unread_since_s=now_s - limits.READING_S),
        a_channel(last_activity=clock_s + 60),
    ]
    working = [
        a_channel(requests=[1]),
        a_channel(_began_s=now_s + 60, last_activity=clock_s),
        a_channel(_began_s=now_s + 60, request=Begun, last_activity=clock_s + 60),
        a_channel(total_outbufs_len=1, _unread_since_s=now_s + 60),
        a_channel(total_outbufs_len=1),
    ]
    assert [(channel.idleness() or [None])[0] for channel in willing] == [0, 1, 2, 3, 4, 5, 6]
    assert [channel.idleness() for channel in working] == [None] * len(working)


def test_the_largest_answer_that_nobody_reads_is_given_up_where_they_are_too_many() -> None:
    half, old_s = limits.UNSENT_BYTES // 2, time.monotonic() - limits.READING_S
    small, large = (a_channel(total_outbufs_len=half + more, _unread_since_s=old_s) for more in (1, 2))
    read = a_channel(total_outbufs_len=half + 3, _unread_since_s=time.monotonic() + 60)
    port = Listener.__new__(Listener)
    port._map = {1: small, 2: large, 3: read}
    port._drop_unread()
    assert [channel.will_close for channel in (small, large, read)] == [False, True, False]
    port._map = {1: small}
    port._drop_unread()
    assert not small.will_close


def test_an_answer_that_is_not_read_is_given_up() -> None:
    kept = a_channel(total_outbufs_len=5)
    assert not kept.is_overdue(100.0)
    assert not kept.is_overdue(100.0 + limits.ANSWER_S - 1)
    assert kept.is_overdue(100.0 + limits.ANSWER_S)


def test_the_connection_that_did_nothing_for_longest_gives_up_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "connection_limit", lambda: 8)  # with the port itself and its trigger
    with running() as server, contextlib.ExitStack() as stack:
        idle = []
        for _ in range(6):
            idle.append(stack.enter_context(server.connect()))
            idle[-1].sendall(ASKING)
            assert answer_of(idle[-1]) == (200, b"0")
            time.sleep(0.01)
        assert server.ask() == 200
        assert hung_up(idle[0])
        idle[-1].sendall(ASKING)
        assert answer_of(idle[-1]) == (200, b"0")


def test_the_number_of_connections_follows_from_the_descriptors_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for descriptors, expected in ((10, 8), (256, 64), (1_024, 448), (2**20, 1_000), (resource.RLIM_INFINITY, 1_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=descriptors: (soft, soft))
        assert limits.connection_limit() == expected


def test_no_place_left_in_the_system_is_waited_for_and_told_a_few_times(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with socket.create_server(("127.0.0.1", 0)) as port:
        settings = Settings()
        lanes = Lanes(1, lambda _: False, lambda _: contextlib.nullcontext())
        listeners = Listeners(echo, [port], settings, Gate(settings, Refusals(), Guesses()), Refusals(), lanes)
        (listener,) = (listener for listener in listeners._channels.values() if isinstance(listener, Listener))
        listener.accept = refuse
        few = FewLines()
        caplog.handler.addFilter(few)
        for _ in range(1_000):
            listener.handle_accept()
        caplog.handler.removeFilter(few)
        assert not listener.readable()
        assert len(caplog.records) == limits.LOG_LINES
        listeners.end()
        listeners.run()
        listeners.end()  # as whoever stops it may come late
        listeners.stop(PATIENCE_S)


def test_more_idle_connections_than_descriptors_keep_nobody_out_and_cost_no_cpu() -> None:
    command = f"ulimit -n 160; exec {sys.executable} -m spanprofiles.embedded {' '.join(free_ports())}"
    process = subprocess.Popen(
        ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        pair = Pair(process, dict(line.split() for line in announced(process)[:-1]))
        port = int(pair.urls["tempo"].rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            before = psutil.Process(process.pid).cpu_times()
            assert [pair.send(name, "GET", "/ready")[0] for name in ("tempo", "pyroscope")] == [200, 200]
            time.sleep(1)
            after = psutil.Process(process.pid).cpu_times()
            assert after.user + after.system - before.user - before.system < 0.7  # a loop that spins takes the second
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert errors.count("\n") <= limits.LOG_LINES, errors[:2_000]


def test_without_the_token_a_body_is_refused_by_its_header() -> None:
    with running(TOKEN) as server:
        with server.connect() as stranger:
            stranger.sendall(head())
            assert first_line(stranger) == "HTTP/1.1 401 Unauthorized"
        with server.connect() as asking:
            asking.sendall(head(more="Expect: 100-continue\r\n"))
            assert first_line(asking) == "HTTP/1.1 401 Unauthorized"
        with server.connect() as guessing:
            guessing.sendall(head(more="Transfer-Encoding: chunked\r\nAuthorization: Bearer wrong\r\n"))
            assert first_line(guessing) == "HTTP/1.1 401 Unauthorized"
        assert server.held() == 0
        noted = server.refusals.groups(Signal.TRACES)
        assert [(refusal.last.reason.value, refusal.uploads) for refusal in noted] == [("unauthorized", 3)]


GUESS = ASKING.replace(b"/ready", b"/guess")[:-2] + b"Authorization: Bearer wrong\r\n\r\n"


def test_whoever_guesses_waits_for_the_answer_and_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "FREE_GUESSES", 0)
    monkeypatch.setattr(gate, "GUESS_DELAY_S", 0.3)
    with running(TOKEN) as server, server.connect() as guessing:
        began_s = time.monotonic()
        guessing.sendall(GUESS)
        assert server.ask() == 200
        assert answer_of(guessing)[0] == 429
        assert time.monotonic() - began_s >= 0.3


def test_few_of_those_who_guess_may_wait_and_the_next_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "FREE_GUESSES", 0)
    monkeypatch.setattr(listener, "SLOWED_CONNECTIONS", 0)
    with running(TOKEN) as server, server.connect() as guessing:
        guessing.sendall(GUESS)
        assert hung_up(guessing)
        assert server.ask() == 200


def test_with_the_token_the_sender_is_told_to_continue() -> None:
    with running(TOKEN) as server, server.connect() as sender:
        sender.sendall(head(more=f"Expect: 100-continue\r\n{RIGHT}"))
        assert sender.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sender.sendall(b"x" * LARGE)
        assert answer_of(sender) == (200, str(LARGE).encode())
        assert wait_until(lambda: server.held() == 0)


@pytest.mark.parametrize("size", [10, LARGE, 8 * LARGE])
def test_who_sends_all_of_a_refused_body_sees_the_answer_and_none_of_it_is_kept(size: int) -> None:
    with running(TOKEN) as server, server.connect() as stranger:
        stranger.sendall(head(length=size))
        stranger.sendall(ASKING.ljust(size, b"x"))
        assert first_line(stranger) == "HTTP/1.1 401 Unauthorized"
        assert server.held() == 0


def channels(server: Server) -> dict[int, channel.Channel]:
    """Return the open connections."""
    (port,) = (member for member in server.listeners._channels.values() if isinstance(member, Listener))
    return dict(port.active_channels)


@pytest.mark.parametrize("whole", [ASKING.replace(b"ready", b"x"), head(length=5) + b"hello"], ids=["none", "5 bytes"])
def test_who_sent_all_of_a_refused_request_is_hung_up_on_with_the_answer(
    monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    monkeypatch.setattr(channel, "LINGER_S", 1_000.0)
    with running(TOKEN) as server, server.connect() as stranger:
        stranger.sendall(whole)
        assert answer_of(stranger)[0] == 401
        assert wait_until(lambda: not channels(server))  # though it has not hung up itself
        assert hung_up(stranger)


@pytest.mark.parametrize(
    "part",
    [
        head(length=5) + b"hell",
        head(length=5) + b"hello" + ASKING,
        head(length=0, more="Transfer-Encoding: chunked\r\n"),
        head(length=5, more="Expect: 100-continue\r\n"),
        b"no request\r\n\r\n",
    ],
    ids=["a part", "more", "chunks", "continue", "no HTTP"],
)
def test_what_may_follow_a_refused_request_is_thrown_away_first(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(channel, "LINGER_S", 1_000.0)
    with running(TOKEN) as server, server.connect() as stranger:
        stranger.sendall(part)
        assert answer_of(stranger)[0] in {400, 401}
        stranger.sendall(b"x" * LARGE)
        assert len(channels(server)) == 1
    # it ends with the stranger


def test_a_body_over_the_limit_is_refused_by_its_header_and_seen_to_be() -> None:
    with running() as server, server.connect() as sender:
        sender.sendall(head(length=limits.BODY_BYTES + 1, more="Expect: 100-continue\r\n"))
        assert first_line(sender).startswith("HTTP/1.1 413")
        assert wait_until(lambda: bool(server.refusals.groups(Signal.TRACES)))
        assert server.refusals.groups(Signal.TRACES)[0].last.reason.value == "body_size_limit_exceeded"


def test_all_bodies_together_have_a_limit_and_small_ones_still_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "Spool", lambda: Spool(LARGE))
    with running() as server, server.connect() as first, server.connect() as second, server.connect() as small:
        first.sendall(head() + b"x" * (LARGE - 1))
        assert wait_until(lambda: server.held() == LARGE - 1)
        second.sendall(head(more="Transfer-Encoding: chunked\r\n") + b"40000\r\n" + b"x" * 0x40000)
        with second.makefile("rb") as answer:
            text = answer.read().decode()
        assert text.startswith("HTTP/1.1 503")
        assert "\r\nRetry-After: 1\r\n" in text
        small.sendall(head(length=5) + b"hello")
        assert first_line(small) == "HTTP/1.1 200 OK"
        assert wait_until(lambda: server.held() == LARGE - 1)  # what was held is given back after the answer
        first.sendall(b"x")
        assert first_line(first) == "HTTP/1.1 200 OK"
        assert wait_until(lambda: server.held() == 0)


def test_a_body_for_which_the_disk_has_no_room_is_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.newfile", full)
    with running() as server, server.connect() as sender:
        sender.sendall(head() + b"x" * (LARGE - 1))
        status, body = answer_of(sender)
        assert status == 503
        assert b"No space left on device" in body
        assert wait_until(lambda: server.held() == 0)
        assert server.refusals.groups(Signal.TRACES)[0].last.reason.value == "overloaded"
        assert server.ask() == 200


def test_a_body_whose_sender_hangs_up_is_let_go() -> None:
    with running() as server:
        with server.connect() as sender:
            sender.sendall(head() + b"x" * 1_000)
            assert wait_until(lambda: server.held() == 1_000)
        assert wait_until(lambda: server.held() == 0)


CHUNKED = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (CHUNKED + b"1\r\nx\r\n" * 40_000, "too small"),
        (CHUNKED + b"1" * 9_000, "between chunks"),
        (CHUNKED + b"1;" + b"a" * 9_000, "between chunks"),
        (CHUNKED + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 3_000, "what follows"),
        (ASKING[:-2] + b"A: b\r\n" * 200 + b"\r\n", "header fields"),
    ],
    ids=["tiny chunks", "size without end", "extension without end", "trailer without end", "fields"],
)
def test_what_is_around_a_body_is_bounded_like_the_body(sent: bytes, words: str) -> None:
    with running() as server, server.connect() as sender:
        sender.sendall(sent)
        status, body = answer_of(sender)
        assert status == 400
        assert words in body.decode()
        assert wait_until(lambda: server.held() == 0)
        assert server.ask() == 200


@pytest.mark.parametrize("size", [1, 2, 1_000, 1_023, 1_024, 5_000])
def test_a_body_in_chunks_is_taken_whatever_their_size_and_however_they_are_cut(size: int) -> None:
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (size, b"x" * size) for _ in range(20))
    whole = CHUNKED + chunks + b"0\r\nTrailer: of it\r\n\r\n" + LAST
    with running() as server, server.connect() as sender:
        cut = len(whole) // 3
        sender.sendall(whole[:cut])
        time.sleep(0.01)
        sender.sendall(whole[cut:])
        with sender.makefile("rb") as stream:
            answers = stream.read()
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        assert b"\r\n\r\n%dHTTP" % (20 * size) in answers


def test_a_trailer_may_be_cut_anywhere() -> None:
    whole = b"3\r\nabc\r\n0\r\nA: b\r\n\r\nnext"
    for cut in range(len(whole) - 4):
        chunks = parser.Chunks(OverflowableBuffer(1_000))
        first = chunks.received(whole[:cut])
        assert first == cut
        assert chunks.received(whole[cut:]) == len(whole) - cut - len(b"next")
        assert chunks.completed
        assert chunks.error is None
        assert chunks.getbuf().get() == b"abc"
        chunks.getbuf().close()


def test_a_refusal_is_answered_while_every_thread_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lanes, "add_task", lambda *_: None)  # none ever takes a request
    with running() as server, server.connect() as busy, server.connect() as refused:
        busy.sendall(ASKING)
        refused.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no Host
        assert first_line(refused) == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    ("statuses", "is_known"),
    [
        ((200,) * GOOD_ANSWERS, True),
        ((200,) * (GOOD_ANSWERS - 1), False),
        ((200,) * GOOD_ANSWERS + (404, 503, 429, 504), True),
        ((200,) * GOOD_ANSWERS + (400,), False),
        ((200,) * GOOD_ANSWERS + (422,), False),
        ((400,) + (200,) * GOOD_ANSWERS, True),
        ((404,) * GOOD_ANSWERS, False),
    ],
)
def test_a_connection_is_known_by_its_last_answers(statuses: tuple[int, ...], is_known: bool) -> None:
    with running() as server, server.connect():
        (listener,) = (listener for listener in server.listeners._channels.values() if isinstance(listener, Listener))
        assert wait_until(lambda: bool(listener.active_channels))
        (made,) = listener.active_channels.values()
        for status in statuses:
            made.note_answer(status)
        assert made.is_known == is_known


def test_whoever_gets_good_answers_becomes_known() -> None:
    with running() as server, server.connect() as peer:
        for _ in range(GOOD_ANSWERS):
            peer.sendall(ASKING)
            assert peer.recv(1_000)
        (listener,) = (listener for listener in server.listeners._channels.values() if isinstance(listener, Listener))
        assert wait_until(lambda: all(made.is_known for made in listener.active_channels.values()))


def test_few_requests_may_be_sent_before_their_answers_are_there() -> None:
    with running() as server, server.connect() as sender, server.connect() as eager:
        sender.sendall(ASKING * (limits.PIPELINED_REQUESTS - 1) + LAST)
        with sender.makefile("rb") as stream:
            assert stream.read().count(b"HTTP/1.1 200 OK") == limits.PIPELINED_REQUESTS
        eager.sendall(ASKING * 3_000)
        with eager.makefile("rb") as stream:
            answered = stream.read()
        assert answered.count(b"HTTP/1.1 200 OK") == limits.PIPELINED_REQUESTS
        assert answered.count(b"requests sent before") == 1


def test_a_connection_is_idle_though_the_clock_was_set_back() -> None:
    with running() as server, server.connect() as idle:
        assert server.ask() == 200  # so that the other one is served as well
        (listener,) = (listener for listener in server.listeners._channels.values() if isinstance(listener, Listener))
        assert wait_until(lambda: any(not made.requests for made in listener.active_channels.values()))
        now = time.time()
        for made in list(listener.active_channels.values()):
            made.last_activity = now + 10_000
        listener.maintenance(now)
        listener.maintenance(now + limits.IDLE_S + 1)
        assert idle.recv(1) == b""


def test_a_spool_takes_small_bodies_whatever_it_holds() -> None:
    full = Spool(limits.IN_MEMORY_BYTES)
    assert full.take(limits.IN_MEMORY_BYTES, limits.IN_MEMORY_BYTES)
    assert full.take(1, 1)
    assert not full.take(1, limits.IN_MEMORY_BYTES + 1)
    full.give_back(limits.IN_MEMORY_BYTES)
    assert full.held == 1


def record(message: str, line: int = 1, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.WARNING, "file.py", line, message, (), None)
    made.__dict__.update(more)
    return made


def test_of_one_kind_of_line_a_few_are_written_and_the_next_says_how_many_were_not() -> None:
    now = [0.0]
    few = FewLines(lambda: now[0])
    assert [few.filter(record("again")) for _ in range(25)].count(True) == limits.LOG_LINES
    assert few.filter(record("of another kind", line=2))
    assert all(few.filter(record("counted elsewhere", **COUNTED)) for _ in range(25))
    now[0] = limits.LOG_S
    late = record("again")
    assert few.filter(late)
    assert late.getMessage() == "again (and 15 more like it that were not logged)"
    next_one = record("again")
    assert few.filter(next_one)
    assert next_one.getMessage() == "again"
