"""When the agent uploaded, by the dates of profiles, and so whether a span's samples can have arrived."""

from __future__ import annotations

from enum import Enum
from itertools import pairwise

from spanprofiles.clients import ProfileSeries
from spanprofiles.doctor.observations import LinkFacts
from spanprofiles.model import Span
from spanprofiles.model.unlabelled import Timeline

#: The upload interval of Pyroscope's agents unless told otherwise, s.
USUAL_INTERVAL_S = 10.0

_LATE_S = 2.0
_MS_PER_S = 1000


class Arrival(Enum):
    """Whether the upload that would hold a span's samples is there."""

    ARRIVED = "arrived"
    AWAITED = "may still come"
    MISSING = "should have arrived but has not"


class Uploads:
    """The uploads of a service's processes.

    Args:
        links: profiles over time, and the label that tells processes apart.
        processes: how many processes the spans come from.
        now_ns: when the servers were asked, ns since the epoch.
        given_s: the upload interval where the user gave it, s.
    """

    def __init__(self, links: LinkFacts, processes: int, now_ns: int, given_s: float | None = None) -> None:
        self.now_ns = now_ns
        self._label = links.process_label
        self._step_ms = links.step_s * _MS_PER_S
        self._all = _dates(links.uploads)
        self._by_process: dict[str, tuple[list[int], list[tuple[int, float]]]] = {}
        if self._label is not None:
            for value in {series.labels.get(self._label.label, "") for series in links.uploads}:
                mine = [series for series in links.uploads if series.labels.get(self._label.label, "") == value]
                self._by_process[value] = (_dates(mine), [point for series in mine for point in series.points])
        self._are_mixed = processes > max(1, len(self._by_process))  # when a single process uploaded is unknown
        self._points = [point for series in links.uploads for point in series.points]
        gaps = [_least_gap(dates) for dates, _ in self._by_process.values()] or [_least_gap(self._all)]
        known = [gap for gap in gaps if gap is not None]
        #: The agent's upload interval, s: as the user gave it, else as the dates of two uploads or more show it.
        self.interval_s: float | None = given_s or (max(known) / _MS_PER_S if known else None)

    def has_process(self, span: Span) -> bool | None:
        """Tell whether there are profiles of the span's process; None where no label tells processes apart."""
        return None if self._label is None else self._label.value(span) in self._by_process

    def arrival(self, span: Span) -> Arrival:
        """Tell whether the upload that would hold the span's samples is there."""
        dates, _ = self._of(span)
        interval_s = self.interval_s or USUAL_INTERVAL_S
        if dates:
            covered_ms = dates[-1] - self._step_ms  # dates are rounded up to a step
            if not self._are_mixed and self.interval_s is not None:
                covered_ms += self.interval_s * _MS_PER_S
            if span.end_ns / 1e6 <= covered_ms:
                return Arrival.ARRIVED
        return Arrival.MISSING if is_overdue(span, self.now_ns, interval_s) else Arrival.AWAITED

    def cpu_around_ns(self, span: Span) -> float:
        """Return the sum of the profiles of the span's process that can hold its samples, ns."""
        _, points = self._of(span)
        first_ms = span.start_ns / 1e6 - (self.interval_s or USUAL_INTERVAL_S) * _MS_PER_S
        last_ms = span.end_ns / 1e6 + self._step_ms
        return sum(value for date_ms, value in points if first_ms <= date_ms <= last_ms)

    def timeline_frame(self) -> Timeline:
        """Return a timeline without points, which knows the length of steps and uploads."""
        interval_ms = (self.interval_s or USUAL_INTERVAL_S) * _MS_PER_S
        return Timeline((), self._step_ms, interval_ms, 0.0)

    def _of(self, span: Span) -> tuple[list[int], list[tuple[int, float]]]:
        if self._label is not None:
            found = self._by_process.get(self._label.value(span))
            if found is not None:
                return found
        return self._all, self._points


def is_overdue(span: Span, now_ns: int, interval_s: float | None) -> bool:
    """Tell whether the upload with the span's samples should have come by now, even if another was under way."""
    return now_ns - span.end_ns > (2 * (interval_s or USUAL_INTERVAL_S) + _LATE_S) * 1e9


def _dates(series: tuple[ProfileSeries, ...] | list[ProfileSeries]) -> list[int]:
    return sorted({date_ms for process in series for date_ms, _ in process.points})


def _least_gap(dates: list[int]) -> int | None:
    return min((after - before for before, after in pairwise(dates)), default=None)
