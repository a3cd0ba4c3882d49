"""How slow the request of a trace is among its kind. The page searches for the kind where it has not seen it yet."""

from __future__ import annotations

from spanprofiles.clients import ClientError
from spanprofiles.model import Trace
from spanprofiles.ui.filters import HTTP_METHOD_ATTRIBUTES, Filters, quoted
from spanprofiles.ui.found_request import SPANS, RequestKind, request_of, title_of
from spanprofiles.ui.latency_history import PercentileRank
from spanprofiles.ui.sources import Sources

_AROUND_S = 900
_LIMIT = 300


def rank_of_trace(trace: Trace, source: Sources) -> PercentileRank | None:
    """Return how slow a trace's request is; None where too few of its kind are found."""
    entry = next(iter(trace.local_roots or trace.spans), None)
    if entry is None:
        return None
    route = str(entry.attributes.get("http.route", ""))
    method = next((str(entry.attributes[name]) for name in HTTP_METHOD_ATTRIBUTES if name in entry.attributes), "")
    title = title_of(route, method) if route else trace.tops[0].name
    kind: RequestKind = (entry.service, title)
    known = source.latencies.rank(kind, entry.duration_ns)
    if known is not None or not entry.service:
        return known
    filters = Filters(service=entry.service, route=route, query="" if route else f"{{ name = {quoted(title)} }}")
    start_s = entry.start_ns // 10**9
    try:
        found = source.linker.tempo.search(
            filters.traceql(), start_s=start_s - _AROUND_S, end_s=start_s + _AROUND_S, limit=_LIMIT, spans=SPANS
        )
    except ClientError:
        return None  # the page is complete without it
    source.latencies.learn(request for request in map(request_of, found) if request.kind == kind)
    return source.latencies.rank(kind, entry.duration_ns)
