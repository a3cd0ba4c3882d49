"""Whether Tempo keeps a span that it took: one that cannot write forgets it within seconds, and says that it is ready.

Seen of Tempo 3.0.3 with a full disk: it answers 200 to what it is sent, and gives a trace back by its ID for the second
or two in which it is in memory, but not after it should have been written. The search never finds it, for it looks only
at what was written. It goes on so after there is room again, until it is restarted.
"""

from __future__ import annotations

from spanprofiles.clients import ClientError, TempoClient
from spanprofiles.clients.probe import Probe
from spanprofiles.doctor.facts import ProbedServer
from spanprofiles.linking import Waiting
from spanprofiles.model import PROFILE_ID_ATTRIBUTE

_SERVER = "Tempo"
# From memory to what was written a trace may pass through a moment in which it is in neither.
_GONE_FOR_S = 1.5
_WINDOW_S = 600


def follow(tempo: TempoClient, sent: Probe, url: str, timeout_s: float) -> ProbedServer:
    """Look for the span until the search finds it, until it is gone again, or until the time is over.

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
    except ClientError:  # it may refuse to search and keep the span all the same
        return False
