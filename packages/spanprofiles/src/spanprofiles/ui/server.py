"""Serves the page with waitress, with bounded threads and bodies, and announces its address once it listens."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from flask import Flask

from spanprofiles.ui.connections import Listener
from spanprofiles.ui.sources import sources

_STOP_S = 0.5


class CannotListenError(Exception):
    """The page's port is taken, or the address is none of this machine; the message says which and what to do."""


def serve(app: Flask, host: str = "127.0.0.1", port: int = 3000, announce: Callable[[str], None] | None = None) -> None:
    """Serve until interrupted (KeyboardInterrupt, SystemExit).

    Args:
        app: the page.
        host: address to bind to.
        port: 0 takes a free one.
        announce: called with the page's address once it listens.

    Raises:
        CannotListenError: the port cannot be had.
    """
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    listener = _listen(host, port)
    server = Listener(app, listener)
    if announce:
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listener.getsockname()[1]}")
    try:
        server.run()
    finally:
        logging.getLogger("waitress").setLevel(logging.ERROR)  # it is not meant to wait any longer
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
