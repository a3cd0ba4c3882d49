"""Access control: requests need the token, as a bearer token or as the password of basic auth."""

from __future__ import annotations

import base64
import binascii
import hmac

from spanprofiles.embedded.errors import UnsafeAddressError, WeakTokenError
from spanprofiles.embedded.limits import TOKEN_CHARACTERS
from spanprofiles.embedded.settings import TOKEN_VARIABLE, Settings, is_loopback

OPEN_PATH = "/ready"


def check_address(settings: Settings) -> None:
    """See that other machines are asked for a token, if they can reach the pair at all, and that it is hard to guess.

    Raises:
        UnsafeAddressError: they can, and are not.
        WeakTokenError: the token is too short, or cannot be sent in a header.
    """
    if settings.token:
        _check_token(settings.token)
    if not settings.token and not is_loopback(settings.host):
        raise UnsafeAddressError(
            f"{settings.host} can be reached from other machines: give a token they must send, with --token or"
            f" {TOKEN_VARIABLE}, or listen on 127.0.0.1"
        )


def _check_token(token: str) -> None:
    if len(token) < TOKEN_CHARACTERS:
        raise WeakTokenError(
            f"the token in --token or {TOKEN_VARIABLE} has {len(token)} characters: use one of at least"
            f" {TOKEN_CHARACTERS} that nobody can guess, such as `openssl rand -hex 16` prints"
        )
    if token != token.strip() or not token.isprintable():
        raise WeakTokenError(
            f"the token in --token or {TOKEN_VARIABLE} begins or ends with a space, or has a character that no header"
            " can hold: leave those out"
        )


def brought_token(authorization: str) -> str:
    """Read the token from an ``Authorization`` header; empty where there is none."""
    scheme, _, content = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return content.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(content.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (ValueError, binascii.Error):
        return ""


class TokenCheck:
    """Compares tokens with the right one, in a time that does not depend on how much of it is right.

    Args:
        token: the right one; empty where none is asked for.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def is_in(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header brings the token, or none is asked for."""
        return not self._token or hmac.compare_digest(brought_token(authorization).encode(), self._token)
