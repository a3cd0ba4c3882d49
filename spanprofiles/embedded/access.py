"""Who may ask: whoever brings the token, as a bearer token or as the password of basic auth."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spanprofiles.embedded.arrivals import note_unauthorized
from spanprofiles.embedded.errors import UnsafeAddressError
from spanprofiles.embedded.refusals import Refusals
from spanprofiles.embedded.settings import TOKEN_VARIABLE, Settings, is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OPEN_PATH = "/ready"
REFUSAL = b"401 unauthorized: send the token as a bearer token, or as the password of basic auth\n"


def check_address(settings: Settings) -> None:
    """See that other machines are asked for a token, if they can reach the pair at all.

    Raises:
        UnsafeAddressError: they can, and are not.
    """
    if not settings.token and not is_loopback(settings.host):
        raise UnsafeAddressError(
            f"{settings.host} can be reached from other machines: give a token they must send, with --token or"
            f" {TOKEN_VARIABLE}, or listen on 127.0.0.1"
        )


def brought_token(authorization: str) -> str:
    """The token in an `Authorization` header; empty where there is none."""
    scheme, _, content = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return content.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(content.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (ValueError, binascii.Error):
        return ""


class TokenGuard:
    """Lets requests with the token through to an application, and those that ask whether it is ready."""

    def __init__(self, application: WSGIApplication, token: str, refusals: Refusals) -> None:
        self._application = application
        self._token = token.encode()
        self._refusals = refusals

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, with 401 where the token is missing or wrong."""
        # A header's bytes arrive as Latin-1 (PEP 3333).
        brought = brought_token(
            environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace").decode("utf-8", "replace")
        )
        if environ.get("PATH_INFO") != OPEN_PATH and not hmac.compare_digest(brought.encode(), self._token):
            note_unauthorized(self._refusals, environ, REFUSAL.decode().strip())
            start_response(
                "401 Unauthorized",
                [
                    ("Content-Type", "text/plain; charset=utf-8"),
                    ("Content-Length", str(len(REFUSAL))),
                    ("WWW-Authenticate", 'Basic realm="spanprofiles"'),
                    ("WWW-Authenticate", "Bearer"),
                ],
            )
            return [REFUSAL]
        return self._application(environ, start_response)
