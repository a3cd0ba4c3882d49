"""A pair in this process whose queries over gRPC a test asks, and whose parts it can look at."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests

from spanprofiles.embedded.grpc_refusal import HEADERS, PREFACE, SETTINGS, frame
from spanprofiles.model import Endpoints
from tests.support.clocks import eventually
from tests.unit.embedded.conftest import SpanFactory, attributes

PATIENCE_S = 20.0
GREETING = PREFACE + frame(SETTINGS, 0, 0)
GO_AWAY, CONTINUATION = 7, 9


def export(pair: Endpoints, *spans: dict[str, Any], **resource: Any) -> None:
    """Send spans of one resource; they must be taken."""
    resource_spans = {
        "resource": {"attributes": attributes({"service.name": "shop"} | resource)},
        "scopeSpans": [{"scope": {"name": "tests"}, "spans": list(spans)}],
    }
    answer = requests.post(f"{pair.otlp_http}/v1/traces", json={"resourceSpans": [resource_spans]}, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text


def fill(pair: Endpoints, traces: int) -> None:
    """Send traces of two spans each, with attributes of all types."""
    for number in range(traces):
        span = SpanFactory(f"{number + 1:02x}")
        values = {"n": number, "km": number / 2, "found": number % 2 == 0, "list": ["a", "b"], "vehicle": "bike"}
        export(
            pair,
            span("root", values=values),
            span("child", parent="root", milliseconds=5 + number, values={"n": -1}, status={"code": 2}),
            region=("eu", "us")[number % 2],
        )


def metadata_of(error: Any) -> dict[str, Any]:
    """The trailing metadata of an error of gRPC."""
    return dict(error.trailing_metadata())


wait_until = partial(eventually, within_s=PATIENCE_S)


def _text(value: bytes) -> bytes:
    """A text of HPACK of any length, without compression."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    left, length = len(value) - 127, bytearray([127])
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    return bytes([*length, left]) + value


def header_block(path: str = "/tempopb.StreamingQuerier/Search", **more: str) -> bytes:
    """The header of a call, in HPACK."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers"} | more
    return b"".join(b"\x00" + _text(name.encode()) + _text(value.encode()) for name, value in fields.items())


def call_frame(stream: int, **more: str) -> bytes:
    """The header of a call, whose request has yet to come."""
    return frame(HEADERS, 4, stream, header_block(**more))


@contextmanager
def raw_connection(pair: Endpoints) -> Iterator[socket.socket]:
    """A connection to Tempo's port."""
    parts = urlsplit(pair.tempo)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=PATIENCE_S) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Everything that the other side says until it hangs up."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionError:
        pass
    return received


def kinds_of(received: bytes) -> list[int]:
    """The kinds of frames in what was received."""
    kinds = []
    while len(received) >= 9:
        kinds.append(received[3])
        received = received[9 + int.from_bytes(received[:3], "big") :]
    return kinds


def plain(answer: bytes) -> Any:
    """JSON with one kind of number."""
    return json.loads(answer, parse_int=float)
