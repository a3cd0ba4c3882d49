"""Reading requests: judged by their headers, with bounds on all that is held of them.

Waitress takes a whole body, into a temporary file if need be, before the application is asked. So what the
application would refuse by the header is refused here, and the rest of the request is thrown away as it comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest

from spanprofiles.embedded.gate import Head, busy
from spanprofiles.embedded.limits import CHUNK_FRAMING_BYTES, CHUNK_LINE_BYTES, HEADER_FIELDS, PIPELINED_REQUESTS

if TYPE_CHECKING:
    from spanprofiles.embedded.channel import Channel

TOO_LARGE = 413
NO_ROOM = "503 no room for the body at the moment: send it again later"
STEP_BYTES = 1024


class Chunks(ChunkedReceiver):  # type: ignore[misc]  # waitress has no types
    """Reads a body in chunks, in small steps: waitress copies what is left of a step for each chunk in it.

    Attributes:
        error: why it is refused; None where it is not.
    """

    error: Any
    control_line: bytes
    trailer: bytes

    def __init__(self, buffer: Any) -> None:  # a buffer of waitress
        super().__init__(buffer)
        self._seen = 0

    def received(self, s: bytes) -> int:
        """Read on; tells how many bytes belong to the body."""
        taken = 0
        while taken < len(s) and not self.completed and self.error is None:
            taken += int(super().received(s[taken : taken + STEP_BYTES]))
            if len(self.control_line) > CHUNK_LINE_BYTES or len(self.trailer) > CHUNK_LINE_BYTES:
                self.error = BadRequest(
                    f"a line between chunks, or what follows them, has over {CHUNK_LINE_BYTES} bytes"
                )
            elif self._seen + taken - 2 * len(self) > CHUNK_FRAMING_BYTES:
                self.error = BadRequest("the chunks are too small: their sizes take more room than what is in them")
        self._seen += taken
        return taken


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Reads one request; asks the gate when its header is there, and the spool for each part of its body.

    Attributes:
        error: why it is refused, in the form of waitress's own errors; None where it is not.
    """

    error: Any
    body_rcv: Any

    def __init__(self, adj: Any, channel: Channel, *, is_one_too_many: bool) -> None:  # waitress's Adjustments
        super().__init__(adj)
        self._is_one_too_many = is_one_too_many
        self._channel = channel
        self._is_judged = False
        self._held = 0

    @property
    def head(self) -> Head:
        """The request without its body, as far as it was read."""
        path, peer = str(getattr(self, "path", "")), str(self._channel.addr[0])
        return Head(str(getattr(self, "command", "")), path, str(self.version), self.headers, peer)

    def received(self, data: bytes) -> int:
        """Read on; tells how many bytes belong to this request, which are all where it is refused."""
        if self._is_one_too_many:
            self.error = BadRequest(f"more than {PIPELINED_REQUESTS} requests sent before their answers were there")
            self.parse_header(b"GET / HTTP/1.0\r\n")
        consumed = 0 if self.error else self._read(data)
        if self.headers_finished and not self._is_judged:
            self._is_judged = True
            if not self.empty and (self.error is None or self.error.code == TOO_LARGE):
                denial = self._channel.server.gate.denial(self.head)
                # Nothing more of the request is on its way, so nothing is left to be read before it is hung up on.
                self._channel.lingers = (
                    denial is None or self.chunked or len(data) - consumed != int(self.content_length)
                )
                self.error = denial or self.error
        more = self.body_bytes_received - self._held
        if more and self.error is None:
            if self._channel.server.spool.take(more, self.body_bytes_received):
                self._held += more
            else:
                self.error = busy(NO_ROOM)
        if self.error is not None:
            self.completed = True
            self._channel.refused = True
            consumed = len(data)
        if self.completed:
            self.expect_continue = False  # there is nothing that the sender should continue with
        return consumed

    def _read(self, data: bytes) -> int:
        try:
            return int(super().received(data))
        except OSError as error:  # a large body goes to a temporary file
            self.error = busy(f"{NO_ROOM} ({error.strerror})")
            return len(data)

    def parse_header(self, header_plus: bytes) -> None:
        """Read a header.

        Raises:
            ParsingError: it is not a header, or has too many fields.
        """
        if header_plus.count(b"\n") > HEADER_FIELDS:
            raise ParsingError(f"more than {HEADER_FIELDS} header fields")
        super().parse_header(header_plus)
        if self.chunked:
            self.body_rcv = Chunks(self.body_rcv.getbuf())

    def close(self) -> None:
        """Give back what is held of the body."""
        super().close()
        held, self._held = self._held, 0
        self._channel.server.spool.give_back(held)
