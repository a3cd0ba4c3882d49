"""From a request to the flame graph of its spans: request, trace, local root span, profile ID, samples.

Every question waits for its answer until a deadline. When a hop is missing, the error says which one and what was
there instead.
"""

from __future__ import annotations

from spanprofiles.linking.errors import (
    LinkError,
    NoProfileIdError,
    NoSamplesError,
    NotTracedError,
    NotWaitingError,
    TraceNotFoundError,
)
from spanprofiles.linking.evidence import Evidence
from spanprofiles.linking.followed_request import FollowedRequest, Traced
from spanprofiles.linking.linked_span import LinkedSpan
from spanprofiles.linking.linker import Linker
from spanprofiles.linking.search import SearchedSpan, search_span
from spanprofiles.linking.session import TracedSession, await_answer, trace_context_of
from spanprofiles.waiting import Waiting

__all__ = [
    "Evidence",
    "FollowedRequest",
    "LinkError",
    "LinkedSpan",
    "Linker",
    "NoProfileIdError",
    "NoSamplesError",
    "NotTracedError",
    "NotWaitingError",
    "SearchedSpan",
    "TraceNotFoundError",
    "Traced",
    "TracedSession",
    "Waiting",
    "await_answer",
    "search_span",
    "trace_context_of",
]
