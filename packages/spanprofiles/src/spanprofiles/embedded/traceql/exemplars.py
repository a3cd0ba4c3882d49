"""Which spans are shown as exemplars: few, and spread over the time of the query."""

from __future__ import annotations

from spanprofiles.embedded.traceql.intervals import MILLISECOND_NS, Intervals

EACH = 2
"""How many exemplars may lie in one part of the time."""


class Exemplars:
    """Spreads exemplars over the time of a query.

    Args:
        limit: how many there may be.
        intervals: the steps of the query; an instant query has no exemplars.
    """

    def __init__(self, limit: int, intervals: Intervals) -> None:
        self._left = 0 if intervals.instant else limit
        parts = max(limit // EACH, 1)
        self._start_ms = intervals.start_ns // MILLISECOND_NS
        self._end_ms = intervals.end_ns // MILLISECOND_NS
        self._part_ms = max((self._end_ms - self._start_ms) // parts, 1)
        self._parts = [0] * parts

    def takes(self, timestamp_ms: int) -> bool:
        """Take one more exemplar, if there is room for it where it lies."""
        if not self._left or not self._start_ms <= timestamp_ms <= self._end_ms:
            return False
        part = min((timestamp_ms - self._start_ms) // self._part_ms, len(self._parts) - 1)
        if self._parts[part] >= EACH:
            return False
        self._parts[part] += 1
        self._left -= 1
        return True
