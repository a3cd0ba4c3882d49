"""The HTTP ports: how many connections are open, and which goes when there is no place for another.

Waitress stops to accept at its limit, and lets its loop spin where the process has no file descriptor left. Here the
connection that did nothing for longest gives up its place.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from spanprofiles.embedded.channel import Channel
from spanprofiles.embedded.gate import Gate
from spanprofiles.embedded.lanes import Lanes
from spanprofiles.embedded.limits import (
    ACCEPT_PAUSE_S,
    HEADER_BYTES,
    IDLE_S,
    IN_MEMORY_BYTES,
    KIBIBYTE,
    READING_S,
    SLOWED_CONNECTIONS,
    UNSENT_BYTES,
    connection_limit,
)
from spanprofiles.embedded.loop import Members
from spanprofiles.embedded.refusals import Refusals
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.spool import Spool
from spanprofiles.embedded.tunnel import Tunnels

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

READ_BYTES = 64 * KIBIBYTE
logger = logging.getLogger("spanprofiles.embedded")


class Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """One port.

    Attributes:
        gate: judges requests by their headers.
        spool: counts the bytes of bodies.
        refusals: where uploads are noted that are too large.
        grpc_message: the answer to calls of gRPC on this port; empty where they are treated like other requests.
        tunnels: lead calls of gRPC to their server; None where there is none.
    """

    channel_class = Channel

    is_settled = False
    goes_first = False

    def __init__(self, *arguments: Any, gate: Gate, spool: Spool, refusals: Refusals, **more: Any) -> None:
        self.gate = gate
        self.spool = spool
        self.refusals = refusals
        self.grpc_message = ""
        self.tunnels: Tunnels | None = None
        self._closed_until_s = 0.0
        self._next_chores_s = 0.0
        self._slowed: deque[tuple[float, Channel]] = deque()
        self._refused: deque[Channel] = deque()
        self._loop = 0
        super().__init__(*arguments, **more)

    @property
    def speaks_grpc(self) -> bool:
        """Whether calls of gRPC are recognized."""
        return bool(self.grpc_message)

    def readable(self) -> bool:
        """Whether to wait for a connection; asked once in each round of the loop, and so where its chores are done."""
        now_s = time.monotonic()
        self._loop = threading.get_ident()
        if now_s >= self._next_chores_s:
            self._next_chores_s = now_s + self.adj.cleanup_interval
            self.maintenance(time.time())
        while self._slowed and self._slowed[0][0] <= now_s:
            self._refused.append(self._slowed.popleft()[1])
        while self._refused:  # no thread is woken for an answer that is known
            self._refused.popleft().service()
        return self.accepting and now_s >= self._closed_until_s

    def maintenance(self, now: float) -> None:
        """Hang up where nothing happens, and where a deadline is over."""
        for channel in list(self.active_channels.values()):
            # Waitress dates it by a clock that may have been set back since: it would be busy for as long.
            # A tunnel has deadlines of its own.
            channel.last_activity = now if channel.is_tunnelled else min(channel.last_activity, now)
        super().maintenance(now)
        now_s = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now_s):
                channel.will_close = True
        self._drop_unread()

    def _drop_unread(self) -> None:
        """Hang up on the largest unread answer, if unread answers keep queries from beginning."""
        unread = [
            (channel.total_outbufs_len, channel) for channel in self._map.values() if isinstance(channel, Channel)
        ]
        if sum(size for size, _ in unread) > UNSENT_BYTES:
            overdue = [(size, channel) for size, channel in unread if channel.is_unread(READING_S)]
            if overdue:
                max(overdue, key=lambda each: each[0])[1].will_close = True

    def add_task(self, task: Channel) -> None:
        """Have a connection's first request answered, which takes its time for one that guesses tokens."""
        requests = task.requests
        error = requests[0].error if requests else None
        delay_s = getattr(error, "delay_s", 0.0)
        if error is not None and not delay_s:
            self._refused.append(task)
        elif not delay_s:
            super().add_task(task)
        elif len(self._slowed) < SLOWED_CONNECTIONS:
            self._slowed.append((time.monotonic() + delay_s, task))
        else:
            task.will_close = True

    def pull_trigger(self) -> None:
        """Wake the loop, unless it is what calls."""
        if threading.get_ident() != self._loop:
            with suppress(OSError):  # it has ended
                super().pull_trigger()

    def handle_accept(self) -> None:
        """Accept a connection, in the place of an idle one if all places are taken."""
        if len(self._map) >= self.adj.connection_limit and not self._make_room():
            self._closed_until_s = time.monotonic() + ACCEPT_PAUSE_S
            return
        try:
            accepted = self.accept()
            if accepted is None:
                return
            connection, address = accepted
        except OSError as error:  # no file descriptor, or no memory, is left; or the other side has gone already
            self._make_room()
            self._closed_until_s = time.monotonic() + ACCEPT_PAUSE_S
            logger.warning("a connection could not be accepted: %s", error.strerror)
            return
        try:
            self.set_socket_options(connection)
        except OSError:
            connection.close()
            return
        self.channel_class(self, connection, self.fix_addr(address), self.adj, map=self._map)

    def _make_room(self) -> bool:
        """Hang up on the connection that did nothing for longest; tell whether there was one to hang up on."""
        idle = [
            (idleness, channel)
            for channel in self._map.values()
            if isinstance(channel, Channel) and (idleness := channel.idleness()) is not None
        ]
        if not idle:
            return False
        min(idle, key=lambda entry: entry[0])[1].handle_close()
        return True


class Listeners:
    """All ports of the pair in one loop.

    Args:
        application: what answers requests.
        sockets: what listens.
        settings: how large a body may be.
        gate: judges requests by their headers.
        refusals: where uploads are noted that are too large.
        lanes: the threads.
        tunnels: by the port, what leads calls of gRPC to their server.
    """

    def __init__(
        self,
        application: WSGIApplication,
        sockets: Iterable[socket.socket],
        settings: Settings,
        gate: Gate,
        refusals: Refusals,
        lanes: Lanes,
        tunnels: Mapping[str, Tunnels] | None = None,
    ) -> None:
        self._channels = Members(lanes.held_s)
        self._ended, self._ending = False, threading.Lock()
        self._lanes = lanes
        spool = Spool()
        opened = list(sockets)
        adjustments = Adjustments(
            sockets=opened,
            connection_limit=connection_limit(),
            max_request_body_size=settings.body_limit + 1,  # waitress refuses from there on
            max_request_header_size=HEADER_BYTES,
            inbuf_overflow=IN_MEMORY_BYTES,
            recv_bytes=READ_BYTES,
            outbuf_high_watermark=UNSENT_BYTES,  # no thread waits until an answer is read
            ident="spanprofiles",
            clear_untrusted_proxy_headers=True,
            cleanup_interval=1,
            channel_timeout=IDLE_S,
            log_socket_errors=False,
        )
        message_of = getattr(application, "grpc_message", None)
        for opened_socket in opened:
            listener = Listener(
                application,
                self._channels,
                True,  # waitress's own
                opened_socket,
                dispatcher=lanes,
                adj=adjustments,
                sockinfo=(opened_socket.family, opened_socket.type, opened_socket.proto, opened_socket.getsockname()),
                bind_socket=False,
                gate=gate,
                spool=spool,
                refusals=refusals,
            )
            if message_of is not None:
                listener.grpc_message = message_of(str(listener.effective_port))
            listener.tunnels = (tunnels or {}).get(str(listener.effective_port))
            if listener.tunnels is not None:
                listener.tunnels.wake = listener.pull_trigger

    def end(self) -> None:
        """Hang up on everybody and have ``run`` return; any thread may call it."""
        with self._ending:
            self._ended = True
            listener = next((member for member in self._channels.values() if isinstance(member, Listener)), None)
            if listener is not None:
                listener.trigger.pull_trigger()

    def run(self) -> None:
        """Answer requests until an exception ends it, such as that of a signal, or ``end`` is called."""
        while self._channels and not self._ended:
            self._channels.go_round()
        with self._ending:  # not while `end` writes to the pipe that is closed here
            wasyncore.close_all(self._channels, ignore_all=True)

    def stop(self, timeout_s: float) -> None:
        """End the threads, and wait for what they do, for the given time at most, s."""
        self._lanes.shutdown(timeout=timeout_s)
