"""A gRPC call on a port for HTTP/1.1 is told what to do, and a hostile one costs nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spanprofiles.embedded.grpc_refusal import (
    FRAMES,
    GO_AWAY,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    GrpcRefusal,
    frame,
)
from tests.unit.pair_in_process import pair_in_process

CALL = frame(HEADERS, 4, 1, b"\x82")
GREETING = PREFACE + frame(SETTINGS, 0, 0)


def _frames(sent: bytes) -> list[tuple[int, int, bytes]]:
    """(kind, stream, payload) of each frame."""
    found = []
    while sent:
        end = 9 + int.from_bytes(sent[:3], "big")
        found.append((sent[3], int.from_bytes(sent[5:9], "big"), sent[9:end]))
        sent = sent[end:]
    return found


def test_each_call_is_answered_with_a_status_and_the_message() -> None:
    refusal = GrpcRefusal("100% not here")
    assert [kind for kind, _, _ in _frames(refusal.received(GREETING))] == [SETTINGS, SETTINGS]
    for stream in (1, 3):
        (kind, answered, fields), (reset, _, _) = _frames(refusal.received(frame(HEADERS, 4, stream, b"\x82")))
        assert (kind, answered, reset) == (HEADERS, stream, RESET)
        assert b"grpc-status\x0212" in fields
        assert b"100%25 not here" in fields
    assert not refusal.is_over


@pytest.mark.parametrize("length", [126, 127, 254, 255, 256, 20_000])
def test_a_message_of_any_length_is_read_as_it_was_written(length: int) -> None:
    message = "x" * length
    (_, _, fields), _ = _frames(GrpcRefusal(message).received(GREETING + CALL))[2:]
    place = fields.index(b"grpc-message") + len("grpc-message")
    written, place = fields[place], place + 1
    if written == 127:  # RFC 7541, 5.1: the rest in seven bits each, the lowest first
        shift = 0
        while True:
            byte = fields[place]
            written, shift, place = written + ((byte & 127) << shift), shift + 7, place + 1
            if byte < 128:
                break
    assert (written, fields[place:]) == (length, message.encode())


def test_it_does_not_matter_how_the_bytes_arrive() -> None:
    data = GREETING + CALL + frame(PING, 0, 0, b"12345678")
    whole, byte_by_byte = GrpcRefusal("no"), GrpcRefusal("no")
    assert b"".join(byte_by_byte.received(data[at : at + 1]) for at in range(len(data))) == whole.received(data)


def test_a_ping_is_answered_and_an_answer_is_not() -> None:
    refusal = GrpcRefusal("no")
    refusal.received(GREETING)
    assert _frames(refusal.received(frame(PING, 0, 0, b"12345678"))) == [(PING, 0, b"12345678")]
    assert refusal.received(frame(PING, 1, 0, b"12345678") + frame(SETTINGS, 1, 0)) == b""


def test_a_call_is_answered_once_whatever_follows_it() -> None:
    refusal = GrpcRefusal("no")
    refusal.received(GREETING)
    assert len(_frames(refusal.received(CALL + CALL + frame(0, 1, 1, b"body")))) == 2


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", frame(PING, 1, 0) * (FRAMES + 1), frame(GO_AWAY, 0, 0, bytes(8))]
)
def test_a_frame_too_large_one_too_many_and_a_farewell_end_the_connection(data: bytes) -> None:
    refusal = GrpcRefusal("no")
    refusal.received(GREETING)
    refusal.received(data)
    assert refusal.is_over


def test_what_is_held_of_a_call_is_one_frame_at_most() -> None:
    refusal = GrpcRefusal("no")
    refusal.received(GREETING)
    for _ in range(20):
        refusal.received(frame(0, 0, 1, bytes(16_384)))
        assert len(refusal._unread) <= 16_393


def test_without_the_extra_a_grpc_client_is_told_what_to_install_or_switch_off(
    empty_store: Path, tmp_path: Path
) -> None:
    grpc = pytest.importorskip("grpc")
    with (
        pair_in_process(empty_store, tmp_path / "data", streams=False) as endpoints,
        grpc.insecure_channel(urlsplit(endpoints.tempo).netloc) as channel,
        pytest.raises(grpc.RpcError) as failure,
    ):
        list(channel.unary_stream("/tempopb.StreamingQuerier/Search")(b"", timeout=20))
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "install spanprofiles[grpc]" in failure.value.details()
    assert "switch streaming off in the settings of Grafana's Tempo data source" in failure.value.details()
