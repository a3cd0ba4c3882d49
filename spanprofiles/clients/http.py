"""One HTTP connection pool to one server, with time-outs and credentials, and errors that say what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from spanprofiles.clients.errors import RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.model import Credentials

#: Seconds to connect, and seconds between two bytes of an answer.
DEFAULT_TIMEOUT_S = (2.0, 10.0)


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
        self._session.verify = credentials.verify_tls
        # a proxy or a .netrc of the environment would answer in the server's place
        self._session.trust_env = not self.url.startswith(("http://127.0.0.1", "http://localhost"))

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

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        url = self.url + path
        try:
            response = self._session.request(method, url, timeout=self._timeout_s, **arguments)
        except requests.Timeout as error:
            raise ServerUnreachableError(self.server, url, "no answer in time") from error
        except requests.ConnectionError as error:
            raise ServerUnreachableError(self.server, url, _plain(error)) from error
        except requests.RequestException as error:
            raise ServerUnreachableError(self.server, url, str(error)) from error
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


def _plain(error: requests.ConnectionError) -> str:
    """Return the operating system's words, without the layers of the library around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        inner = cause.__cause__ or cause.__context__
        reason = getattr(cause.args[0] if cause.args else None, "reason", None)
        cause = reason if isinstance(reason, BaseException) else inner
    return "the connection failed"
