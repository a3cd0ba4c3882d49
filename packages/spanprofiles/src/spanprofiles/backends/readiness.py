"""Checks that servers work, not only that they say so: Pyroscope can be ready and yet drop every push."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from spanprofiles.backends.base import BackendError
from spanprofiles.clients import ClientError, HttpClient, ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.clients.probe import PROBE_SERVICE, Probe
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.model.selector import service_selector
from spanprofiles.waiting import Waiting

_PAUSE_S = 0.1
_TIMEOUT_S = (1.0, 5.0)
#: Pyroscope takes profiles of the last hour. One that old is outside the windows in which people look.
_PROBE_AGE_S = 3500
_MARGIN_MS = 60_000


def await_servers(endpoints: Endpoints, timeout_s: float, check_running: Callable[[], None]) -> None:
    """Return when Tempo takes traces, and Pyroscope takes a profile and gives it back.

    Args:
        endpoints: where they are.
        timeout_s: give up after this many seconds.
        check_running: raises an error if a server has ended.

    Raises:
        BackendError: a server was not ready in time; the message has its last answer.
    """
    tempo = TempoClient(endpoints.tempo, endpoints.credentials_for("tempo"), _TIMEOUT_S)
    receiver = HttpClient("Tempo's receiver", endpoints.otlp_http, endpoints.credentials_for("otlp_http"), _TIMEOUT_S)
    pyroscope = PyroscopeClient(endpoints.pyroscope, endpoints.credentials_for("pyroscope"), _TIMEOUT_S)
    probe = Probe(new_trace_id(), new_span_id(), (int(time.time()) - _PROBE_AGE_S) * 10**9)
    checks = [
        tempo.check_ready,
        lambda: receiver.post_json("/v1/traces", {"resourceSpans": []}),
        pyroscope.check_ready,
        lambda: probe.push_profile(pyroscope),
        lambda: _check_that_it_came_back(pyroscope, probe),
    ]
    _await(checks, timeout_s, check_running)
    for client in (tempo, receiver, pyroscope):
        client.close()


def await_answer(server: str, url: str, path: str, timeout_s: float, check_running: Callable[[], None]) -> None:
    """Return when a server answers a GET with success.

    Raises:
        BackendError: it did not in time; the message has its last answer.
    """
    client = HttpClient(server, url, None, _TIMEOUT_S)
    _await([lambda: client.get(path)], timeout_s, check_running)
    client.close()


def _await(checks: Sequence[Callable[[], object]], timeout_s: float, check_running: Callable[[], None]) -> None:
    """Repeat each check until it passes, one after the other, within ``timeout_s`` altogether."""
    remaining = list(checks)
    last_error: ClientError | None = None
    for _ in Waiting(timeout_s, _PAUSE_S, _PAUSE_S).attempts():
        try:
            while remaining:
                remaining[0]()
                remaining.pop(0)
        except ClientError as error:
            check_running()
            last_error = error
        else:
            return
    raise BackendError(f"not ready after {timeout_s:g} s; the last answer: {last_error}") from last_error


def _check_that_it_came_back(pyroscope: PyroscopeClient, probe: Probe) -> None:
    time_ms = probe.time_ns // 10**6
    query = ProfileQuery(service_selector(PROBE_SERVICE), time_ms - _MARGIN_MS, time_ms + _MARGIN_MS)
    if pyroscope.span_profile(query, [probe.span_id]).is_empty:
        raise ClientError("Pyroscope accepted a profile and has not returned it yet")
