"""How slow a request is among its kind: the requests of the same service and name that the page has seen."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from spanprofiles.model.percentiles import share_below
from spanprofiles.ui.found_request import FoundRequest, RequestKind

_REMEMBERED = 20_000
#: Fewer requests have no percentiles: a single one would change them by more than five percent.
FEWEST = 20


@dataclass(frozen=True)
class PercentileRank:
    """How slow one request is among its kind.

    Attributes:
        faster: share of its kind that took less time, 0 to 1.
        count: how many of its kind are known.
        since_ns: when the oldest of them began, ns since the epoch.
    """

    faster: float
    count: int
    since_ns: int

    @property
    def percentile(self) -> int:
        """The percentile it is at, 0 to 99."""
        return min(int(self.faster * 100), 99)

    @property
    def is_fastest(self) -> bool:
        """Whether none of its kind took less time."""
        return not self.faster


class LatencyHistory:
    """Remembers how long the requests of each kind took; the oldest known are forgotten. Safe for several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[RequestKind, int, int]] = OrderedDict()
        self._durations: dict[RequestKind, list[int]] = {}
        self._starts: dict[RequestKind, list[int]] = {}
        self._lock = Lock()

    def learn(self, requests: Iterable[FoundRequest]) -> None:
        """Remember requests. A known request is replaced, because its trace may have grown.

        Args:
            requests: a fair sample of their kinds, such as the newest of all; not the slowest ones.
        """
        with self._lock:
            for request in requests:
                self._forget(request.trace_id)
                kind = (request.service, request.title)
                self._known[request.trace_id] = (kind, request.duration_ns, request.start_ns)
                insort(self._durations.setdefault(kind, []), request.duration_ns)
                insort(self._starts.setdefault(kind, []), request.start_ns)
            while len(self._known) > _REMEMBERED:
                self._forget(next(iter(self._known)))

    def rank(self, kind: RequestKind, duration_ns: int) -> PercentileRank | None:
        """Return how slow a request is among its kind; None where too few are known."""
        with self._lock:
            durations = self._durations.get(kind, [])
            if len(durations) < FEWEST:
                return None
            return PercentileRank(share_below(durations, duration_ns), len(durations), self._starts[kind][0])

    def _forget(self, trace_id: str) -> None:
        known = self._known.pop(trace_id, None)
        if known is None:
            return
        kind, duration_ns, start_ns = known
        for ordered, value in ((self._durations[kind], duration_ns), (self._starts[kind], start_ns)):
            del ordered[bisect_left(ordered, value)]
        if not self._durations[kind]:
            del self._durations[kind], self._starts[kind]
