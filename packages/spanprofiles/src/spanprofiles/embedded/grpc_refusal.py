"""An answer to gRPC calls on a port that serves HTTP/1.1 alone: so much of HTTP/2 as it takes to say so.

Without it a client sees a broken connection, and its user never learns what to switch off. Each call gets a status
with a message; nothing of it is read.

Source: https://www.rfc-editor.org/rfc/rfc9113, https://www.rfc-editor.org/rfc/rfc7541 and gRPC's PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

from urllib.parse import quote

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_BYTES, FRAME_BYTES, FRAMES = 9, 16_384, 1_000
"""How long the head of a frame is, how large a frame may be by default, and how many of one client are taken."""
HEADERS, RESET, SETTINGS, PING, GO_AWAY = 1, 3, 4, 6, 7
ACKNOWLEDGED, END_OF_STREAM, END_OF_HEADERS = 1, 1, 4
NO_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM = 0, 6, 11
UNIMPLEMENTED, UNAVAILABLE = "12", "14"
STATUS_200, CONTENT_TYPE = b"\x88", b"\x0f\x10"
"""Fields of HPACK's static table: ``:status: 200`` as a whole, and the name ``content-type`` before its value."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(value: str) -> bytes:
    """Write a text of HPACK, without compression; one of 127 bytes or more has a longer length."""
    raw = value.encode("ascii")
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    left, length = len(raw) - 127, bytearray([127])
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    return bytes([*length, left]) + raw


class GrpcRefusal:
    """One connection of HTTP/2, each call of which is answered with a status.

    Args:
        message: why no call is served, and what to do.
        status: the same as gRPC numbers it.

    Attributes:
        is_over: whether nothing more is read, and the connection is to be closed.
    """

    def __init__(self, message: str, status: str = UNIMPLEMENTED) -> None:
        fields = (("grpc-status", status), ("grpc-message", quote(message, safe=" ,.:;()'-_/")))
        self._answer = STATUS_200 + CONTENT_TYPE + _text("application/grpc")
        self._answer += b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)
        self._unread = b""
        self._is_greeted = False
        self._frames = self._last_stream = 0
        self.is_over = False

    def received(self, data: bytes) -> bytes:
        """Take what came in, from the preface on, and return what to send."""
        self._unread += data
        sent = b""
        if not self._is_greeted:
            if len(self._unread) < len(PREFACE):
                return b""
            self._is_greeted = True
            self._unread = self._unread[len(PREFACE) :]
            sent = frame(SETTINGS, 0, 0)
        while not self.is_over and len(self._unread) >= FRAME_HEAD_BYTES:
            size = int.from_bytes(self._unread[:3], "big")
            self._frames += 1
            if size > FRAME_BYTES or self._frames > FRAMES:
                return sent + self._farewell(FRAME_SIZE_ERROR if size > FRAME_BYTES else ENHANCE_YOUR_CALM)
            end = FRAME_HEAD_BYTES + size
            if len(self._unread) < end:
                break
            head, payload = self._unread[:FRAME_HEAD_BYTES], self._unread[FRAME_HEAD_BYTES:end]
            self._unread = self._unread[end:]
            sent += self._answered(head[3], head[4], int.from_bytes(head[5:9], "big") & 2**31 - 1, payload)
        return sent

    def _answered(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if kind == SETTINGS and not flags & ACKNOWLEDGED:
            return frame(SETTINGS, ACKNOWLEDGED, 0)
        if kind == PING and not flags & ACKNOWLEDGED:
            return frame(PING, ACKNOWLEDGED, 0, payload)
        if kind == HEADERS and stream > self._last_stream:
            self._last_stream = stream
            ends = END_OF_STREAM | END_OF_HEADERS
            # The rest of the call is not wanted, which a reset without an error says.
            return frame(HEADERS, ends, stream, self._answer) + frame(RESET, 0, stream, NO_ERROR.to_bytes(4, "big"))
        if kind == GO_AWAY:
            self.is_over = True
        return b""

    def _farewell(self, code: int) -> bytes:
        self.is_over = True
        return frame(GO_AWAY, 0, 0, self._last_stream.to_bytes(4, "big") + code.to_bytes(4, "big"))
