"""Servers that run elsewhere: in a cluster, a hosted service, another terminal. They are asked once and left alone."""

from __future__ import annotations

import time

from spanprofiles.backends.base import Backend, BackendError
from spanprofiles.clients import ClientError, PyroscopeClient, RequestRefusedError, TempoClient, UnexpectedAnswerError
from spanprofiles.model import Endpoints

_WINDOW_MS = 60_000


class ExternalBackend(Backend):
    """Checks that two servers answer, with the health checks of Grafana's data sources.

    Args:
        endpoints: their addresses and credentials.
    """

    name = "external"

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def start(self) -> Endpoints:
        """Return when both have answered.

        Raises:
            BackendError: an address is missing, does not answer, refuses, or is not the server's.
        """
        for what, url in (("TEMPO", self._endpoints.tempo), ("PYROSCOPE", self._endpoints.pyroscope)):
            if not url:
                raise BackendError(f"the external backend needs an address: set SPAN_PROFILES_{what}_URL")
        tempo = TempoClient(self._endpoints.tempo, self._endpoints.credentials_for("tempo"))
        pyroscope = PyroscopeClient(self._endpoints.pyroscope, self._endpoints.credentials_for("pyroscope"))
        now_ms = int(time.time() * 1000)
        try:
            tempo.check_answers()
            pyroscope.profile_types(now_ms - _WINDOW_MS, now_ms)
        except ClientError as error:
            raise BackendError(f"{error}{_hint(error)}") from error
        finally:
            tempo.close()
            pyroscope.close()
        return self._endpoints

    def stop(self) -> None:
        """Leave the servers as they are."""


def _hint(error: ClientError) -> str:
    if isinstance(error, RequestRefusedError) and error.status in {401, 403}:
        return ""  # it says what to look at
    if isinstance(error, (RequestRefusedError, UnexpectedAnswerError)):
        return "; is this its address?"
    return "; start it, or correct its address"
