"""What a browser tells of the page that sends a request, and which names this machine goes by.

A web page of any site can send requests to 127.0.0.1. Two things give it away. A page whose own name was pointed at
127.0.0.1 ("DNS rebinding") sends that name as ``Host``. Any other page sends ``Origin`` or ``Sec-Fetch-Site``, which no
script can change: https://www.w3.org/TR/fetch-metadata/. Programs send neither.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from spanprofiles.embedded.settings import is_loopback

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/@,?#\\]+)(?::[0-9]{1,5})?")
# What container engines call the machine they run on. Nobody can register a name under "internal" for a site.
ENGINES_NAMES = frozenset(
    {
        "host.docker.internal",
        "gateway.docker.internal",
        "docker.for.mac.host.internal",
        "host.containers.internal",
        "host.testcontainers.internal",
        "host.rancher-desktop.internal",
        "host.lima.internal",
        "host.orb.internal",
    }
)
OWN_SITE = frozenset({"same-origin", "none"})
FORM_TYPES = frozenset({"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def name_of(host: str) -> str:
    """Read the name in a ``Host`` header, without its port, in lower case; empty where the header is none."""
    match = HOST.fullmatch(host.strip())
    return match[1].lower().strip("[]").removesuffix(".") if match else ""


def is_own_name(name: str, allowed: Collection[str] = ()) -> bool:
    """Whether a name or an address can only mean this machine, or is allowed by the settings."""
    return is_loopback(name) or name.endswith(".localhost") or name in ENGINES_NAMES or name in allowed


def foreign_page(method: str, headers: Mapping[str, str]) -> str:
    """Say why a request was sent by a page of another site, or may have been; empty where it was not.

    Args:
        method: the request's method.
        headers: by name as WSGI has them, such as ``SEC_FETCH_SITE``.
    """
    origin, site = headers.get("ORIGIN"), headers.get("SEC_FETCH_SITE", "none").lower()
    if site not in OWN_SITE:
        return f"a browser sent it from another site (Sec-Fetch-Site: {site})"
    if origin is not None and not _is_of(origin, headers.get("HOST", "")):
        return f"a browser sent it from another site (Origin: {origin})"
    is_from_browser = origin is not None or any(name.startswith("SEC_FETCH_") for name in headers)
    kind = headers.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if is_from_browser and method not in READING and kind in FORM_TYPES:
        return f"a browser sent it as a form of any site could (Content-Type: {kind or 'none'})"
    return ""


def _is_of(origin: str, host: str) -> bool:
    """Whether an ``Origin`` is the server that ``Host`` names; TLS can only be a proxy's before it."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"}:
        return False
    usual = {"http": 80, "https": 443}[parts.scheme]
    try:
        own = urlsplit(f"//{host}")
        own_port = own.port
    except ValueError:
        return False
    return parts.hostname == own.hostname and (port or usual) == (own_port or usual)
