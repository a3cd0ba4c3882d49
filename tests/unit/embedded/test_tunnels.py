"""Connections of HTTP/2 on Tempo's port: hostile ones are bounded, and whoever asks beside them is answered."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest
import requests

from spanprofiles.embedded import channel, rpc, stream_server, tunnel
from spanprofiles.embedded.grpc_refusal import HEADERS, PING, PREFACE, RESET, SETTINGS, frame
from spanprofiles.embedded.limits import (
    GOOD_ANSWERS,
    STREAMING_CALLS,
    STREAMING_REQUEST_BYTES,
    STREAMING_RESERVED,
    STREAMING_STREAMS,
    TUNNEL_BYTES,
)
from spanprofiles.embedded.proto import tempo_pb2 as messages
from spanprofiles.embedded.tempo.streams import Streams
from spanprofiles.embedded.tunnel import Tunnel, Tunnels
from spanprofiles.model import Endpoints
from tests.support.conformance.pair import running_pair
from tests.support.conformance.streams import streams_of
from tests.unit.embedded.streaming_pair import (
    CONTINUATION,
    GO_AWAY,
    GREETING,
    PATIENCE_S,
    call_frame,
    header_block,
    kinds_of,
    raw_connection,
    read_to_end,
    wait_until,
)
from tests.unit.pair_in_process import pair_in_process

MEBIBYTE = 2**20
ASKING = b"GET /api/echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Tunnels]:
    """The tunnels of the pairs that the test starts."""
    made: list[Tunnels] = []

    def note(self: Tunnels, *arguments: Any, **more: Any) -> None:
        original(self, *arguments, **more)
        made.append(self)

    original = Tunnels.__init__
    monkeypatch.setattr(Tunnels, "__init__", note)
    return made


@pytest.fixture
def pair(empty_store: Path, tmp_path: Path, opened: list[Tunnels]) -> Iterator[Endpoints]:
    with pair_in_process(empty_store, tmp_path / "data") as endpoints:
        assert len(opened) == 1
        yield endpoints


def assert_well(pair: Endpoints) -> None:
    """A good call is answered, and a good request."""
    with streams_of(pair.tempo) as client:
        assert client.messages("Search", Query="{}")
    assert requests.get(f"{pair.tempo}/api/echo", timeout=PATIENCE_S).text == "echo\n"


def test_a_preface_may_come_byte_by_byte_and_what_only_begins_like_it_is_http(pair: Endpoints) -> None:
    with raw_connection(pair) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(GREETING)):
            connection.sendall(GREETING[at : at + 1])
        received = b""
        while SETTINGS not in kinds_of(received):
            received += connection.recv(65_536)
    with raw_connection(pair) as connection:
        connection.sendall(PREFACE[:10])
        connection.sendall(b"NO\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.0 400")
    with raw_connection(pair) as connection:
        connection.sendall(ASKING)
        assert read_to_end(connection).endswith(b"echo\n")


def test_a_preface_after_a_request_is_none(pair: Endpoints) -> None:
    with raw_connection(pair) as connection:
        connection.sendall(ASKING.replace(b"close", b"keep-alive"))
        answer = b""
        while not answer.endswith(b"echo\n"):
            answer += connection.recv(65_536)
        connection.sendall(GREETING)
        assert read_to_end(connection).startswith(b"HTTP/1.0 404")


def test_a_preface_that_does_not_go_on_is_given_up(pair: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "HEADER_S", 0.05)
    with raw_connection(pair) as connection:
        connection.sendall(PREFACE[:10])
        assert read_to_end(connection) == b""
    assert_well(pair)


def test_a_connection_that_says_no_more_than_the_preface_is_closed(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "GRPC_HANDSHAKE_S", 1)
    with pair_in_process(empty_store, tmp_path / "data") as endpoints, raw_connection(endpoints) as connection:
        connection.sendall(PREFACE)
        assert kinds_of(read_to_end(connection))[-1] == GO_AWAY


def test_a_call_whose_request_does_not_come_is_cancelled_and_gives_its_place_back(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        stream_server.StreamingServer.__init__, "__kwdefaults__", {"request_timeout_s": 0.1, "answer_timeout_s": 60.0}
    )
    monkeypatch.setattr(stream_server, "STREAMING_CALLS", 1)
    with pair_in_process(empty_store, tmp_path / "data") as endpoints:
        with raw_connection(endpoints) as connection:
            connection.sendall(GREETING + call_frame(1))
            received = b""
            while not {HEADERS, RESET} & set(kinds_of(received)):
                received += connection.recv(65_536)
        with streams_of(endpoints.tempo) as client:
            wait_until(lambda: client.failure("Search", Query="{}") is None)


def test_a_client_that_reads_nothing_holds_little_and_is_given_up(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Tunnels]
) -> None:
    monkeypatch.setattr(
        stream_server.StreamingServer.__init__, "__kwdefaults__", {"request_timeout_s": 20.0, "answer_timeout_s": 0.5}
    )

    def answer(_self: Streams, _method: str, _request: bytes, progress: Any) -> None:
        for _ in range(40):
            progress.send(messages.SearchTagsResponse(tagNames=["x" * MEBIBYTE]))

    monkeypatch.setattr(Streams, "answer", answer)
    request = frame(0, 1, 1, b"\x00\x00\x00\x00\x00")
    window = frame(SETTINGS, 0, 0, b"\x00\x04\x7f\xff\xff\xff") + frame(8, 0, 0, b"\x7f\xff\x00\x00")
    with pair_in_process(empty_store, tmp_path / "data") as endpoints, raw_connection(endpoints) as connection:
        connection.sendall(PREFACE + window + call_frame(1) + request)
        held = 0
        wait_until(lambda: opened[0].connections)
        (client,) = opened[0].connections.values()
        wait_until(lambda: client.calls)

        def has_ended() -> bool:
            nonlocal held
            held = max(held, client.total_outbufs_len)
            return not client.calls

        wait_until(has_ended)
        assert held <= TUNNEL_BYTES + tunnel.READ_BYTES
    monkeypatch.undo()


@pytest.mark.slow
def test_a_request_that_is_too_large_is_refused_compressed_or_not(pair: Endpoints) -> None:
    with streams_of(pair.tempo) as client:
        refused = client.failure("Search", Query="x" * STREAMING_REQUEST_BYTES)
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    bomb = gzip.compress(bytes(48 * MEBIBYTE), 9)
    body = b"\x01" + len(bomb).to_bytes(4, "big") + bomb
    header = frame(HEADERS, 4, 1, header_block(**{"grpc-encoding": "gzip"}))
    data = b"".join(frame(0, 0, 1, body[at : at + 16_384]) for at in range(0, len(body), 16_384))
    before = psutil.Process().memory_info().rss
    with raw_connection(pair) as connection:
        connection.sendall(GREETING + header + data + frame(0, 1, 1))
        received = b""
        while HEADERS not in kinds_of(received):
            received += connection.recv(65_536)
    assert psutil.Process().memory_info().rss - before < 24 * MEBIBYTE
    assert_well(pair)


@pytest.mark.slow
def test_giant_headers_are_refused(pair: Endpoints) -> None:
    with streams_of(pair.tempo) as client:
        refused = client.failure("Search", {"x": "y" * 100_000}, Query="{}")
    assert refused is not None
    more = frame(CONTINUATION, 0, 1, b"\x00\x01x\x7f\x81\x7e" + b"y" * 16_256)
    before = psutil.Process().memory_info().rss
    with raw_connection(pair) as connection:  # a header that never ends
        connection.sendall(GREETING + frame(HEADERS, 0, 1, header_block()))
        with contextlib.suppress(ConnectionError):
            for _ in range(4_000):
                connection.sendall(more)
        assert_well(pair)
    assert psutil.Process().memory_info().rss - before < 4_000 * len(more) * 0.75


FLOODS = {
    "resets": b"".join(call_frame(number) + frame(RESET, 0, number, b"\0\0\0\x08") for number in range(1, 4_001, 2)),
    "streams": b"".join(call_frame(number) for number in range(1, 4_001, 2)),
    "pings": frame(PING, 0, 0, b"12345678") * 5_000,
    "settings": frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\xff\xff") * 5_000,
    "empty data": call_frame(1) + frame(0, 0, 1, b"") * 20_000,
    "priorities": frame(2, 0, 1, b"\0\0\0\0\x10") * 20_000,
    "window updates": frame(8, 0, 0, b"\0\0\0\x01") * 20_000,
    "unknown frames": frame(200, 0, 0, b"x") * 20_000,
    "no frames": os.urandom(200_000),
    "a frame too large": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(200_000),
    "no HPACK": frame(HEADERS, 4, 1, b"\xff" * 1_000) * 10,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_or_is_borne_and_everybody_else_is_answered(
    pair: Endpoints, opened: list[Tunnels], kind: str
) -> None:
    assert_well(pair)
    process = psutil.Process()
    before = process.memory_info().rss
    with raw_connection(pair) as connection:
        reading = threading.Thread(target=read_to_end, args=(connection,))
        reading.start()
        with contextlib.suppress(ConnectionError):
            connection.sendall(GREETING + FLOODS[kind])
        assert_well(pair)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        reading.join(PATIENCE_S)
    wait_until(lambda: not opened[0].connections)
    assert process.memory_info().rss - before < 64 * MEBIBYTE
    threads = sum(thread.name.startswith("gRPC call") for thread in threading.enumerate())
    assert threads <= STREAMING_CALLS + STREAMING_RESERVED + stream_server.REFUSING_THREADS


def test_calls_without_requests_on_many_connections_leave_places_to_a_known_one(
    pair: Endpoints, opened: list[Tunnels]
) -> None:
    with streams_of(pair.tempo) as known, contextlib.ExitStack() as stack:
        for _ in range(GOOD_ANSWERS):
            known.messages("Search", Query="{}")
        for _ in range(STREAMING_CALLS // STREAMING_STREAMS + 1):
            stack.enter_context(raw_connection(pair)).sendall(GREETING + FLOODS["streams"])
        wait_until(lambda: sum(len(client.calls) for client in opened[0].connections.values()) == STREAMING_CALLS)
        assert max(len(client.calls) for client in opened[0].connections.values()) == STREAMING_STREAMS
        with streams_of(pair.tempo) as unknown:
            refused = unknown.failure("Search", Query="{}")
        assert known.messages("Search", Query="{}")
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with streams_of(pair.tempo) as client:
        wait_until(lambda: client.failure("Search", Query="{}") is None)


def test_one_connection_more_than_there_may_be_closes_an_idle_one_or_is_told_to_wait(
    pair: Endpoints, opened: list[Tunnels]
) -> None:
    opened[0]._limit = 1
    with raw_connection(pair) as idle:
        idle.sendall(GREETING)
        wait_until(lambda: len(opened[0].connections) == 1)
        assert_well(pair)
        assert read_to_end(idle) is not None
    with raw_connection(pair) as busy:
        busy.sendall(GREETING + call_frame(1))
        wait_until(lambda: any(client.calls for client in opened[0].connections.values()))
        with streams_of(pair.tempo) as client:
            refused = client.failure("Search", Query="{}")
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert "1 connections send queries over gRPC already" in refused.details()


def test_whichever_side_closes_closes_the_other(pair: Endpoints, opened: list[Tunnels]) -> None:
    with raw_connection(pair) as connection:
        connection.sendall(GREETING)
        wait_until(lambda: opened[0].connections)
    wait_until(lambda: not opened[0].connections)
    with raw_connection(pair) as connection:
        connection.sendall(GREETING + FLOODS["a frame too large"][:100])
        read_to_end(connection)
    wait_until(lambda: not opened[0].connections)


def test_the_server_is_started_by_the_first_call_and_its_socket_is_nobody_elses(
    empty_store: Path, tmp_path: Path, opened: list[Tunnels]
) -> None:
    with pair_in_process(empty_store, tmp_path / "data") as endpoints:
        assert requests.get(f"{endpoints.tempo}/api/echo", timeout=PATIENCE_S).status_code == 200
        assert opened[0]._folder is None
        assert_well(endpoints)
        folder = Path(opened[0]._folder.name)  # type: ignore[attr-defined]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [file.name for file in folder.iterdir()] == ["grpc"]
        with grpc.insecure_channel(f"unix:{folder / 'grpc'}") as beside, pytest.raises(grpc.RpcError) as refused:
            list(beside.unary_stream("/tempopb.StreamingQuerier/Search")(b"", timeout=PATIENCE_S))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not folder.exists()


def test_a_server_that_cannot_start_is_told_to_callers_and_to_nobody_else(
    pair: Endpoints, opened: list[Tunnels], caplog: pytest.LogCaptureFixture
) -> None:
    def make(*_: object) -> Any:
        raise RuntimeError("no room")

    opened[0]._make = make
    with streams_of(pair.tempo) as client:
        refused = client.failure("Search", Query="{}")
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert "queries over gRPC cannot be served: no room" in refused.details()
    assert "queries over gRPC cannot be served: no room" in caplog.text
    assert requests.get(f"{pair.tempo}/api/echo", timeout=PATIENCE_S).text == "echo\n"


def test_a_pair_that_ends_hangs_up_on_calls_under_way(empty_store: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with pair_in_process(empty_store, tmp_path / "data") as endpoints:
            connection = stack.enter_context(raw_connection(endpoints))
            connection.sendall(GREETING + call_frame(1))
            assert connection.recv(65_536)
        read_to_end(connection)


@pytest.mark.slow
def test_the_program_answers_calls_and_ends_in_the_middle_of_one_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running_pair() as pair:
        with streams_of(pair.urls["tempo"]) as client:
            assert client.messages("Search", Query="{}")
            unsent = threading.Event()
            call = client.hanging_call("Search", unsent)
            pair.process.terminate()
            with pytest.raises(grpc.RpcError) as ended:
                list(call)
            unsent.set()
        assert pair.process.wait(PATIENCE_S) == 0
    assert ended.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert list(tmp_path.iterdir()) == []


def test_each_side_is_told_what_the_other_says_and_when_it_ends() -> None:
    near, far = socket.socketpair()
    given: list[bytes] = []
    forgotten: list[bool] = []
    client: Any = SimpleNamespace(
        server=SimpleNamespace(_map={}), total_outbufs_len=0, give=given.append, close_when_flushed=False
    )
    tunnel = Tunnel(near, client, lambda: forgotten.append(True))
    tunnel.handle_read()
    tunnel.handle_write()
    assert (given, tunnel.writable(), tunnel.readable(), tunnel.has_room) == ([], False, True, True)
    far.sendall(b"an answer")
    tunnel.handle_read()
    tunnel.take(b"a question")
    assert (given, far.recv(100)) == ([b"an answer"], b"a question")
    far.sendall(b"the rest")
    far.close()
    tunnel.handle_close()
    assert (given, client.close_when_flushed, forgotten) == ([b"an answer", b"the rest"], True, [True])
    tunnel.handle_close()
    assert forgotten == [True]
