"""Values over time: the series of profiles, and the heatmap of spans."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from spanprofiles.embedded.deadline import Deadline
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    EXEMPLAR_TYPE_INDIVIDUAL,
    EXEMPLAR_TYPE_NONE,
    EXEMPLAR_TYPE_SPAN,
    HEATMAP_QUERY_TYPE_INDIVIDUAL,
    HEATMAP_QUERY_TYPE_SPAN,
    Exemplar,
    HeatmapSeries,
    HeatmapSlot,
    Point,
    SelectHeatmapRequest,
    SelectHeatmapResponse,
    SelectSeriesRequest,
    SelectSeriesResponse,
    Series,
)
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.label_queries import pairs
from spanprofiles.embedded.pyroscope.limits import CELLS_LIMIT, GROUP_LIMIT, POINTS_LIMIT
from spanprofiles.embedded.pyroscope.queries import Selection, profile_uuid, step_ms
from spanprofiles.embedded.pyroscope.samples import Samples
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.profiles import LARGEST_INTEGER

Labels = tuple[tuple[str, str], ...]
BUCKETS = 20
FEW = 16
"""How many values are put into buckets between two looks at the clock."""
TOTAL = attrgetter("total")
UNKNOWN = "rpc error: code = Unknown desc = "
INDIVIDUAL, SPAN = HEATMAP_QUERY_TYPE_INDIVIDUAL, HEATMAP_QUERY_TYPE_SPAN
EXEMPLARS_INDIVIDUAL, EXEMPLARS_SPAN = EXEMPLAR_TYPE_INDIVIDUAL, EXEMPLAR_TYPE_SPAN


def names_of(group_by: Sequence[str]) -> frozenset[str]:
    """Check the labels by which a question groups.

    Raises:
        ConnectError: they are too many.
    """
    names = frozenset(group_by)
    if len(names) > GROUP_LIMIT:
        raise ConnectError(f"more than {GROUP_LIMIT} labels to group by: ask for fewer")
    return names


def chosen(labels: dict[str, str], names: Collection[str]) -> Labels:
    """Pick the labels with some names."""
    return tuple(sorted((name, value) for name, value in labels.items() if name in names))


def step_of(time_ms: int, start_ms: int, step: int) -> int:
    """Return the end of the step in which a time lies; steps begin at the start, which is a step of its own."""
    return start_ms + max(0, -(-(time_ms - start_ms) // step)) * step


class TimeSeries:
    """Answers with values over time."""

    def __init__(self, database: Database, samples: Samples) -> None:
        self._database = database
        self._samples = samples

    def select(self, request: SelectSeriesRequest) -> SelectSeriesResponse:
        """``SelectSeries``: the sum of each step and group, the largest group first; a profile as example."""
        selection = Selection.of(request)
        step, names = step_ms(request.step), names_of(request.group_by)
        connection = self._database.reader()
        sums: dict[Labels, dict[int, int]] = {}
        uploads = _Uploads(names)
        with_exemplars = request.exemplar_type == EXEMPLARS_INDIVIDUAL
        count = 0
        for labels, time_ms, number, _, total in self._samples.individual_totals(connection, selection):
            end = step_of(time_ms, selection.start_ms, step)
            if end <= selection.end_ms:
                group = chosen(labels, names)
                points = sums.setdefault(group, {})
                count += end not in points
                if count > POINTS_LIMIT:
                    raise ConnectError(
                        f"the answer would have more than {POINTS_LIMIT} points: ask for a longer step, for less time,"
                        " or group by labels of fewer values"
                    )
                points[end] = points.get(end, 0) + total
                if with_exemplars:
                    uploads.add((group, end), labels, time_ms, number, total)
        ordered = sorted(sums.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        limit = request.limit if request.limit > 0 else len(ordered)
        return SelectSeriesResponse(
            series=[
                Series(
                    labels=pairs(group),
                    points=[
                        Point(
                            value=float(points[at]),
                            timestamp=at,
                            exemplars=uploads.exemplars((group, at)),
                        )
                        for at in connection.deadline.watch(sorted(points))
                    ],
                )
                for group, points in connection.deadline.watch(ordered[:limit])
            ],
        )

    def heatmap(self, request: SelectHeatmapRequest) -> SelectHeatmapResponse:
        """``SelectHeatmap``: how many spans, or profiles, have how much, with an example of each cell."""
        selection = Selection.of(request)
        step, names = step_ms(request.step), names_of(request.group_by)
        connection = self._database.reader()
        _check_heatmap(request.query_type, request.exemplar_type)
        groups: dict[Labels, dict[tuple[int, bytes, bytes], Cell]] = {}
        count = 0
        found = self._samples.span_totals if request.query_type == SPAN else self._samples.individual_totals
        for labels, time_ms, span_id, trace_id, total in found(connection, selection):
            group = groups.setdefault(chosen(labels, names), {})
            key = (time_ms, span_id, trace_id)
            rest = {name: value for name, value in labels.items() if name not in names}
            if key in group:
                group[key].add(total, rest)
            else:
                count += 1
                if count > CELLS_LIMIT:
                    raise ConnectError(f"there are more than {CELLS_LIMIT} of them in this time: ask for less time")
                group[key] = Cell(time_ms, span_id, trace_id, total, rest, request.query_type == INDIVIDUAL)
        with_exemplars = request.exemplar_type > EXEMPLAR_TYPE_NONE
        series = _heatmap_series(groups, selection, step, connection.deadline, with_exemplars=with_exemplars)
        limit = request.limit if request.limit > 0 else len(series)
        if limit < len(series):
            series.sort(key=lambda rows: -sum(count for slot in rows.slots for count in slot.counts))
        return SelectHeatmapResponse(series=series[:limit])


def _check_heatmap(query_type: int, exemplar_type: int) -> None:
    if exemplar_type == EXEMPLARS_INDIVIDUAL and query_type != INDIVIDUAL:
        raise ConnectError(f"{UNKNOWN}individual exemplars only available for individual query type", "unknown")
    if exemplar_type == EXEMPLARS_SPAN and query_type != SPAN:
        raise ConnectError(f"{UNKNOWN}span exemplars only available for span query type", "unknown")
    if query_type not in {INDIVIDUAL, SPAN}:
        raise ConnectError(f"{UNKNOWN}valid heatmap query type must be specified", "unknown")


@dataclass
class Cell:
    """What one span has in one profile; series that differ in a label lose it here.

    Where it is a whole profile (``is_profile``), the profile's number stands in place of the span's ID.
    """

    time_ms: int
    span_id: bytes
    trace_id: bytes
    total: int
    labels: dict[str, str]
    is_profile: bool = False

    def add(self, total: int, labels: dict[str, str]) -> None:
        """Add what another series has of the same span."""
        self.total += total
        self.labels = {name: value for name, value in self.labels.items() if labels.get(name) == value}

    def exemplar(self) -> Exemplar:
        """Make the message Exemplar of the span."""
        return Exemplar(
            timestamp=self.time_ms,
            profile_id=profile_uuid(int.from_bytes(self.span_id, "big")) if self.is_profile else "",
            span_id="" if self.is_profile else self.span_id.hex(),
            trace_id=self.trace_id.hex(),
            value=min(self.total, LARGEST_INTEGER),
            labels=pairs(sorted(self.labels.items())),
        )


class _Uploads:
    """What each upload has of each point: the profiles into which it was split are one again.

    Of very many, the one that has most of each point so far is remembered, and those that come after that.

    Args:
        names: the labels by which a question groups.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._cells: dict[tuple[Labels, int], dict[bytes, Cell]] = {}
        self._count, self._most = 0, CELLS_LIMIT

    def add(self, point: tuple[Labels, int], labels: dict[str, str], time_ms: int, number: bytes, total: int) -> None:
        """Add a profile."""
        cells = self._cells.setdefault(point, {})
        rest = {name: value for name, value in labels.items() if name not in self._names}
        if number in cells:
            cells[number].add(total, rest)
            return
        cells[number] = Cell(time_ms, number, b"", total, rest, is_profile=True)
        self._count += 1
        if self._count > self._most:
            self._forget_smaller()

    def _forget_smaller(self) -> None:
        for point, cells in self._cells.items():
            best = max(cells.values(), key=TOTAL)
            self._cells[point] = {best.span_id: best}
        self._count = len(self._cells)
        self._most = max(CELLS_LIMIT, 2 * self._count)

    def exemplars(self, point: tuple[Labels, int]) -> list[Exemplar]:
        """Return the upload that has most of a point; none where none was added."""
        cells = self._cells.get(point)
        return [max(cells.values(), key=TOTAL).exemplar()] if cells else []


def _bounds(totals: list[int]) -> tuple[list[int], Callable[[int], int]]:
    """Make the lower bounds of the value buckets, the same for every group, and a function that finds a value's."""
    low, high = min(totals), max(totals)
    size = (max(high, low + 1) - low) / BUCKETS
    lows = [low + int(number * size) for number in range(BUCKETS)]
    highs = [low + int((number + 1) * size) for number in range(BUCKETS)]

    def bucket(value: int) -> int:
        return next((number for number in range(BUCKETS) if lows[number] <= value < highs[number]), BUCKETS - 1)

    return lows, bucket


def _heatmap_series(
    groups: dict[Labels, dict[tuple[int, bytes, bytes], Cell]],
    selection: Selection,
    step: int,
    deadline: Deadline,
    *,
    with_exemplars: bool,
) -> list[HeatmapSeries]:
    totals = [cell.total for group in deadline.watch(groups.values()) for cell in group.values()]
    if not totals:
        return []
    lows, bucket = _bounds(totals)
    last = step_of(selection.end_ms, selection.start_ms, step)
    series = []
    for labels, group in deadline.watch(sorted(groups.items(), key=itemgetter(0))):
        slots: dict[int, dict[int, list[Cell]]] = {}
        for cell in deadline.watch(group.values(), FEW):
            at = min(step_of(cell.time_ms, selection.start_ms, step), last)
            slots.setdefault(at, {}).setdefault(bucket(cell.total), []).append(cell)
        made = []
        for at, buckets in deadline.watch(sorted(slots.items(), key=itemgetter(0))):
            best = [max(cells, key=TOTAL) for _, cells in sorted(buckets.items(), key=itemgetter(0))]
            made.append(
                HeatmapSlot(
                    timestamp=at,
                    y_min=[float(low) for low in lows],
                    counts=[len(buckets.get(number, ())) for number in range(BUCKETS)],
                    exemplars=[cell.exemplar() for cell in best] if with_exemplars else [],
                )
            )
        series.append(HeatmapSeries(labels=pairs(labels), slots=made))
    return series


def timeline(points: dict[int, int], start_ms: int, end_ms: int, step: int) -> dict[str, Any]:
    """Points (ms: value) as the older API's timeline: a number for each step, given in s, from a whole one on."""
    start, end = start_ms // 1000 // step, end_ms // 1000 // step
    samples = [0] * max(0, end - start)
    for at, value in points.items():
        place = math.floor(at / 1000 / step) - start
        if 0 <= place < len(samples):
            samples[place] = min(samples[place] + value, LARGEST_INTEGER)
    return {"startTime": start * step, "samples": samples, "durationDelta": step, "watermarks": None}
