"""Connections of HTTP/2 on a port for HTTP/1.1: their bytes go to a server of gRPC in this process, and back.

The port accepts them, counts them and closes them like all others. The server listens on a socket in a folder of this
user alone, and is started when the first of them comes: most pairs never see one.
"""

from __future__ import annotations

import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from waitress import wasyncore

from spanprofiles.embedded.limits import KIBIBYTE, STREAMING_CONNECTIONS, TUNNEL_BYTES

if TYPE_CHECKING:
    from spanprofiles.embedded.channel import Channel

READ_BYTES = 64 * KIBIBYTE
SOCKET_NAME = "grpc"
logger = logging.getLogger("spanprofiles.embedded")


class Backend(Protocol):
    """A server of gRPC."""

    def start(self) -> None:
        """Begin to answer."""

    def stop(self) -> None:
        """End, after a moment for what is under way."""


class TunnelError(Exception):
    """There is no way to the server; the message is for callers."""


class Tunnel(wasyncore.dispatcher):  # type: ignore[misc]  # waitress has no types
    """The server's side of a connection.

    Args:
        connection: to the server.
        channel: the client's side.
        forget: called when it is closed.
    """

    is_settled = False

    def __init__(self, connection: socket.socket, channel: Channel, forget: Callable[[], object]) -> None:
        self._channel = channel
        self._forget = forget
        self._unsent = bytearray()
        self._is_over = False
        super().__init__(connection, map=channel.server._map)

    def take(self, data: bytes) -> None:
        """Send on what the client sent."""
        self._unsent += data
        self.handle_write()

    @property
    def goes_first(self) -> bool:
        """Whether the loop looks at it while others are held up."""
        return self._channel.goes_first

    @property
    def has_room(self) -> bool:
        """Whether more may be read of the client."""
        return len(self._unsent) < TUNNEL_BYTES

    def writable(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def readable(self) -> bool:
        """Whether to wait for more, which is so while the client reads."""
        unread: int = self._channel.total_outbufs_len
        return unread < TUNNEL_BYTES

    def handle_write(self) -> None:
        """Send what waits."""
        if self._unsent:
            sent = self.send(bytes(self._unsent[:READ_BYTES]))
            del self._unsent[:sent]

    def handle_read(self) -> None:
        """Read what is there; at its end the connection is closed."""
        try:
            data = self.recv(READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._channel.give(data)

    def handle_close(self) -> None:
        """Close both sides, when the client has what the server said at last."""
        if not self._is_over:
            self._give_the_rest()
            self.end()
            self._channel.close_when_flushed = True

    def end(self) -> None:
        """Close the server's side."""
        self._is_over = True
        self._forget()
        self.close()

    def _give_the_rest(self) -> None:
        try:
            while data := self.socket.recv(READ_BYTES):
                self._channel.give(data)
        except OSError:
            pass


class Tunnels:
    """Opens tunnels, and has the server started when it is first wanted.

    Args:
        make: makes the server, of the address to listen on and of the connections by their names there.
        limit: how many may be open.

    Attributes:
        connections: by the names that the server knows them by.
        wake: called when the server has started.
    """

    def __init__(
        self, make: Callable[[str, Mapping[str, Channel]], Backend], limit: int = STREAMING_CONNECTIONS
    ) -> None:
        self.connections: dict[str, Channel] = {}
        self.wake: Callable[[], object] = bool
        self._make = make
        self._limit = limit
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._backend: Backend | None = None
        self._failure = ""
        self._start: threading.Thread | None = None
        self._is_stopping = False

    @property
    def is_ready(self) -> bool:
        """Whether a tunnel can be opened, or never will be; the first that asks has the server started."""
        if self._start is None and not self._is_stopping:
            self._start = threading.Thread(target=self._started, name="gRPC start", daemon=True)
            self._start.start()
        return self._backend is not None or bool(self._failure)

    def _started(self) -> None:
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="spanprofiles-")
            backend = self._make(f"unix:{self._path(SOCKET_NAME)}", self.connections)
            backend.start()
        except Exception as error:  # noqa: BLE001  # whatever it is, callers are told, and all else is served
            logger.warning("queries over gRPC cannot be served: %s", error)
            self._failure = f"queries over gRPC cannot be served: {error}"
        else:
            self._backend = backend
        self.wake()

    def _path(self, name: str) -> str:
        return str(Path(self._folder.name if self._folder else "") / name)

    def open(self, channel: Channel) -> Tunnel:
        """Open a tunnel for a connection.

        Raises:
            TunnelError: the server could not be started or reached, or too many connections are busy.
        """
        if self._failure:
            raise TunnelError(self._failure)
        if len(self.connections) >= self._limit and not self._make_room():
            raise TunnelError(f"{self._limit} connections send queries over gRPC already: try again later")
        self._count += 1
        name = self._path(str(self._count))
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.bind(name)
            connection.setblocking(False)
            connection.connect(self._path(SOCKET_NAME))
        except OSError as error:
            connection.close()
            raise TunnelError(f"queries over gRPC cannot be served: {error.strerror or error}") from error
        finally:
            Path(name).unlink(missing_ok=True)  # the server keeps the name
        known_as = f"unix:{name}"
        self.connections[known_as] = channel
        return Tunnel(connection, channel, lambda: self.connections.pop(known_as, None))

    def _make_room(self) -> bool:
        """Hang up on the connection that has been idle longest; tell whether there was one."""
        idle = [
            (idleness, channel) for channel in self.connections.values() if (idleness := channel.idleness()) is not None
        ]
        if not idle:
            return False
        min(idle, key=lambda entry: entry[0])[1].handle_close()
        return True

    def stop(self) -> None:
        """End the server, and remove its folder."""
        self._is_stopping = True
        if self._start is not None:
            self._start.join()
        if self._backend is not None:
            self._backend.stop()
        if self._folder is not None:
            self._folder.cleanup()
