"""The HTTP server's connections: each has deadlines, and an answer to a refused request gets to its sender."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask
from waitress.utilities import build_http_date

from spanprofiles.embedded.grpc_refusal import PREFACE, UNAVAILABLE, GrpcRefusal
from spanprofiles.embedded.lanes import LaneTask
from spanprofiles.embedded.limits import (
    ANSWER_S,
    BODY_S,
    BUSY_S,
    GOOD_ANSWERS,
    HEADER_S,
    LINGER_S,
    PIPELINED_REQUESTS,
    READING_S,
)
from spanprofiles.embedded.parser import NO_ROOM, TOO_LARGE, Parser
from spanprofiles.embedded.refusals import Reason, Refusal
from spanprofiles.embedded.tunnel import Tunnel, TunnelError
from spanprofiles.embedded.upload_paths import signal_of

if TYPE_CHECKING:
    from spanprofiles.embedded.listener import Listener

NEUTRAL = frozenset({404, 429, 503, 504})
"""Answers that a good request gets as well: what it asks for is not there yet, or the pair is busy."""


class RefusingTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """Answers what was refused here, in one piece, and notes uploads that were too large or too many."""

    def service(self) -> None:
        """Send the answer, after which the connection is closed."""
        status, headers, body = self.request.error.to_response(self.channel.server.adj.ident)
        fields = [
            *headers,
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Date", build_http_date(time.time())),
            ("Server", self.channel.server.adj.ident),
        ]
        lines = (f"HTTP/{self.version} {status}", *(f"{name}: {value}" for name, value in fields))
        self.wrote_header = self.close_on_finish = True
        self.channel.write_soon("\r\n".join((*lines, "", "")).encode("latin-1") + body)
        self._note()

    def _note(self) -> None:
        error, head = self.request.error, self.request.head
        found = signal_of(head.path)
        if found is None:
            return
        refusals = self.channel.server.refusals
        if error.code == TOO_LARGE:
            message = f"the body is too large: {error.body}"
            refusals.note(Refusal(*found, Reason.BODY_SIZE, message, head.sender))
        elif error.body.startswith(NO_ROOM):
            refusals.note(Refusal(*found, Reason.OVERLOAD, error.body, head.sender))


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection with deadlines.

    Attributes:
        calls: the calls of gRPC that are under way on it.
        server: the port it came in on.
        request: the one that is being read; None between two.
        refused: whether its last request was refused before it was read to its end; nothing more is read from it.
        lingers: whether more of that request may be on its way, which is thrown away before it is hung up on.
    """

    task_class = LaneTask
    error_task_class = RefusingTask
    server: Listener
    request: Parser | None
    _tunnel: Tunnel | None = None
    _waits_for_tunnel = False

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.refused = False
        self.lingers = True
        self._lingers_since_s: float | None = None
        self._began_s: float | None = None
        self._good_answers = 0
        self.calls: set[object] = set()
        self._opening: bytes | None = b""  # what came before it was known whether this is HTTP/2
        self._grpc: GrpcRefusal | None = None
        self._heard_s = 0.0
        self._unread_since_s: float | None = None
        super().__init__(*arguments, **more)

    def parser_class(self, adj: Any) -> Parser:  # waitress's Adjustments
        """Make what reads the next request."""
        return Parser(adj, self, is_one_too_many=len(self.requests) >= PIPELINED_REQUESTS)

    def idleness(self) -> tuple[int, float] | None:
        """How willingly it gives up its place, the most willing first, and since when; None where it works."""
        if self._lingers_since_s is not None:
            return 0, self.last_activity
        if self.is_tunnelled:
            if self.calls:
                return None
            return (1 if time.monotonic() - self._heard_s >= BUSY_S else 6), self._heard_s
        if self.total_outbufs_len:
            return (5, self._unread_since_s or 0.0) if self.is_unread(READING_S) else None
        if self.requests:
            return None
        if self._began_s is None:  # one that has just come is about to send its request
            return (1 if time.time() - self.last_activity >= BUSY_S else 6), self.last_activity
        age_s = time.monotonic() - self._began_s
        if not self._is_in_body:
            return (2, self._began_s) if age_s >= BUSY_S else None
        if time.time() - self.last_activity >= BUSY_S:
            return 3, self.last_activity
        return (4, self._began_s) if age_s >= HEADER_S else None

    def is_unread(self, seconds: float) -> bool:
        """Whether an answer has been unread for that many seconds."""
        since_s = self._unread_since_s
        return bool(self.total_outbufs_len) and since_s is not None and time.monotonic() - since_s >= seconds

    @property
    def is_known(self) -> bool:
        """Whether its last answers were good ones: it goes before others."""
        return self._good_answers >= GOOD_ANSWERS

    @property
    def goes_first(self) -> bool:
        """Whether the loop looks at it while others are held up."""
        return self.is_known

    def note_answer(self, status: int) -> None:
        """Remember an answer's status; those that say nothing of the request neither help nor harm."""
        if status < 400:
            self._good_answers += 1
        elif status not in NEUTRAL:
            self._good_answers = 0

    @property
    def _may_switch(self) -> bool:
        """Whether it waits for the server of gRPC, which is there."""
        return self._waits_for_tunnel and self.server.tunnels is not None and self.server.tunnels.is_ready

    @property
    def is_tunnelled(self) -> bool:
        """Whether the server of gRPC has it, or is about to; it then has deadlines of its own."""
        return self._tunnel is not None or self._waits_for_tunnel

    @property
    def is_settled(self) -> bool:
        """Whether it waits for the network alone: no request is being answered, and nothing is left to be sent."""
        return not self.is_tunnelled and not (
            self.requests or self.total_outbufs_len or self.close_when_flushed or self.will_close
        )

    @property
    def _is_in_body(self) -> bool:
        """Whether the body of a request is being read."""
        return self.request is not None and bool(self.request.headers_finished)

    def is_overdue(self, now_s: float) -> bool:
        """Whether one of its deadlines is over.

        Args:
            now_s: the time that is never set, s.
        """
        if self._waits_for_tunnel:
            return now_s - self._heard_s >= ANSWER_S
        if self._tunnel is not None and not self.close_when_flushed:
            return False
        if self._lingers_since_s is not None:
            return now_s - self._lingers_since_s >= LINGER_S
        if self.total_outbufs_len:
            since_s = self._unread_since_s = now_s if self._unread_since_s is None else self._unread_since_s
            return now_s - since_s >= ANSWER_S
        self._unread_since_s = None
        if self.requests or self._began_s is None:
            return False
        return now_s - self._began_s >= (BODY_S if self._is_in_body else HEADER_S)

    def received(self, data: bytes) -> bool:
        """Take what came in, unless it is the rest of a request that was refused."""
        if self.refused:
            return True
        if self._tunnel is not None:
            self._heard_s = time.monotonic()
            self._tunnel.take(data)
            return True
        if self._grpc is not None:
            self._refuse_calls(self._grpc, data)
            return True
        if self._began_s is None:
            self._began_s = time.monotonic()
        if self._opening is not None:
            self._opening += data
            if len(self._opening) < len(PREFACE) and self.server.speaks_grpc and PREFACE.startswith(self._opening):
                return True
            data, self._opening = self._opening, None
            if self.server.speaks_grpc and data.startswith(PREFACE):
                self._switch(data)
                return True
        answer: bool = super().received(data)
        if self.requests:
            self._began_s = None
        return answer

    def _switch(self, data: bytes) -> None:
        """Have the server of gRPC answer, or tell each call why not."""
        self._began_s = None
        self._heard_s = time.monotonic()
        tunnels = self.server.tunnels
        if tunnels is None:
            self._refuse_all(GrpcRefusal(self.server.grpc_message), data)
            return
        if not tunnels.is_ready:
            self._opening, self._waits_for_tunnel = data, True
            return
        self._waits_for_tunnel = False
        try:
            self._tunnel = tunnels.open(self)
        except TunnelError as error:
            self._refuse_all(GrpcRefusal(str(error), UNAVAILABLE), data)
        else:
            self._tunnel.take(data)

    def hang_up(self) -> None:
        """Close it soon, whatever waits to be read; any thread may call it.

        To cancel a call would not do: gRPC waits for what it has written before.
        """
        self.will_close = True
        self.server.pull_trigger()

    def give(self, data: bytes) -> None:
        """Send on what the server of gRPC says."""
        if self.connected and not self.will_close:
            self._heard_s = time.monotonic()
            self.write_soon(data)
            self.handle_write()

    def _refuse_all(self, refusal: GrpcRefusal, data: bytes) -> None:
        self._grpc = refusal
        self._refuse_calls(refusal, data)

    def _refuse_calls(self, refusal: GrpcRefusal, data: bytes) -> None:
        answer = refusal.received(data)
        if answer:
            self.write_soon(answer)
        if refusal.is_over:
            self.close_when_flushed = True

    def service(self) -> None:
        """Answer a request."""
        self._unread_since_s = None
        super().service()
        if self.request is not None:
            self._began_s = time.monotonic()

    def readable(self) -> bool:
        """Whether to wait for more."""
        if self._may_switch:
            data, self._opening = self._opening or b"", None
            self._switch(data)
        if self.is_tunnelled and self.will_close:  # to be told that it can be written to may take for ever
            self.handle_close()
            return False
        if self.is_tunnelled:
            has_room = self._tunnel is not None and self._tunnel.has_room
            return has_room and not (self.will_close or self.close_when_flushed)
        return not self.will_close if self._lingers_since_s is not None else bool(super().readable())

    def handle_read(self) -> None:
        """Read what is there, but not what came for another connection that has just closed."""
        try:
            data = self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:
            self.last_activity = time.time()
            self.received(data)

    def handle_write(self) -> None:
        """Send what waits. After a refusal, read on until the client hangs up: a reset would take its answer away."""
        if self.refused and self.lingers and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if self.connected and not self.will_close and not self.total_outbufs_len:
                self._linger()
            if not self.will_close:
                return
        super().handle_write()

    def _linger(self) -> None:
        self.close_when_flushed = False
        self._lingers_since_s = time.monotonic()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.will_close = True

    def handle_close(self) -> None:
        """Hang up; nothing is kept of a request that was not read to its end."""
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.end()
        with self.requests_lock:
            partial, self.request = self.request, None
        if partial is not None:
            partial.close()
        super().handle_close()
