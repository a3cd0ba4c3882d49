"""When an app is ready: it answers, takes connections, has printed a line, or its test says so."""

from __future__ import annotations

import inspect
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Union

import requests

from spanprofiles.linking import Waiting

if TYPE_CHECKING:
    from spanprofiles.pytest_plugin.apps import RunningApp

Ready = Union[str, int, "re.Pattern[str]", "Callable[[RunningApp], object]", "Callable[[], object]", None]
"""What says that an app is ready.

- ``"/health"``: a path that answers with a status below 500;
- ``"tcp"``: the app's port takes connections; a number: that other port does;
- ``re.compile("listening on")``: a line of its log in which the pattern is found;
- a function of the app, or of nothing, which is asked until it returns something true; what it raises means "not yet";
- None: nothing is waited for.
"""

_HTTP_TIMEOUT_S = (1.0, 5.0)
_TCP_TIMEOUT_S = 1.0
_LONGEST_PAUSE_S = 0.05
_SERVER_ERROR = 500
_HIGHEST_PORT = 65_535


@dataclass
class Readiness:
    """A question to an app.

    Attributes:
        what_is_missing: what to say while it is not ready.
        ask: tells whether it is.
        last: what was seen last, in a few words.
    """

    what_is_missing: str
    ask: Callable[[RunningApp, Readiness], bool]
    last: str = field(default="", init=False)

    def is_reached(self, app: RunningApp, timeout_s: float) -> bool:
        """Ask until the app is ready, has ended, or the time is over."""
        for _ in Waiting(timeout_s, longest_s=_LONGEST_PAUSE_S).attempts():
            if self.ask(app, self):
                return app.is_running  # somebody else's answer where the app itself has ended
            if not app.is_running:
                return False
        return False

    @property
    def problem(self) -> str:
        """What is missing, with what was seen last."""
        return f"{self.what_is_missing} ({self.last})" if self.last else self.what_is_missing


def readiness(ready: Ready, app: RunningApp) -> Readiness | None:
    """Return the question that ``ready`` stands for; None where nothing is waited for.

    Raises:
        ValueError: it is something else, be it a path without its slash, or a number that is not a port.
    """
    if ready is None:
        return None
    if isinstance(ready, str) and ready.startswith("/"):
        return Readiness(f"does not answer at {app.base_url}{ready}", lambda app, seen: _answers(app, ready, seen))
    if ready == "tcp":
        return Readiness(f"takes no connection at {app.address}", lambda app, seen: _connects(app.host, app.port, seen))
    if isinstance(ready, int) and not isinstance(ready, bool):
        if not 0 < ready <= _HIGHEST_PORT:
            raise ValueError(f"ready={ready} is not a port: give 1 to {_HIGHEST_PORT}")
        return Readiness(f"takes no connection at port {ready}", lambda app, seen: _connects(app.host, ready, seen))
    if isinstance(ready, re.Pattern):
        return Readiness(f"has printed no line with {ready.pattern!r}", lambda app, _: app.has_printed(ready))
    if callable(ready):
        name = getattr(ready, "__name__", type(ready).__name__)
        ask: Callable[..., object] = ready
        arguments = (app,) if _takes_an_argument(ready) else ()
        return Readiness(
            f"is not ready: {name} has not said so", lambda _, seen: _says_so(partial(ask, *arguments), seen)
        )
    kinds = 'a path such as "/health", "tcp", the number of a port, a compiled pattern of a line, a function, or None'
    raise ValueError(f"ready={ready!r} does not say when the app is ready: give {kinds}")


def _answers(app: RunningApp, path: str, seen: Readiness) -> bool:
    try:
        # not sampled: it leaves no trace behind; the status is enough
        with app.get(path, sampled=False, timeout=_HTTP_TIMEOUT_S, stream=True) as answer:
            seen.last = f"the last answer: {answer.status_code} {answer.reason}"
            return answer.status_code < _SERVER_ERROR
    except requests.RequestException as error:
        if not isinstance(error, requests.ConnectionError):
            seen.last = type(error).__name__
        return False


def _connects(host: str, port: int, seen: Readiness) -> bool:
    try:
        socket.create_connection((host, port), _TCP_TIMEOUT_S).close()
    except OSError as error:
        seen.last = error.strerror or type(error).__name__
        return False
    return True


def _takes_an_argument(function: Callable[..., object]) -> bool:
    try:
        return bool(inspect.signature(function).parameters)
    except (ValueError, TypeError):  # of one that is written in C
        return True


def _says_so(ask: Callable[[], object], seen: Readiness) -> bool:
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001  # whatever a client raises where nothing listens yet
        seen.last = f"it raised {type(error).__name__}: {error}"
        return False
    seen.last = f"it returned {answer!r}"
    return bool(answer)
