"""Asks both servers whether they are ready, and what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime

from spanprofiles.clients import ClientError, PyroscopeClient, RequestRefusedError, TempoClient
from spanprofiles.clients.answers import Answer
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import ServerFacts

_NOT_FOUND = 404
_MARGIN_MS = 60_000
_MAY_NOT = {401, 403}


def collect_servers(case: Case, facts: Facts) -> Facts:
    """Add whether both servers are ready."""
    now_ms = case.question.now_ns // 1_000_000
    servers = (
        _server(case.tempo, case.tempo.check_answers),
        _server(case.pyroscope, lambda: case.pyroscope.profile_types(now_ms - _MARGIN_MS, now_ms)),
    )
    return replace(facts, servers=servers)


def _server(client: TempoClient | PyroscopeClient, ask: Callable[[], object]) -> ServerFacts:
    """Ask a server whether it is ready (a hosted service does not say), and something only such a server can answer."""
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
            problem = f"the server at {url} is ready, but is not {name}: it answers 404 to what every {name} knows"
            return ServerFacts(name, url, problem, answers=False, is_another=True)
        # it is ready and fails: the hop that needs the answer will report it
    return ServerFacts(name, url, clock_ahead_s=ahead_s, failed_writes=client.failed_writes())


def _clock_ahead_s(answer: Answer) -> float | None:
    """Return a server's clock less this machine's, s. The header has whole seconds, rounded down."""
    try:
        date_s = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError, OSError):  # the last two: a year out of range
        return None
    return date_s + 0.5 - time.time()
