"""Who is let in: decided when a request's header is there, before anything of its body is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spanprofiles.embedded.access import OPEN_PATH, TokenCheck
from spanprofiles.embedded.browsers import foreign_page, is_own_name, name_of
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import GUESS_DELAY_S, GUESSES_S, RETRY_S
from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Sender, printable
from spanprofiles.embedded.settings import ALLOWED_HOSTS_VARIABLE, Settings, is_loopback
from spanprofiles.embedded.upload_paths import signal_of

UNAUTHORIZED = "401 unauthorized: send the token as a bearer token, or as the password of basic auth"
GUESSED = "429 too many requests with a wrong token from this address; the right one is taken at any time"
CHALLENGES = (("WWW-Authenticate", 'Basic realm="spanprofiles"'), ("WWW-Authenticate", "Bearer"))
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Head:
    """A request without its body.

    Attributes:
        method: such as ``POST``.
        path: without the query.
        version: of HTTP, such as ``1.1``.
        headers: by name in capitals, with underscores, such as ``CONTENT_TYPE``.
        peer: the sender's address.
    """

    method: str
    path: str
    version: str
    headers: Mapping[str, str]
    peer: str

    @property
    def sender(self) -> Sender:
        """Who sent it."""
        return Sender(self.peer, _decoded(self.headers.get("USER_AGENT", "")))


class Denial:
    """The answer to a request that is not let in, in the form of waitress's own errors.

    Attributes:
        code: the status.
        body: the message.
        delay_s: for how long the answer is held back, s.
    """

    def __init__(self, status: str, message: str, headers: Pairs = (), delay_s: float = 0.0) -> None:
        self.code = int(status.partition(" ")[0])
        self.body = message
        self.delay_s = delay_s
        self._status = status
        self._headers = headers

    def to_response(self, _: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), *self._headers]
        return self._status, headers, f"{self.body}\n".encode("utf-8", "replace")


def busy(message: str) -> Denial:
    """Deny a request for which there is no room at the moment."""
    return Denial("503 Service Unavailable", message, (("Retry-After", str(RETRY_S)),))


class Gate:
    """Lets requests in that come from programs, or from the pair's own pages, and bring the token where there is one.

    Args:
        settings: where it listens, the token, and further names it goes by.
        refusals: where uploads that are not let in are noted.
        guesses: counts wrong tokens.
    """

    def __init__(self, settings: Settings, refusals: Refusals, guesses: Guesses) -> None:
        self._token = TokenCheck(settings.token)
        self._refusals = refusals
        self._guesses = guesses
        self._allowed = frozenset(name_of(name) for name in settings.allowed_hosts) - {""}
        # Where a token is asked for, it keeps out pages that come under a name of their own; they do not have it.
        self._asks_for_own_name = is_loopback(settings.host) and not settings.token

    def denial(self, head: Head) -> Denial | None:
        """Why a request is not let in; None where it is."""
        return self._of_a_page(head) or self._without_token(head)

    def _of_a_page(self, head: Head) -> Denial | None:
        why, reason = foreign_page(head.method, head.headers), Reason.FOREIGN_PAGE
        host = head.headers.get("HOST", "")
        if not why and not host and head.version == "1.1":
            return Denial("400 Bad Request", "400 bad request: HTTP/1.1 wants a Host header")
        if not why and self._asks_for_own_name and host and not is_own_name(name_of(host), self._allowed):
            reason = Reason.FOREIGN_HOST
            why = (
                f"it was sent to the name {printable(_decoded(host), 80)!r}, and this server answers to names of this"
                f" machine alone: use 127.0.0.1, or allow the name with --allow-host or {ALLOWED_HOSTS_VARIABLE}"
            )
        if not why:
            return None
        message = f"403 forbidden: {printable(why)}"
        self._note(head, reason, message)
        return Denial("403 Forbidden", message)

    def _without_token(self, head: Head) -> Denial | None:
        authorization = _decoded(head.headers.get("AUTHORIZATION", ""))
        if head.path == OPEN_PATH or self._token.is_in(authorization):
            return None
        self._note(head, Reason.UNAUTHORIZED, UNAUTHORIZED)
        if authorization and self._guesses.note(head.peer):
            retry = (("Retry-After", str(int(GUESSES_S))),)
            return Denial("429 Too Many Requests", GUESSED, retry, GUESS_DELAY_S)
        return Denial("401 Unauthorized", UNAUTHORIZED, CHALLENGES)

    def _note(self, head: Head, reason: Reason, message: str) -> None:
        found = signal_of(head.path)
        if found is not None:
            self._refusals.note(Refusal(*found, reason, message, head.sender))


def _decoded(header: str) -> str:
    """Decode a header, whose bytes arrive as Latin-1 (PEP 3333)."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")
