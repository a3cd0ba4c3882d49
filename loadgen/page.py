"""Locust's page: who may use it, and how much load it starts.

By itself it answers every site (``Access-Control-Allow-Origin: *``), takes any number of riders, and takes any address
for them to ride to. So this stands before it: the page answers to names of this machine, takes changes from itself and
from programs, and starts a bounded load on the regions that it was started for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, make_response, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORM_BYTES = 16 * 1024
"""The largest body of a request to the page."""

HOSTS_VARIABLE, RIDERS_VARIABLE = "LOADGEN_PAGE_HOSTS", "LOADGEN_MOST_RIDERS"

_CORS = "access-control-"
_HEADERS = (
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_READING = frozenset({"GET", "HEAD"})
_SWARM, _RIDERS_FORM = "locust.swarm", "locust.update_user"
# The fields of the page's form. Locust would take each of its options: a name of a file to write at the end, for one.
_FIELDS = frozenset({"user_count", "spawn_rate", "host", "run_time", "user_classes", "shape_class", "profile"})


@dataclass(frozen=True)
class Bounds:
    """What the page may start.

    Attributes:
        most_riders: riders at once, and riders that start in a second.
        urls: base URLs that riders may be sent to.
    """

    most_riders: int
    urls: frozenset[str]

    def complaint(self, form: Mapping[str, Iterable[str]]) -> str | None:
        """Return what is wrong with a form that starts or changes the load, or None where nothing is."""
        unknown = sorted(form.keys() - _FIELDS)
        if unknown:
            return f"{unknown[0][:40]!r} cannot be set here: give it to Locust when it starts"
        for field in ("user_count", "spawn_rate"):
            for text in form.get(field, ()):
                if not 0 <= _number(text) <= self.most_riders:
                    return (
                        f"{field} is {text[:40]!r}: a number up to {self.most_riders} is possible;"
                        f" start Locust with another {RIDERS_VARIABLE} for more"
                    )
        for url in form.get("host", ()):
            if url.strip() and url.strip().rstrip("/") not in self.urls:
                allowed = ", ".join(sorted(self.urls)) or "nobody"
                return f"riders ride to {allowed}, not to {url[:200]!r}: start Locust with other LOADGEN_URLS or --host"
        return None


def _number(text: str) -> float:
    """Return the number in a field, NaN where it is none: within no bounds."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def protect(app: Flask, bounds: Bounds, hosts: Iterable[str] = ()) -> None:
    """Stand before Locust's page.

    Args:
        app: the page.
        bounds: what it may start.
        hosts: names and addresses it answers to, beside those of this machine.
    """
    known = frozenset(host.lower() for host in hosts)
    app.config["MAX_CONTENT_LENGTH"] = FORM_BYTES
    app.wsgi_app = _WithHeaders(app.wsgi_app)  # type: ignore[method-assign]  # how Flask wants it

    @app.before_request
    def check_sender() -> Response | None:
        header = request.headers.get("Host", "")
        host = _host_of(header)
        if not is_loopback(host) and host not in known:
            names = f"to localhost and 127.0.0.1, not to {host[:100]!r}"
            return _refusal(f"this page answers {names}: name it in {HOSTS_VARIABLE} where Locust starts")
        origin = request.headers.get("Origin")
        if _is_own(request.headers.get("Sec-Fetch-Site")) and origin in {None, f"{request.scheme}://{header}"}:
            return None
        return _refusal("another site asked for this: open the page itself")

    @app.before_request
    def check_load() -> Response | None:
        if request.endpoint == _RIDERS_FORM:
            return _refusal("riders are changed in loadgen/locustfile.py, not here")
        if request.endpoint != _SWARM:
            return None
        complaint = bounds.complaint({name: request.form.getlist(name) for name in request.form})
        if complaint is None:
            return None
        # Locust's page shows what an answer with 200 says, and of any other that an unknown error occurred.
        status = 200 if "Sec-Fetch-Site" in request.headers else 400
        return make_response(jsonify({"success": False, "message": complaint}), status)


def _host_of(header: str) -> str:
    """Return the host in a Host header, without its port; empty where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_own(site: str | None) -> bool:
    """Whether a request comes from the page, a program, or somebody who opens the page, by a link or by its address."""
    if site in {None, "same-origin"}:
        return True
    if request.method not in _READING:
        return False
    opens = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"
    return site == "none" or opens


def _refusal(message: str) -> Response:
    return Response(f"{message}\n", 403, content_type="text/plain; charset=utf-8")


class _WithHeaders:
    """An application whose answers no other site may read, frame or include, whatever it says itself."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            own = {name.lower() for name, _ in _HEADERS}
            kept = [(name, value) for name, value in headers if not _is_replaced(name.lower(), own)]
            return start_response(status, [*kept, *_HEADERS], *error)

        return self._application(environ, begin)


def _is_replaced(name: str, own: set[str]) -> bool:
    return name in own or name.startswith(_CORS)
