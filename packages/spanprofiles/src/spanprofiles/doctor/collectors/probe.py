"""Sends a span and a profile, and checks whether the servers keep them.

A Tempo that cannot write forgets a span within seconds and still says it is ready. Tempo 3.0.3 with a full disk answers
200 to what it is sent. It gives a trace back by its ID for the second or two in which the trace is in memory, but not
after it should have been written. The search never finds it, because it looks only at what was written. Tempo goes on
like this after there is room again, until it is restarted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spanprofiles.clients import ClientError, ProfileQuery, PyroscopeClient, TempoClient
from spanprofiles.clients.probe import PROBE_SERVICE, Probe
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import ProbedServer
from spanprofiles.linking import Waiting
from spanprofiles.model import PROFILE_ID_ATTRIBUTE, new_span_id, new_trace_id
from spanprofiles.model.selector import service_selector

_MARGIN_MS = 60_000
_SERVER = "Tempo"
# On its way from memory to disk a trace may be in neither for a moment.
_GONE_FOR_S = 1.5
_WINDOW_S = 600


def collect_probe(case: Case, facts: Facts) -> Facts:
    """Send a span and a profile under a service name of their own, read them back, and add what became of them."""
    sent = Probe(new_trace_id(), new_span_id(), case.question.now_ns)
    selector = service_selector(PROBE_SERVICE)
    middle_ms = case.question.now_ns // 1_000_000
    query = ProfileQuery(selector, middle_ms - _MARGIN_MS, middle_ms + _MARGIN_MS)
    trace = _probed_trace(case.tempo, case, sent) if case.otlp_http else ProbedServer("Tempo", "")
    return replace(facts, probed=(trace, _probed_profile(case.pyroscope, case, query, sent)))


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


def follow(tempo: TempoClient, sent: Probe, url: str, timeout_s: float) -> ProbedServer:
    """Look for the span until the search finds it, until it is gone again, or until the time is up.

    Args:
        tempo: where it should be.
        sent: the span.
        url: where it was sent.
        timeout_s: how long to look, s. A span that is still given back by its ID then counts as kept: with Tempo's
            default settings the search finds it only after 30 s.
    """
    came_s = gone_s = None
    last = ""
    waited = 0.0
    for waited in Waiting(timeout_s).attempts():
        try:
            is_there = tempo.trace(sent.trace_id) is not None
            last = ""
        except ClientError as error:
            last = str(error)
            continue
        if is_there:
            came_s, gone_s = (waited if came_s is None else came_s), None
            if _is_found(tempo, sent):
                break
        elif came_s is not None:
            gone_s = waited if gone_s is None else gone_s
            if waited - gone_s >= _GONE_FOR_S:
                return ProbedServer(_SERVER, url, sent=True, lost_after_s=gone_s, waited_s=waited)
    if came_s is None:
        return ProbedServer(_SERVER, url, sent=True, error=last, waited_s=waited)
    return ProbedServer(_SERVER, url, sent=True, came_back=True, waited_s=came_s)


def _is_found(tempo: TempoClient, sent: Probe) -> bool:
    start_s = sent.time_ns // 10**9
    query = f'{{ span.{PROFILE_ID_ATTRIBUTE} = "{sent.span_id}" }}'
    try:
        return bool(tempo.search(query, start_s=start_s - _WINDOW_S, end_s=start_s + _WINDOW_S, limit=1))
    except ClientError:  # it may refuse the search and still keep the span
        return False
