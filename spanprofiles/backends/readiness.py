"""Whether servers work, not only whether they say so: Pyroscope can be ready and yet drop every push."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import requests

from spanprofiles.backends.base import BackendError
from spanprofiles.model import CPU, Endpoints, label_selector
from spanprofiles.model.pprof import smallest_profile

_PAUSE_S = 0.1
_TIMEOUT_S = 5.0
_PROBE_SERVICE = "spanprofiles-readiness"
#: Pyroscope takes profiles of the last hour. One that old is outside the windows in which people look.
_PROBE_AGE_S = 3500
_MARGIN_MS = 60_000


def await_servers(endpoints: Endpoints, timeout_s: float, check_running: Callable[[], None]) -> None:
    """Return when Tempo takes traces and Pyroscope takes a profile and gives it back.

    Args:
        endpoints: where they are.
        timeout_s: give up after this many seconds.
        check_running: raises where a server has ended.

    Raises:
        BackendError: a server was not there in time; the message has its last answer.
    """
    deadline = time.monotonic() + timeout_s
    probe_ns = (int(time.time()) - _PROBE_AGE_S) * 10**9
    for what, ask in (
        ("Tempo", lambda: _answer("GET", f"{endpoints.tempo}/ready")),
        ("Tempo", lambda: _answer("POST", f"{endpoints.otlp_http}/v1/traces", {"resourceSpans": []})),
        ("Pyroscope", lambda: _answer("GET", f"{endpoints.pyroscope}/ready")),
        ("Pyroscope", lambda: _push(endpoints.pyroscope, probe_ns)),
        ("Pyroscope", lambda: _read_back(endpoints.pyroscope, probe_ns // 10**6)),
    ):
        _await(what, ask, deadline, timeout_s, check_running)


def await_answer(what: str, url: str, timeout_s: float, check_running: Callable[[], None]) -> None:
    """Return when a server answers a GET with success.

    Raises:
        BackendError: it did not in time; the message has its last answer.
    """
    _await(what, lambda: _answer("GET", url), time.monotonic() + timeout_s, timeout_s, check_running)


def _await(
    what: str, ask: Callable[[], str], deadline: float, timeout_s: float, check_running: Callable[[], None]
) -> None:
    while True:
        problem = ask()
        if not problem:
            return
        check_running()
        if time.monotonic() > deadline:
            raise BackendError(f"{what} was not ready after {timeout_s:g} s; its last answer: {problem}")
        time.sleep(_PAUSE_S)


def _answer(method: str, url: str, body: object = None) -> str:
    """Return what is wrong with the answer, or an empty text."""
    return _ask(method, url, body)[0]


def _ask(method: str, url: str, body: object = None) -> tuple[str, Any]:
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.request(method, url, json=body, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        return f"none from {url} ({type(error).__name__})", None
    if not response.ok:
        return f"{response.status_code} {response.text[:200].strip()} from {url}", None
    return "", response


def _push(url: str, time_ns: int) -> str:
    labels = {"__name__": "process_cpu", "service_name": _PROBE_SERVICE}
    series = {
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
        "samples": [{"rawProfile": base64.b64encode(smallest_profile(time_ns)).decode()}],
    }
    return _answer("POST", f"{url}/push.v1.PusherService/Push", {"series": [series]})


def _read_back(url: str, time_ms: int) -> str:
    body = {
        "profileTypeID": CPU,
        "labelSelector": label_selector({"service_name": _PROBE_SERVICE}),
        "start": time_ms - _MARGIN_MS,
        "end": time_ms + _MARGIN_MS,
    }
    problem, response = _ask("POST", f"{url}/querier.v1.QuerierService/SelectMergeStacktraces", body)
    if problem:
        return problem
    total = (response.json().get("flamegraph") or {}).get("total", "0")
    return "" if total != "0" else "the profile pushed before is not there yet"
