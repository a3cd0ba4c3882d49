"""What can go wrong between a client and its server. Each message names the server, the address and what to look at."""

from __future__ import annotations

import re

_EXCERPT, _TITLE = 300, 80
_HTML_PAGE = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class ClientError(Exception):
    """Base of all of them."""


class ServerUnreachableError(ClientError):
    """No answer: nothing listens there, the name does not resolve, or the time-out passed."""

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
        self.answer = " ".join(answer[:_EXCERPT].split())
        title = _HTML_TITLE.search(answer)
        if title is not None and _HTML_PAGE.match(answer):  # a proxy's, a login, or another program altogether
            self.answer = f"a page in HTML, titled {' '.join(title[1].split())[:_TITLE]!r}"
        hint = ""
        if status in {401, 403}:
            hint = " (look at user name, password, token and tenant)"
        super().__init__(f"{server} refused {url} with {status}: {self.answer or 'no text'}{hint}")


class UnexpectedAnswerError(ClientError):
    """The server answered 200 with something that is not its API's answer: often a proxy's or a login page."""

    def __init__(self, server: str, url: str, reason: str) -> None:
        super().__init__(f"the answer of {server} at {url} is not what its API says: {reason}")
