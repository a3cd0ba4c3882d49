"""Servers that run somewhere else: a cluster, a hosted service, another terminal. Found, asked once, left alone."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import requests

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.model import Endpoints

_TIMEOUT_S = 10.0
_WINDOW_MS = 60_000
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class ExternalBackend(Backend):
    """Checks that two servers answer, by the calls Grafana's data sources check their health with.

    Args:
        endpoints: their addresses and credentials.
    """

    name = "external"

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def start(self) -> Endpoints:
        """Return when both have answered.

        Raises:
            BackendError: an address is missing, does not answer, or refuses.
        """
        for what, url in (("TEMPO", self._endpoints.tempo), ("PYROSCOPE", self._endpoints.pyroscope)):
            if not url:
                raise BackendError(f"the external backend needs an address: set SPAN_PROFILES_{what}_URL")
        now_ms = int(time.time() * 1000)
        window = {"start": now_ms - _WINDOW_MS, "end": now_ms}
        self._ask("Tempo", "GET", f"{self._endpoints.tempo}/api/echo")
        profile_types = f"{self._endpoints.pyroscope}/querier.v1.QuerierService/ProfileTypes"
        self._ask("Pyroscope", "POST", profile_types, window)
        return self._endpoints

    def stop(self) -> None:
        """Leave the servers as they are."""

    def _ask(self, server: str, method: str, url: str, body: object = None) -> None:
        credentials = self._endpoints.credentials
        headers = credentials.as_headers()
        try:
            with requests.Session() as session:
                # as the clients do: no proxy before this machine, no .netrc in the place of what was given
                session.trust_env = urlsplit(url).hostname not in _LOOPBACK
                session.auth = (lambda request: request) if "Authorization" in headers else None
                answer = session.request(
                    method, url, json=body, headers=headers, verify=credentials.verify_tls, timeout=_TIMEOUT_S
                )
        except requests.RequestException as error:
            raise BackendError(
                f"{server} does not answer at {url}: start it, or correct its address ({_reason(error)})"
            ) from error
        if not answer.ok:
            hint = "look at the credentials" if answer.status_code in {401, 403} else "is this its address?"
            raise BackendError(f"{server} refused {url} with {answer.status_code}: {hint}")


def _reason(error: BaseException) -> str:
    """Return the operating system's words, where they are in the layers of the library around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)
