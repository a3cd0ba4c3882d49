"""Asks both servers whether they are ready, and what time it is; sends the probe."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from spanprofiles.clients import (
    ClientError,
    ProfileQuery,
    PyroscopeClient,
    RequestRefusedError,
    TempoClient,
)
from spanprofiles.clients.answers import Answer
from spanprofiles.clients.probe import PROBE_SERVICE, Probe
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.kept_span import follow
from spanprofiles.doctor.facts import ProbedServer, ServerFacts
from spanprofiles.linking import Waiting
from spanprofiles.model import new_span_id, new_trace_id
from spanprofiles.model.selector import service_selector

_NOT_FOUND = 404
_MARGIN_MS = 60_000
_MAY_NOT = {401, 403}


def servers(case: Case) -> tuple[ServerFacts, ...]:
    """Ask both."""
    now_ms = case.now_ns // 1_000_000
    return (
        _server(case.tempo, case.tempo.check_answers),
        _server(case.pyroscope, lambda: case.pyroscope.profile_types(now_ms - _MARGIN_MS, now_ms)),
    )


def _server(client: TempoClient | PyroscopeClient, ask: Callable[[], object]) -> ServerFacts:
    """Ask one: whether it is ready, where it says so (a hosted service does not), and something only it can answer."""
    name, url = client.server, client.url
    ready, ahead_s = False, None
    try:
        ahead_s = _clock_ahead_s(client.ready())
        ready = True
    except RequestRefusedError as error:
        if error.status != _NOT_FOUND and error.status not in _MAY_NOT:
            return ServerFacts(name, url, f"{name} is not ready at {url}: {error.status} {error.answer}")
    except ClientError as error:
        return ServerFacts(name, url, str(error), answers=False)
    try:
        ask()
    except ClientError as error:
        if not ready:
            return ServerFacts(name, url, str(error), answers=False)
        if isinstance(error, RequestRefusedError) and error.status == _NOT_FOUND:
            problem = f"what is ready at {url} is no {name}: it answers 404 to what every {name} knows"
            return ServerFacts(name, url, problem, answers=False, is_another=True)
        # it is ready and fails: the hop that needs the answer will say so
    return ServerFacts(name, url, clock_ahead_s=ahead_s, failed_writes=client.failed_writes())


def _clock_ahead_s(answer: Answer) -> float | None:
    """Return a server's clock less this machine's, s; a header tells whole seconds, rounded down."""
    try:
        date_s = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError, OSError):  # the last two: a year out of range
        return None
    return date_s + 0.5 - time.time()


def probe(case: Case) -> tuple[ProbedServer, ...]:
    """Send one span and one profile under a name of their own, and read them back."""
    sent = Probe(new_trace_id(), new_span_id(), case.now_ns)
    selector = service_selector(PROBE_SERVICE)
    middle_ms = case.now_ns // 1_000_000
    query = ProfileQuery(selector, middle_ms - _MARGIN_MS, middle_ms + _MARGIN_MS)
    return (
        _probed_trace(case.tempo, case, sent) if case.otlp_http else ProbedServer("Tempo", ""),
        _probed_profile(case.pyroscope, case, query, sent),
    )


def _probed_trace(tempo: TempoClient, case: Case, sent: Probe) -> ProbedServer:
    try:
        sent.send_span(case.otlp_http, case.credentials)
    except ClientError as error:
        return ProbedServer("Tempo", case.otlp_http, error=str(error))
    return follow(tempo, sent, case.otlp_http, case.probe_timeout_s)


def _probed_profile(pyroscope: PyroscopeClient, case: Case, query: ProfileQuery, sent: Probe) -> ProbedServer:
    try:
        sent.push_profile(pyroscope)
    except ClientError as error:
        return ProbedServer("Pyroscope", pyroscope.url, error=str(error))
    url = pyroscope.url
    return _read_back(case, "Pyroscope", url, lambda: not pyroscope.span_profile(query, [sent.span_id]).is_empty)


def _read_back(case: Case, server: str, url: str, is_there: Callable[[], bool]) -> ProbedServer:
    waited, last = 0.0, ""
    for waited in Waiting(case.probe_timeout_s).attempts():
        try:
            if is_there():
                return ProbedServer(server, url, sent=True, came_back=True, waited_s=waited)
            last = ""
        except ClientError as error:
            last = str(error)
    return ProbedServer(server, url, sent=True, error=last, waited_s=waited)
