"""What keeps other sites and other machines out of the page.

The page shows telemetry and can steer a demo. So it answers only to names of this machine, and refuses a site that
points its own name at 127.0.0.1. It takes changes only from its own pages. Where it is open to a network, it asks for a
token.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from threading import Lock
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_COOKIE = "spanprofiles_access"
_FORM_TOKEN = "token"  # noqa: S105  # a field's name
_CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
_ACCESS_PATH = "/access"
_OPEN = {"static", "pictures"}  # stylesheets, script, icon: the same for everybody


TOKEN_CHARACTERS = 16
"""The shortest access token."""
GUESSES, GUESSES_S = 100, 60.0
"""Wrong tokens that one address may send within so many seconds before it gets 429; the right one is always taken."""
GUESSERS = 1_000
"""For how many addresses wrong tokens are counted."""


class WeakTokenError(Exception):
    """An access token is easy to guess, or cannot be typed as it is."""


class Guesses:
    """Counts wrong tokens by the address they come from. Several threads may use it."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, int]] = {}
        self._lock = Lock()

    def note(self, address: str) -> bool:
        """Count a wrong token; tell whether this address has sent too many."""
        now_s = time.monotonic()
        with self._lock:
            since_s, count = self._counts.pop(address, (now_s, 0))
            if now_s - since_s >= GUESSES_S:
                since_s, count = now_s, 0
            if len(self._counts) >= GUESSERS:
                del self._counts[next(iter(self._counts))]
            self._counts[address] = since_s, count + 1
            return count >= GUESSES


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def protect(app: Flask, access_token: str = "") -> None:
    """Add the checks to an app.

    Args:
        app: the page.
        access_token: what a browser must send once; empty where only this machine can reach the page.

    Raises:
        WeakTokenError: the token is too short, or has characters that do not show.
    """
    if access_token:
        _check_token(access_token)
    guesses = Guesses()
    form_token = secrets.token_urlsafe(24)
    app.jinja_env.globals["form_token"] = form_token

    def refused(*, wrong: bool, guessed: bool) -> Response:
        """Ask for the token, or make an address wait that has sent too many wrong ones."""
        if guessed and guesses.note(request.remote_addr or ""):
            headers = {"Retry-After": str(int(GUESSES_S))}
            return Response("too many wrong tokens from this address: wait for a minute\n", 429, headers)
        return Response(render_template("access.html", wrong=wrong), 401)

    @app.before_request
    def check_host() -> None:
        host = urlsplit(f"//{request.host}").hostname or ""
        if not access_token and not is_loopback(host):
            abort(403, f"this page answers to localhost and 127.0.0.1 only, not to {host!r}")

    @app.before_request
    def check_access() -> AnyResponse | None:
        if not access_token or request.endpoint in _OPEN or _same(request.cookies.get(_COOKIE, ""), access_token):
            return None
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if _same(bearer, access_token) or request.path == _ACCESS_PATH:
            return None
        return refused(wrong=False, guessed=bool(bearer or _COOKIE in request.cookies))

    @app.before_request
    def check_change() -> None:
        if request.method not in _CHANGES:
            return
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != request.host):
            abort(403, "a change must come from this page itself, not from another site")
        if not _same(request.form.get(_FORM_TOKEN, ""), form_token):
            abort(403, "the form is older than this page's server: reload the page and try again")

    @app.post(_ACCESS_PATH)
    def access() -> AnyResponse:
        if not access_token:
            abort(404)
        if not _same(request.form.get("access", ""), access_token):
            return refused(wrong=True, guessed=True)
        response = redirect(url_for("trace_list.home"), 303)
        response.set_cookie(_COOKIE, access_token, httponly=True, samesite="Strict", secure=request.is_secure)
        return response

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if request.endpoint not in _OPEN:
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def form_field() -> tuple[str, str]:
    """Return name and value of the hidden field in every form that changes something."""
    return _FORM_TOKEN, str(current_app.jinja_env.globals["form_token"])


def _check_token(token: str) -> None:
    if len(token) < TOKEN_CHARACTERS:
        raise WeakTokenError(
            f"the token has {len(token)} characters: use one of at least {TOKEN_CHARACTERS} that nobody can guess, such"
            " as `openssl rand -hex 16` prints"
        )
    if token != token.strip() or not token.isprintable():
        raise WeakTokenError(
            "the token begins or ends with a space, or has a character that does not show: leave it out"
        )


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
