"""The list of traces, with a row for each trace that the search found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from spanprofiles.clients import TempoClient
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS
from spanprofiles.ui.cpu import CpuCache, CpuState, Known
from spanprofiles.ui.filters import LIMIT, Filters
from spanprofiles.ui.found_request import SPANS, FoundRequest, request_of
from spanprofiles.ui.latency_history import LatencyHistory, PercentileRank

_SEARCHED = 3 * LIMIT  # many of them may be too short for the list


class LinkState(Enum):
    """Whether a row leads to samples, in the words of the page."""

    LINKED = "linked"
    WAITING = "waiting"
    TOO_SHORT = "no samples"
    DEAD = "dead link"
    NO_PROFILE_ID = "no profile ID"
    UNKNOWN = "not asked yet"


@dataclass(frozen=True)
class Row:
    """A row of the list: a request, its samples, and its rank among its kind.

    Attributes:
        request: the request.
        link: whether it leads to samples.
        cpu_ns: CPU time in its span profiles, ns; None where nothing is known.
        rank: how slow it is among its kind; None where too few are known.
        excess: what to say of CPU that is more than its duration; else empty.
    """

    request: FoundRequest
    link: LinkState
    cpu_ns: int | None
    rank: PercentileRank | None = None
    excess: str = ""


@dataclass(frozen=True)
class Listing:
    """The result of a search.

    Attributes:
        rows: in the order asked for.
        short: the requests too short to be sampled, likewise; none of them is in ``rows``.
        complete: whether these are all; False where there were more than the list holds.
        longest_ns: the longest duration in it, ns, which is the length of a full bar.
    """

    rows: tuple[Row, ...]
    short: tuple[Row, ...]
    complete: bool
    longest_ns: int

    @property
    def tells_rank(self) -> bool:
        """Whether any row has a rank."""
        return any(row.rank for row in self.rows)


def list_traces(
    tempo: TempoClient,
    cpu_cache: CpuCache,
    filters: Filters,
    timeout_s: float,
    latencies: LatencyHistory | None = None,
) -> Listing:
    """Search and sort.

    Args:
        tempo: where to search.
        cpu_cache: what is known of spans' CPU.
        filters: what to look for.
        timeout_s: how long to wait for CPU figures that are not known yet, s.
        latencies: what to compare the rows with; it remembers what is found.

    Raises:
        ClientError: Tempo does not answer, or refuses the TraceQL.
    """
    now_s = int(time.time())
    limit = LIMIT if filters.linked else _SEARCHED
    found = tempo.search(filters.traceql(), start_s=now_s - filters.seconds, end_s=now_s + 1, limit=limit, spans=SPANS)
    requests = [request for request in map(request_of, found) if suits(request, filters)]
    if latencies is not None and not filters.selective:
        latencies.learn(requests)
    requests.sort(
        key=lambda request: (request.is_too_short, -request.start_ns)
    )  # the list may leave these out, so it asks for them last
    known = cpu_cache.look([span for request in requests for span in request.spans], timeout_s)
    rows = [_row(request, known) for request in requests]
    if latencies is not None:
        rows = [replace(row, rank=latencies.rank(row.request.kind, row.request.duration_ns)) for row in rows]
    if filters.linked:
        rows = [row for row in rows if row.link is LinkState.LINKED]
    shown = [row for row in rows if row.link is not LinkState.TOO_SHORT]
    short = [row for row in rows if row.link is LinkState.TOO_SHORT]
    newest = _newest(shown, filters)
    return Listing(
        newest,
        _newest(short, filters),
        complete=len(found) < limit and len(shown) <= LIMIT and len(short) <= LIMIT,
        longest_ns=max((row.request.duration_ns for row in newest), default=0),
    )


def _newest(rows: Iterable[Row], filters: Filters) -> tuple[Row, ...]:
    """Return the newest rows, as many as the list holds, in the order asked for."""
    newest = sorted(rows, key=lambda row: -row.request.start_ns)[:LIMIT]
    return tuple(sorted(newest, key=lambda row: _sort_key(row, filters.sort), reverse=not filters.ascending))


def suits(request: FoundRequest, filters: Filters) -> bool:
    """Tell whether a found request belongs in the list: it is no health check, and has no failed span if none may."""
    if not filters.service and request.service in CHECKING_SERVICES:
        return False
    return filters.status != "ok" or not request.failed


def _row(request: FoundRequest, known: Mapping[str, Known]) -> Row:
    added = {profile_id for span in request.spans for profile_id in known[span.profile_id].added}
    verdicts = [known[span.profile_id] for span in request.spans if span.profile_id not in added]
    if not verdicts:
        return Row(request, LinkState.NO_PROFILE_ID, None)
    cpu_ns = sum(verdict.cpu_ns for verdict in verdicts)
    if cpu_ns:
        return Row(request, LinkState.LINKED, cpu_ns, excess=_excess(request, known, cpu_ns))
    states = {verdict.state for verdict in verdicts}
    if CpuState.FOUND in states:  # by another type of profile than CPU time
        return Row(request, LinkState.LINKED, None)
    if request.is_too_short:
        return Row(request, LinkState.TOO_SHORT, None)
    if CpuState.NOT_ASKED in states:
        return Row(request, LinkState.UNKNOWN, None)
    return Row(request, LinkState.WAITING if CpuState.WAITING in states else LinkState.DEAD, None)


def _excess(request: FoundRequest, known: Mapping[str, Known], cpu_ns: int) -> str:
    if cpu_ns - request.duration_ns < SAMPLE_PERIOD_NS:
        return ""
    if any(known[span.profile_id].cpu_ns - (span.end_ns - span.start_ns) >= SAMPLE_PERIOD_NS for span in request.spans):
        return "More CPU than it lasted: open it to see why"
    return f"The CPU of {len(request.spans)} spans is added up: together more than the longest of them lasted"


def _sort_key(row: Row, sort: str) -> tuple[float | str, int]:
    request = row.request
    keys: dict[str, float | str] = {
        "time": request.start_ns,
        "request": request.title,
        "region": request.region,
        "duration": request.duration_ns,
        "cpu": -1 if row.cpu_ns is None else row.cpu_ns,
    }
    return keys[sort], request.start_ns
