"""One HTTP connection pool to one server, with time-outs and credentials, and errors that say what happened."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from spanprofiles.clients.errors import RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.model import Credentials

#: Seconds to connect, and seconds between two bytes of an answer.
DEFAULT_TIMEOUT_S = (2.0, 10.0)

#: Hosts to which no proxy leads.
LOOPBACK_HOSTS = {"127.0.0.1", "::1", "localhost"}


class HttpClient:
    """Speaks HTTP with one server.

    Args:
        server: the server's name in messages.
        url: its base address.
        credentials: sent with every request.
        timeout_s: (connect, read), s.
    """

    def __init__(
        self,
        server: str,
        url: str,
        credentials: Credentials | None = None,
        timeout_s: tuple[float, float] = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.server = server
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        credentials = credentials or Credentials()
        self._session.headers.update(credentials.as_headers())
        self._verify_tls = credentials.verify_tls
        if "Authorization" in self._session.headers:  # or a .netrc would take its place
            self._session.auth = _as_it_is
        # a proxy of the environment would answer in the server's place
        self._session.trust_env = urlsplit(self.url).hostname not in LOOPBACK_HOSTS

    def with_timeout(self, timeout_s: tuple[float, float]) -> HttpClient:
        """Return a client that uses the same connections and waits (connect, read) so many seconds."""
        other = copy(self)
        other._timeout_s = timeout_s
        return other

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> requests.Response:
        """Send a GET.

        Raises:
            ServerUnreachableError: there was no answer.
            RequestRefusedError: the answer's status is 400 or more.
        """
        return self._send("GET", path, params=dict(parameters or {}))

    def get_json(self, path: str, parameters: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Send a GET and read a JSON object.

        Raises:
            ClientError: as for :meth:`get`; also where the answer is no JSON object.
        """
        return self._object(self.get(path, parameters))

    def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a JSON object by POST and read one.

        Raises:
            ClientError: as for :meth:`get_json`.
        """
        return self._object(self._send("POST", path, json=dict(body)))

    def unexpected(self, path: str, reason: str) -> UnexpectedAnswerError:
        """Return the error for an answer that is JSON and yet not what the API says."""
        return UnexpectedAnswerError(self.server, self.url + path, reason)

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        url = self.url + path
        try:
            # given here, certificates to trust go before those of the environment
            response = self._session.request(method, url, timeout=self._timeout_s, verify=self._verify_tls, **arguments)
        except requests.Timeout as error:
            raise ServerUnreachableError(self.server, url, "no answer in time") from error
        except requests.ConnectionError as error:
            raise ServerUnreachableError(self.server, url, plain_reason(error)) from error
        except (requests.RequestException, HTTPError, ValueError) as error:  # an address that no library can read
            raise ServerUnreachableError(self.server, url, str(error) or type(error).__name__) from error
        if response.status_code >= 400:
            raise RequestRefusedError(self.server, url, response.status_code, response.text)
        return response

    def _object(self, response: requests.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except requests.JSONDecodeError as error:
            kind = response.headers.get("content-type", "no content type")
            raise UnexpectedAnswerError(self.server, response.url, f"not JSON ({kind})") from error
        if not isinstance(answer, dict):
            raise UnexpectedAnswerError(self.server, response.url, "not a JSON object")
        return answer


class ServerClient:
    """What the clients of all servers have in common.

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
        self.http = HttpClient(self.server, url, credentials, timeout_s)

    def check_ready(self) -> None:
        """Return if the server says that it is ready (which does not mean that it takes what is pushed).

        Raises:
            ClientError: it does not.
        """
        self.http.get(self.ready_path)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def plain_reason(error: requests.RequestException) -> str:
    """Return the operating system's words, without the layers of the library around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        inner = cause.__cause__ or cause.__context__
        reason = getattr(cause.args[0] if cause.args else None, "reason", None)
        cause = reason if isinstance(reason, BaseException) else inner
    return str(error) or "the connection failed"
