"""Sockets that keep to a deadline for a whole answer: a time-out of a socket is one between two bytes, and no more.

A server that sends a byte a second keeps within every time-out of that kind, in its headers and in its body, for ever.
Each read here waits for what is left until the deadline at most.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


_LATE = "the answer was not complete in time"


class DeadlinePassedError(TimeoutError):
    """The answer was not complete at its deadline."""


@contextmanager
def deadline_after(seconds: float) -> Iterator[None]:
    """Let whatever this thread reads inside be complete after so many seconds, or fail with a time-out."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def _shortened(connection: socket.socket) -> Iterator[None]:
    """Shorten a socket's time-out to what is left until the deadline.

    Raises:
        DeadlinePassedError: nothing is.
    """
    deadline = _deadline.get()
    if deadline is None:
        yield
        return
    left, usual = deadline - time.monotonic(), connection.gettimeout()
    if left <= 0:
        raise DeadlinePassedError(_LATE)
    is_shortened = usual is None or left < usual
    connection.settimeout(left if is_shortened else usual)
    try:
        yield
    except TimeoutError as error:
        if is_shortened:
            raise DeadlinePassedError(_LATE) from error
        raise
    finally:
        connection.settimeout(usual)


class _Socket(socket.socket):
    def recv_into(self, *arguments: Any) -> int:
        with _shortened(self):
            return super().recv_into(*arguments)


class _TlsSocket(ssl.SSLSocket):
    def recv_into(self, *arguments: Any) -> int:
        with _shortened(self):
            return super().recv_into(*arguments)


def _keeping_deadlines(opened: socket.socket) -> socket.socket:
    usual = opened.gettimeout()
    kept = _Socket(opened.family, opened.type, opened.proto, fileno=opened.detach())
    kept.settimeout(usual)
    return kept


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _keeping_deadlines(super()._new_conn())


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _keeping_deadlines(super()._new_conn())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = cast("Any", _TlsConnection)


class DeadlineAdapter(HTTPAdapter):
    """Opens connections whose answers keep to :func:`deadline_after`.

    Args:
        verify_tls: whether certificates are checked.
    """

    def __init__(self, *, verify_tls: bool) -> None:
        self._verify_tls = verify_tls
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*arguments, ssl_context=self._context(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, ssl_context=self._context(), **options)
        if not known and not proxy.lower().startswith("socks"):  # those have connections of their own
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def _context(self) -> ssl.SSLContext:
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if self._verify_tls else ssl.CERT_NONE)
        context.sslsocket_class = _TlsSocket
        return context
