"""What the two servers of gRPC share: deadlines within a call, who calls, and the limits that the library keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from spanprofiles.embedded.limits import GRPC_AGE_S, GRPC_GRACE_S, GRPC_HANDSHAKE_S, GRPC_IDLE_S, GRPC_STREAMS

GiveUp = Callable[[], object]


class CallDeadlines:
    """Gives calls up whose client does not do its part in time; one thread watches all of them.

    Args:
        seconds: how long a part may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[object, tuple[float, GiveUp]] = {}  # in the order of their deadlines
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, name="gRPC deadlines", daemon=True).start()

    @contextmanager
    def watching(self, give_up: GiveUp) -> Iterator[None]:
        """While it is entered, a call's client is waited for; ``give_up`` is called when that takes too long."""
        place = object()
        with self._changed:
            self._waiting[place] = time.monotonic() + self._seconds, give_up
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._waiting.pop(place, None)

    def _watch(self) -> None:
        while True:
            self._next_overdue()()

    def _next_overdue(self) -> GiveUp:
        """Return what gives the next call up whose deadline is over."""
        with self._changed:
            while True:
                if not self._waiting:
                    self._changed.wait()
                    continue
                place, (deadline_s, give_up) = next(iter(self._waiting.items()))
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    del self._waiting[place]
                    return give_up
                self._changed.wait(left_s)


def peer_of(context: Any) -> str:
    """Read the caller's address, of ``ipv4:127.0.0.1:5`` and ``ipv6:%5B::1%5D:5``."""
    return unquote(str(context.peer())).partition(":")[2].rpartition(":")[0].strip("[]")


def options(message_bytes: int, connections: int, streams: int = GRPC_STREAMS) -> list[tuple[str, int]]:
    """Return a server's options.

    Args:
        message_bytes: the largest message that is taken.
        connections: how many may be open.
        streams: how many calls may be under way on each.
    """
    return [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", streams),
        ("grpc.max_connection_idle_ms", GRPC_IDLE_S * 1000),
        ("grpc.max_connection_age_ms", GRPC_AGE_S * 1000),
        ("grpc.max_connection_age_grace_ms", GRPC_GRACE_S * 1000),
        ("grpc.server_handshake_timeout_ms", GRPC_HANDSHAKE_S * 1000),
        ("grpc.so_reuseport", 0),
    ]
