"""All requests that the list's filters find, as one group with one flame graph."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spanprofiles.linking import Linker
from spanprofiles.measure.span_group import LONGEST_S
from spanprofiles.model import FlameGraph, IdentifierError, parse_span_id
from spanprofiles.ui.comparison import merged_spans
from spanprofiles.ui.filters import Filters
from spanprofiles.ui.found_request import SPANS, FoundRequest, request_of
from spanprofiles.ui.trace_list import suits

#: Requests of a group at most: the newest.
MOST_REQUESTS = 500


@dataclass(frozen=True)
class RequestGroup:
    """Requests with one flame graph.

    Attributes:
        requests: those that have a span with a profile ID, the newest first.
        unlinked: how many others were found.
        spans: how many spans the flame graph is of.
        flamegraph: the samples of all of them together.
        complete: whether these are all that the filters find.
    """

    requests: tuple[FoundRequest, ...]
    unlinked: int
    spans: int
    flamegraph: FlameGraph
    complete: bool

    @property
    def mean(self) -> FlameGraph:
        """The flame graph of the average request."""
        return self.flamegraph.divided(len(self.requests) or 1)


def find_requests(linker: Linker, filters: Filters) -> RequestGroup:
    """Search, and merge the samples of all requests that were found.

    Args:
        linker: of the backend.
        filters: what to look for.

    Raises:
        ClientError: a server does not answer, or Tempo refuses the TraceQL.
    """
    end_s = int(time.time()) + 1
    found = linker.tempo.search(
        filters.traceql(), start_s=end_s - 1 - filters.seconds, end_s=end_s, limit=MOST_REQUESTS, spans=SPANS
    )
    requests = sorted(
        (request for request in map(request_of, found) if suits(request, filters)),
        key=lambda request: -request.start_ns,
    )
    linked = [request for request in requests if any(_is_span_id(span.profile_id) for span in request.spans)]
    near = [request for request in linked if linked[0].start_ns - request.start_ns < LONGEST_S * 10**9]
    spans = [span for request in near for span in request.spans if _is_span_id(span.profile_id)]
    flamegraph, count = merged_spans(linker, spans) if spans else (FlameGraph(), 0)
    complete = len(found) < MOST_REQUESTS and len(near) == len(linked)
    return RequestGroup(tuple(near), len(requests) - len(linked), count, flamegraph, complete)


def _is_span_id(text: str) -> bool:
    try:
        return parse_span_id(text) == text.lower()
    except IdentifierError:
        return False
