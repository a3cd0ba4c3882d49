"""Takes user names and passwords out of addresses, and shows addresses without secrets."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from spanprofiles.model.printable import LONGEST_LINE, printable

_HIDDEN = "***"
_VALUE = re.compile(r"=[^&;]*")
_IN_A_TEXT = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#'\"]*@")


def without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return an address without its user name and password, and the two of them; None if it has none.

    >>> without_login("http://joe:s3cret@tempo:3200")
    ('http://tempo:3200', ('joe', 's3cret'))
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=place)), (unquote(name), unquote(password))


def shown_address(url: str) -> str:
    """Return an address as people may see it: without user name, password, and the values in its query.

    >>> shown_address("http://joe:s3cret@tempo:3200/echo?token=abc")
    'http://tempo:3200/echo?token=***'
    """
    try:
        parts = urlsplit(without_login(url)[0])
        if "@" in url and not parts.netloc:
            return unreadable_address(url)
        text = urlunsplit(parts._replace(query=_VALUE.sub(f"={_HIDDEN}", parts.query), fragment=""))
    except ValueError:  # brackets that do not match
        return unreadable_address(url)
    return printable(text, LONGEST_LINE)


def unreadable_address(text: str) -> str:
    """Return what people may see of a text that is not an address: nothing before an ``@``."""
    _, at, place = text.rpartition("@")
    return printable(f"{_HIDDEN}@{place}" if at else text)


def without_secrets(text: str) -> str:
    """Return a text, such as a library's message, without the passwords of the addresses in it."""
    return _IN_A_TEXT.sub(rf"\g<scheme>{_HIDDEN}@", text)
