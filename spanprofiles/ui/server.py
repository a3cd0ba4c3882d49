"""Serves the page with waitress: bounded threads, bounded bodies, an address that is announced once it listens."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from flask import Flask
from waitress.server import create_server

from spanprofiles.ui.sources import sources

_THREADS = 8
_BODY_LIMIT = 64 * 1024
_STOP_S = 0.5


class CannotListenError(Exception):
    """The page's port is taken, or the address is none of this machine; the message says which and what to do."""


def serve(app: Flask, host: str = "127.0.0.1", port: int = 3000, announce: Callable[[str], None] | None = None) -> None:
    """Serve until interrupted (KeyboardInterrupt, SystemExit).

    Args:
        app: the page.
        host: address to bind to.
        port: 0 takes a free one.
        announce: is called with the page's address when it listens.

    Raises:
        CannotListenError: the port cannot be had.
    """
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    listener = _listen(host, port)
    channels: dict[int, Any] = {}  # waitress's own kind of objects, by file descriptor
    server = create_server(
        app,
        map=channels,
        sockets=[listener],
        threads=_THREADS,
        max_request_body_size=_BODY_LIMIT,
        ident="spanprofiles",
        clear_untrusted_proxy_headers=True,
    )
    if announce:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listener.getsockname()[1]}")
    try:
        server.asyncore.loop(timeout=0.5, map=channels, use_poll=True)
    finally:
        logging.getLogger("waitress").setLevel(logging.ERROR)  # that it does not wait longer is meant, and no news
        server.task_dispatcher.shutdown(timeout=_STOP_S)
        server.close()
        sources(app).close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotListenError(
            f"the page cannot listen on {host}:{port}: {reason}; choose another with --port (0 takes a free one)"
        ) from error
    return listener
