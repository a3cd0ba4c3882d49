"""What can go wrong between a client and its server. Each message names the server, the address and what to look at.

Messages quote the server and are printed in terminals and logs, so they are made printable here.
"""

from __future__ import annotations

import re

from spanprofiles.model.printable import LONGEST_LINE, printable

_EXCERPT, _TITLE = 300, 80
_LONGEST_HEAD = 4096
_HTML_PAGE = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class ClientError(Exception):
    """The base class of all client errors. The message is one printable line."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message, LONGEST_LINE))


class ServerUnreachableError(ClientError):
    """There was no answer, or half of one: nothing listens there, the name does not resolve, or it timed out."""

    def __init__(self, server: str, url: str, cause: str) -> None:
        super().__init__(f"{server} does not answer at {url}: {cause}")


class RequestRefusedError(ClientError):
    """The server answered with an HTTP error.

    Attributes:
        status: the HTTP status code.
        answer: the beginning of the server's own words, in one line.
    """

    def __init__(self, server: str, url: str, status: int, answer: str) -> None:
        self.status = status
        self.answer = printable(" ".join(answer[:_EXCERPT].split()), None)
        head = answer[:_LONGEST_HEAD]
        title = _HTML_TITLE.search(head) if _HTML_PAGE.match(head) else None
        if title is not None:  # a proxy's, a login, or another program altogether
            self.answer = printable(f"a page in HTML, titled {' '.join(title[1].split())[:_TITLE]!r}", None)
        hint = ""
        if status in {401, 403}:
            hint = " (look at user name, password, token and tenant)"
        super().__init__(f"{server} refused {url} with {status}: {self.answer or 'no text'}{hint}")


class UnexpectedAnswerError(ClientError):
    """The server answered 200 with something that is not its API's answer: often a proxy's or a login page."""

    def __init__(self, server: str, url: str, reason: str) -> None:
        super().__init__(f"the answer of {server} at {url} is not what its API says: {reason}")
