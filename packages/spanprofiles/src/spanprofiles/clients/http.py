"""One HTTP connection pool to one server, with credentials, and errors that say what happened.

The server is not trusted: an answer has a deadline and a largest size, and no redirect leads to another server.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from copy import copy
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from spanprofiles.clients.answers import LARGEST_ANSWER_BYTES, LARGEST_REFUSAL_BYTES, Answer, AnswerError, body
from spanprofiles.clients.errors import RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.clients.outage import HangingError, Outage
from spanprofiles.clients.sockets import DeadlineAdapter, DeadlinePassedError, deadline_after
from spanprofiles.model import Credentials
from spanprofiles.model.addresses import shown_address, without_login, without_secrets

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds to connect, and seconds between two bytes of an answer.
DEFAULT_TIMEOUT_S = (2.0, 10.0)

#: How long a whole answer may take: the time to connect, and so many times that between two bytes.
READS_IN_AN_ANSWER = 1.5

#: Hosts to which no proxy leads.
LOOPBACK_HOSTS = {"127.0.0.1", "::1", "localhost"}

_MOST_REDIRECTS = 5
_KEEP_METHOD = {307, 308}
_REDIRECTS = {301, 302, 303} | _KEEP_METHOD
_PORTS = {"http": 80, "https": 443}
_PIECE_BYTES = 64 * 1024


class HttpClient:
    """Talks HTTP to one server.

    Redirects are followed on the server itself. A redirect that leads elsewhere is an error, because credentials and
    tenant are meant for the given address alone.

    Args:
        server: the server's name in messages.
        url: its base address; a user name and password in it are used if the credentials have none.
        credentials: sent with every request.
        timeout_s: (connect, read), s. The whole answer may take the connect time plus 1.5 times the read time.

    Attributes:
        url: its base address without user name and password.
    """

    def __init__(
        self,
        server: str,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: tuple[float, float] = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.server = server
        self.url, login = without_login(url.rstrip("/"))
        self._timeout_s = timeout_s
        self._outage: Outage | None = None
        self._outage_s = 0.0
        self._session = requests.Session()
        credentials = credentials or Credentials()
        self._session.headers.update(credentials.as_headers())
        self._session.headers["Accept-Encoding"] = "gzip"  # what is inflated here, within a limit
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._verify_tls = credentials.verify_tls
        for scheme in _PORTS:
            self._session.mount(f"{scheme}://", DeadlineAdapter(verify_tls=bool(self._verify_tls)))
        if login and "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = _basic(*login)
        if "Authorization" in self._session.headers:  # or a .netrc would take its place
            self._session.auth = _as_it_is
        # a proxy of the environment would answer in the server's place
        self._session.trust_env = _parts(self.url).hostname not in LOOPBACK_HOSTS

    def with_timeout(self, timeout_s: tuple[float, float]) -> HttpClient:
        """Return a client of the same connections with another time-out: (connect, read), s."""
        other = copy(self)
        other._timeout_s = timeout_s
        return other

    def with_outage(self, outage: Outage) -> HttpClient:
        """Return a client that uses the same connections and asks nothing while the server hangs.

        Clients with shorter time-outs than its own that are made of it heed the outage as well. Where they wait in
        vain, that proves none: the server may only be slow.
        """
        other = copy(self)
        other._outage, other._outage_s = outage, self.longest_s
        return other

    @property
    def longest_s(self) -> float:
        """How long a whole answer may take, s."""
        connect_s, read_s = self._timeout_s
        return connect_s + READS_IN_AN_ANSWER * read_s

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Answer:
        """Send a GET.

        Raises:
            ServerUnreachableError: there was no answer, or it was not complete in time.
            RequestRefusedError: the answer's status is 400 or more.
            UnexpectedAnswerError: it leads to another server, is too large, or has an encoding that was not asked for.
        """
        return self._send("GET", path, params=dict(parameters or {}))

    def get_json(self, path: str, parameters: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Send a GET and read a JSON object.

        Raises:
            ClientError: as for :meth:`get`; also if the answer is not a JSON object.
        """
        return self._object(path, self.get(path, parameters))

    def get_list(self, path: str) -> list[Any]:
        """Send a GET and read a JSON list.

        Raises:
            ClientError: as for :meth:`get`; also if the answer is not a JSON list.
        """
        found = self._json(path, self.get(path))
        if not isinstance(found, list):
            raise self.unexpected(path, "not a JSON list")
        return found

    def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a JSON object by POST and read one.

        Raises:
            ClientError: as for :meth:`get_json`.
        """
        return self._object(path, self._send("POST", path, json=dict(body)))

    def post_form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a form by POST and read a JSON object.

        Raises:
            ClientError: as for :meth:`get_json`.
        """
        return self._object(path, self._send("POST", path, data=dict(form)))

    def unexpected(self, path: str, reason: str) -> UnexpectedAnswerError:
        """Return the error for an answer that is JSON but does not follow the API."""
        return UnexpectedAnswerError(self.server, shown_address(self.url + path), reason)

    @contextmanager
    def decode_errors(self, path: str, what: str) -> Iterator[None]:
        """Turn errors in reading an answer's fields into one that says what the answer should be.

        Raises:
            UnexpectedAnswerError: a field is missing, has another type, or is out of bounds.
        """
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise self.unexpected(path, f"not {what} ({error})") from error

    def _send(self, method: str, path: str, **arguments: Any) -> Answer:
        """Send a request, follow redirects on the same server, and return the answer."""
        url = self.url + path
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._sent(method, url, **arguments)
            location = answer.headers.get("location")
            if answer.status_code not in _REDIRECTS or not location:
                break
            target = urljoin(url, location)
            self._check_redirect(method, answer, target)
            url, arguments = target, {name: value for name, value in arguments.items() if name != "params"}
        else:
            raise UnexpectedAnswerError(self.server, answer.url, f"more than {_MOST_REDIRECTS} redirects")
        if answer.status_code >= 400:
            raise RequestRefusedError(self.server, answer.url, answer.status_code, answer.text)
        return answer

    def _check_redirect(self, method: str, answer: Answer, target: str) -> None:
        """Check that a redirect stays on the same server.

        Raises:
            UnexpectedAnswerError: it leads elsewhere, or asks for a request to be sent without its body.
        """
        if _origin(target) != _origin(self.url):
            raise UnexpectedAnswerError(
                self.server,
                answer.url,
                f"it redirects to another server, {shown_address(target)}, which is not followed: if that is the right"
                " one, give its address",
            )
        if method != "GET" and answer.status_code not in _KEEP_METHOD:
            raise UnexpectedAnswerError(
                self.server, answer.url, f"it redirects a {method} to {shown_address(target)}: correct the address"
            )

    def _sent(self, method: str, url: str, **arguments: Any) -> Answer:
        shown = shown_address(url)
        try:
            with self._watched(), deadline_after(self.longest_s):
                # given here, certificates to trust go before those of the environment
                response = self._session.request(
                    method,
                    url,
                    timeout=self._timeout_s,
                    verify=self._verify_tls,
                    stream=True,
                    allow_redirects=False,
                    **arguments,
                )
                with closing(response):
                    refused = response.status_code >= 300
                    content = body(
                        response.raw.stream(_PIECE_BYTES, decode_content=False),
                        response.headers.get("content-encoding", ""),
                        LARGEST_REFUSAL_BYTES if refused else LARGEST_ANSWER_BYTES,
                        cut=refused,
                    )
        except AnswerError as error:
            raise UnexpectedAnswerError(self.server, shown, f"it {error}") from error
        except HangingError as error:
            raise ServerUnreachableError(self.server, shown, str(error)) from error
        except (requests.RequestException, HTTPError, ValueError) as error:  # or an address that no library can read
            raise ServerUnreachableError(self.server, shown, self._reason(error)) from error
        return Answer(shown, response.status_code, response.headers, content)

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext() if self._outage is None else self._outage.watch(self._hangs)

    def _hangs(self, error: BaseException) -> bool | None:
        """Tell whether an error proves that the server hangs, or that it does not; None where it proves neither."""
        if isinstance(error, requests.Timeout) or is_caused_by(error, TimeoutError):
            return True if self.longest_s >= self._outage_s else None
        return False if isinstance(error, Exception) else None

    def _reason(self, error: Exception) -> str:
        if is_caused_by(error, DeadlinePassedError):
            return f"its answer was not complete after {self.longest_s:g} s"
        if isinstance(error, requests.Timeout):
            return "no answer in time"
        return plain_reason(error)

    def _object(self, path: str, answer: Answer) -> dict[str, Any]:
        found = self._json(path, answer)
        if not isinstance(found, dict):
            raise self.unexpected(path, "not a JSON object")
        return found

    def _json(self, path: str, answer: Answer) -> Any:
        try:
            return answer.json()
        except AnswerError as error:
            raise self.unexpected(path, f"it {error}") from error


class ServerClient:
    """The base class of the clients of all servers.

    Args:
        url: the server's address, such as ``http://127.0.0.1:3200``.
        credentials: sent with every request.
        timeout_s: (connect, read), s.
    """

    #: The server's name in messages.
    server = ""
    #: What it answers when it is ready.
    ready_path = "/ready"

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: tuple[float, float] = DEFAULT_TIMEOUT_S,
    ) -> None:
        self._http = HttpClient(self.server, url, credentials, timeout_s)

    @property
    def url(self) -> str:
        """The server's address without user name and password."""
        return self._http.url

    def with_timeout(self, timeout_s: tuple[float, float]) -> Self:
        """Return a client of the same connections with another time-out: (connect, read), s."""
        other = copy(self)
        other._http = self._http.with_timeout(timeout_s)
        return other

    def with_outage(self, outage: Outage) -> Self:
        """Return a client that uses the same connections and asks nothing while the server hangs."""
        other = copy(self)
        other._http = self._http.with_outage(outage)
        return other

    def close(self) -> None:
        """Close the connections, which :meth:`with_timeout` shares."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self) -> Answer:
        """Return the answer of a server that says that it is ready; its headers tell the server's time.

        Raises:
            ClientError: it does not say so.
        """
        return self._http.get(self.ready_path)

    def check_ready(self) -> None:
        """Return if the server says that it is ready (which does not mean that it takes what is pushed).

        Raises:
            ClientError: it does not.
        """
        self.ready()


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # brackets that do not match: the request will say it
        return urlsplit("")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = _parts(url)
    try:
        port = parts.port
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme)


def is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Tell whether an error, or one that caused it, is of this kind."""
    return any(isinstance(cause, kind) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, through the layers of the libraries around them."""
    for _ in range(_MOST_LAYERS):
        if error is None:
            return
        yield error
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__


_MOST_LAYERS = 20


def plain_reason(error: BaseException) -> str:
    """Return the operating system's words, without the layers of the library around them, and without passwords."""
    for cause in _causes(error):
        if isinstance(cause, TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return without_secrets(str(cause.strerror))
    return without_secrets(str(error)) or type(error).__name__
