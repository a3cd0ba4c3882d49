"""Durations over time as SVG: a point for each request, so that an outlier can be clicked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spanprofiles.model.amounts import duration
from spanprofiles.report.svg.markup import Value, number, percent, plain, tag

HEIGHT_PX = 112

_TOP_PX, _BOTTOM_PX = 8, 20
_LEFT, _RIGHT = 0.005, 0.995
_GUTTER_PX = 48
_TIME_TICKS = 4
_RADIUS_PX, _FAILED_RADIUS_PX = 3.5, 4.5
_SHORTEST_NS = 1_000  # a duration of 0 is at the foot of the logarithmic scale
_FEW_DECADES = 3


@dataclass(frozen=True)
class Point:
    """One request.

    Attributes:
        time_ns: when it began, ns since the epoch.
        duration_ns: how long it took, ns.
        words: its description.
        colour: number of its colour, 0 to 7.
        failed: whether to draw it as failed.
        address: where a click on it leads.
    """

    time_ns: int
    duration_ns: int
    words: str
    colour: int
    failed: bool
    address: str


def scatter_svg(points: Sequence[Point], *, start_ns: int, end_ns: int, clock: Callable[[int], str], label: str) -> str:
    """Draw points on a common time axis and a logarithmic axis of durations.

    Args:
        points: in any order; there must be one.
        start_ns: left edge, ns since the epoch.
        end_ns: right edge, later than the left one.
        clock: writes a time of the axis.
        label: what a screen reader says of the picture.

    Returns:
        Two elements to put side by side: a narrow one with the durations of the axis, and the points.
    """
    ordered = sorted(points, key=lambda point: point.time_ns)
    ticks = duration_ticks([point.duration_ns for point in points])
    low, high = math.log(ticks[0]), math.log(ticks[-1])

    def y_of(duration_ns: int) -> float:
        share = (math.log(max(duration_ns, _SHORTEST_NS)) - low) / (high - low)
        return _TOP_PX + (1 - share) * (HEIGHT_PX - _TOP_PX - _BOTTOM_PX)

    def x_of(time_ns: int) -> str:
        share = min(max((time_ns - start_ns) / (end_ns - start_ns), 0.0), 1.0)
        return percent(_LEFT + share * (_RIGHT - _LEFT))

    drawn = []
    for index, point in enumerate(ordered):
        circle: dict[str, Value] = {
            "class": "failed" if point.failed else f"service-{point.colour}",
            "cx": x_of(point.time_ns),
            "cy": number(y_of(point.duration_ns)),
            "r": _FAILED_RADIUS_PX if point.failed else _RADIUS_PX,
        }
        # one stop for the Tab key: from there a script moves by the arrow keys
        link: dict[str, Value] = {"class": "point", "href": point.address, "tabindex": -1 if index else 0}
        words = plain(point.words)
        drawn.append(tag("a", {**link, "aria-label": point.words}, tag("title", {}, words), tag("circle", circle)))
    attributes: dict[str, Value] = {"class": "picture scatter", "width": "100%", "height": HEIGHT_PX}
    attributes |= {"role": "group", "aria-label": label}
    lines = [tag("line", {"class": "tick", "x1": 0, "x2": "100%", "y1": y, "y2": y}) for y in map(y_of, ticks)]
    behind = tag("g", {"aria-hidden": "true"}, *lines, *_times(start_ns, end_ns, x_of, clock))
    return _durations(ticks, y_of) + tag("svg", attributes, behind, *drawn)


def duration_ticks(durations_ns: Sequence[int]) -> list[int]:
    """Return round durations, ns, the first not longer than any of these and the last not shorter.

    They are 1 and 3 times a power of ten; over many decades, the powers alone.
    """
    shortest = max(min(durations_ns, default=_SHORTEST_NS), _SHORTEST_NS)
    longest = max(durations_ns, default=shortest)
    factors = (1, 3) if longest / shortest < 10**_FEW_DECADES else (1,)
    steps = [factor * 10**power for power in range(3, 20) for factor in factors]
    first = max(index for index, step in enumerate(steps) if step <= shortest)
    last = next((index for index, step in enumerate(steps) if step >= longest), len(steps) - 1)
    return steps[first : max(last, first + 1) + 1]


def _durations(ticks: Sequence[int], y_of: Callable[[int], float]) -> str:
    written = [(y_of(tick), duration(tick).replace(".00 ", " ").replace(".0 ", " ")) for tick in ticks]
    place: dict[str, Value] = {"class": "time", "x": _GUTTER_PX - 4, "text-anchor": "end"}
    attributes: dict[str, Value] = {"class": "picture scatter", "width": _GUTTER_PX, "height": HEIGHT_PX}
    texts = [tag("text", {**place, "y": y + 4}, plain(text)) for y, text in written]
    return tag("svg", {**attributes, "aria-hidden": "true"}, *texts)


def _times(start_ns: int, end_ns: int, x_of: Callable[[int], str], clock: Callable[[int], str]) -> list[str]:
    parts = []
    for index in range(_TIME_TICKS + 1):
        moment = start_ns + (end_ns - start_ns) * index // _TIME_TICKS
        anchor = "start" if index == 0 else "end" if index == _TIME_TICKS else "middle"
        place: dict[str, Value] = {"class": "time", "x": x_of(moment), "y": HEIGHT_PX - 4, "text-anchor": anchor}
        parts.append(tag("text", place, plain(clock(moment))))
    return parts
