"""Admission control: only so many requests may wait for servers at once, so that threads stay free for the others."""

from __future__ import annotations

from threading import BoundedSemaphore

from flask import Flask, g, request
from werkzeug.exceptions import ServiceUnavailable

from spanprofiles.ui.connections import THREADS

#: Requests that may ask servers at once; the remaining threads serve files and answer that the page is busy.
MOST_ASKING = THREADS - 2

_RETRY_AFTER_S = 3
_ASK_NOTHING = {"static", "pictures", "access"}


class BusyError(ServiceUnavailable):
    """Enough requests wait for servers already."""

    def __init__(self) -> None:
        super().__init__(
            f"{MOST_ASKING} requests to this page wait for Tempo or Pyroscope already: a server answers slowly, or not"
            " at all. Try again in a moment.",
            retry_after=_RETRY_AFTER_S,
        )


def limit_concurrency(app: Flask) -> None:
    """Admit requests that ask servers while there is room; each gives its place back when it is answered."""
    room = BoundedSemaphore(MOST_ASKING)

    @app.before_request
    def enter() -> None:
        if request.endpoint in _ASK_NOTHING or request.endpoint is None:
            return
        if not room.acquire(blocking=False):
            raise BusyError
        g.is_admitted = True

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        if g.pop("is_admitted", False):
            room.release()
