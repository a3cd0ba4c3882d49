"""The page's connections: each has deadlines, and the one that has been idle longest gives up its place.

Waitress stops accepting connections at its limit for as long as idle ones stay open. Its loop spins when the process
has no file descriptor left.
"""

from __future__ import annotations

import logging
import resource
import socket
import time
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 8
CONNECTIONS = 200
"""Open connections; fewer where the process has few file descriptors."""
OTHER_DESCRIPTORS = 64
"""File descriptors that are left for what the page asks of servers, and for the process itself."""
LEAST_CONNECTIONS = 8
HEADER_BYTES, BODY_BYTES = 64 * 1024, 64 * 1024
"""The largest header and the largest body of a request."""
HEADER_FIELDS = 100
IDLE_S = 60
"""A connection on which nothing happens for so long is closed."""
HEADER_S = 10.0
"""From the first byte of a request to the end of its header."""
BODY_S = 20.0
"""From the first byte of a request to the end of its body."""
ANSWER_S = 60.0
"""For how long a browser may leave an answer unread."""
READING_S = 5.0
"""The same, where its place is wanted."""
BUSY_S = 1.0
"""A connection whose request takes longer than that to arrive gives up its place."""
PAUSE_S = 0.2
"""How long nobody is let in after the system had no place for a connection."""
LOG_S = 60.0
"""The least time between two such log lines."""
logger = logging.getLogger("spanprofiles.ui")


def connection_limit() -> int:
    """Return how many connections may be open, by the file descriptors that this process may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(LEAST_CONNECTIONS, min(CONNECTIONS, (descriptors - OTHER_DESCRIPTORS) // 2))


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Reads a request with a bounded number of header fields."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read a header.

        Raises:
            ParsingError: it is none, or has too many fields.
        """
        if header_plus.count(b"\n") > HEADER_FIELDS:
            raise ParsingError(f"more than {HEADER_FIELDS} header fields")
        super().parse_header(header_plus)


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection with deadlines."""

    parser_class = Parser
    request: Any

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._began_s: float | None = None
        self._unread_since_s: float | None = None
        super().__init__(*arguments, **more)

    def idleness(self) -> tuple[int, float] | None:
        """Return its rank among idle connections, the first to go lowest, and since when; None where it is busy."""
        now_s = time.monotonic()
        if self.total_outbufs_len:
            since_s = self._unread_since_s
            return (3, since_s) if since_s is not None and now_s - since_s >= READING_S else None
        if self.requests:
            return None
        if self._began_s is None:  # one that has just come is about to send its request
            return (1 if time.time() - self.last_activity >= BUSY_S else 4), self.last_activity
        return (2, self._began_s) if now_s - self._began_s >= BUSY_S else None

    def is_overdue(self, now_s: float) -> bool:
        """Tell whether one of its deadlines has passed, at a time of the monotonic clock."""
        if self.total_outbufs_len:
            since_s = self._unread_since_s = now_s if self._unread_since_s is None else self._unread_since_s
            return now_s - since_s >= ANSWER_S
        self._unread_since_s = None
        if self.requests or self._began_s is None:
            return False
        is_in_body = self.request is not None and self.request.headers_finished
        return now_s - self._began_s >= (BODY_S if is_in_body else HEADER_S)

    def received(self, data: bytes) -> bool:
        """Take what came in."""
        if self._began_s is None:
            self._began_s = time.monotonic()
        answer: bool = super().received(data)
        if self.requests:
            self._began_s = None
        return answer

    def service(self) -> None:
        """Answer a request."""
        self._unread_since_s = None
        super().service()
        if self.request is not None:
            self._began_s = time.monotonic()

    def handle_read(self) -> None:
        """Read what is there, unless it came for another connection that was closed a moment ago."""
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


class Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """The page's port.

    Args:
        app: what answers requests.
        listening: the socket.
    """

    channel_class = Connection

    def __init__(self, app: WSGIApplication, listening: socket.socket) -> None:
        self._closed_until_s = 0.0
        self._next_chores_s = 0.0
        self._told_s = -LOG_S
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(THREADS)
        adjustments = Adjustments(
            sockets=[listening],
            threads=THREADS,
            connection_limit=connection_limit(),
            max_request_header_size=HEADER_BYTES,
            max_request_body_size=BODY_BYTES,
            ident="spanprofiles",
            clear_untrusted_proxy_headers=True,
            cleanup_interval=1,
            channel_timeout=IDLE_S,
            log_socket_errors=False,
        )
        super().__init__(
            app,
            {},
            True,
            listening,
            dispatcher=dispatcher,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
            bind_socket=False,
        )

    def run(self) -> None:
        """Answer requests until interrupted, or closed."""
        self.asyncore.loop(timeout=0.5, map=self._map, use_poll=True)

    def readable(self) -> bool:
        """Tell whether to wait for a connection, and do chores: each round of the loop asks this."""
        if time.monotonic() >= self._next_chores_s:
            self._next_chores_s = time.monotonic() + self.adj.cleanup_interval
            self.maintenance(time.time())
        return self.accepting and time.monotonic() >= self._closed_until_s

    def maintenance(self, now: float) -> None:
        """Hang up on idle connections, and on those past a deadline."""
        for connection in list(self.active_channels.values()):
            # Waitress dates it by a clock that may have been set back since: it would be busy for as long.
            connection.last_activity = min(connection.last_activity, now)
        super().maintenance(now)
        for connection in list(self.active_channels.values()):
            if connection.is_overdue(time.monotonic()):
                connection.will_close = True

    def handle_accept(self) -> None:
        """Accept a connection; where all places are taken, an idle one gives up its own."""
        if len(self.active_channels) >= self.adj.connection_limit and not self._make_room():
            self._closed_until_s = time.monotonic() + PAUSE_S
            return
        try:
            accepted = self.accept()
            if accepted is None:
                return
            connection, address = accepted
        except OSError as error:  # no file descriptor, or no memory, is left; or the other side has gone already
            self._make_room()
            self._wait(error)
            return
        try:
            self.set_socket_options(connection)
        except OSError:
            connection.close()
            return
        self.channel_class(self, connection, self.fix_addr(address), self.adj, map=self._map)

    def _wait(self, error: OSError) -> None:
        now_s = time.monotonic()
        self._closed_until_s = now_s + PAUSE_S
        if now_s - self._told_s >= LOG_S:
            self._told_s = now_s
            logger.warning("a connection could not be accepted: %s", error.strerror)

    def _make_room(self) -> bool:
        """Hang up on the connection that has been idle longest; tell whether there was one."""
        idle = [
            (idleness, connection)
            for connection in self.active_channels.values()
            if (idleness := connection.idleness()) is not None
        ]
        if not idle:
            return False
        min(idle, key=lambda candidate: candidate[0])[1].handle_close()
        return True
