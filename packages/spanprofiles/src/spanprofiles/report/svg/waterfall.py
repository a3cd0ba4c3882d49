"""A trace as SVG: a row for each span, bars on a common time axis, and under a linked span's bar the CPU it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from spanprofiles.model import Span, SpanStatus, Trace, estimate_text
from spanprofiles.model.amounts import duration
from spanprofiles.report.svg.markup import Value, clipped, document, percent, plain, tag

ROW_PX = 34

#: Spans that are drawn at most; those after them in the tree are left out.
MOST_ROWS = 1000

_AXIS_PX = 24
_NAMES = 0.38  # share of the width the names take
_INDENT_PX = 11
_DEEPEST = 12
_COLOURS = 8
_TICKS = 4
_ROOM_RIGHT = 0.72  # a bar that ends left of this has its text to the right
_NARROWEST = 0.003
_BAR_PX, _CPU_PX = 15, 5


@dataclass(frozen=True)
class SpanMark:
    """What is known of a span's profile.

    Attributes:
        cpu_ns: CPU time in its samples, ns; None where it has none, or was not asked for.
        dead: whether its profile ID leads to no samples.
        instead: what its samples measure instead of CPU time: ``1.84 s of wall time``.
    """

    cpu_ns: int | None = None
    dead: bool = False
    instead: str = ""


Place = tuple[str, str]


def place_of(span: Span) -> Place:
    """Return what has a colour of its own: the service, with the region where the resource names one."""
    region = span.resource.get("region") or span.resource.get("cloud.region")
    return span.service or "(no service name)", region if isinstance(region, str) else ""


def service_colours(trace: Trace) -> dict[Place, int]:
    """Return the number of the colour of each service and region, in order of their first span."""
    places = dict.fromkeys(place_of(span) for span in trace.spans)
    return {place: index % _COLOURS for index, place in enumerate(places)}


def waterfall_svg(
    trace: Trace,
    marks: Mapping[str, SpanMark] | None = None,
    *,
    chosen: str = "",
    address: Callable[[Span], str] | None = None,
    label: str = "",
) -> tuple[str, int]:
    """Draw a trace, or its first thousand spans.

    Args:
        trace: its spans.
        marks: what is known about spans' profiles, by span ID.
        chosen: ID of the span that is shown beside it.
        address: where a click on a row leads; None for no links.
        label: what a screen reader says of the picture.

    Returns:
        The element and its height, px.
    """
    rows = list(islice(trace.walk(), MOST_ROWS))
    colours = service_colours(trace)
    height = _AXIS_PX + ROW_PX * len(rows)
    attributes: dict[str, Value] = {"class": "picture waterfall", "width": "100%", "height": height}
    if label:
        attributes |= {"role": "group", "aria-label": label}
    drawn = [_axis(trace, height)]
    for index, (depth, span) in enumerate(rows):
        mark = (marks or {}).get(span.span_id, SpanMark())
        top = _AXIS_PX + ROW_PX * index
        content = _row(trace, span, depth, top, mark, colours[place_of(span)])
        row: dict[str, Value] = {"class": "row chosen" if span.span_id == chosen else "row"}
        if address is None:
            drawn.append(tag("g", row, *content))
            continue
        row |= {"href": address(span), "aria-label": describe(span, mark), "data-span": span.span_id}
        if span.span_id == chosen:
            row["aria-current"] = "true"
        drawn.append(tag("a", row, *content))
    return tag("svg", attributes, *drawn), height


def describe(span: Span, mark: SpanMark) -> str:
    """Say in one line what a row shows."""
    parts = [span.name, duration(span.duration_ns), *(name for name in place_of(span) if name)]
    if span.status is SpanStatus.ERROR:
        parts.append("error")
    if mark.cpu_ns is not None:
        more = ", more than it lasted" if mark.cpu_ns > span.duration_ns else ""
        parts.append(f"{estimate_text.of_what(estimate_text.SampledCpu(mark.cpu_ns))} in its span profile{more}")
    elif mark.instead:
        parts.append(f"{mark.instead} in its span profile")
    elif mark.dead:
        parts.append("its profile ID leads to no samples")
    return ", ".join(parts)


def _axis(trace: Trace, height: int) -> str:
    whole = trace.duration_ns
    parts = []
    for index in range(_TICKS + 1):
        share = index / _TICKS
        x = percent(_NAMES + (1 - _NAMES) * share * 0.999)
        anchor = "start" if index == 0 else "end" if index == _TICKS else "middle"
        parts.append(tag("line", {"class": "tick", "x1": x, "x2": x, "y1": _AXIS_PX - 4, "y2": height}))
        text = "0" if index == 0 else duration(round(whole * share))
        parts.append(tag("text", {"class": "time", "x": x, "y": 13, "text-anchor": anchor}, plain(text)))
    return tag("g", {"aria-hidden": "true"}, *parts)


def _row(trace: Trace, span: Span, depth: int, top: int, mark: SpanMark, colour: int) -> list[str]:
    indent = 6 + _INDENT_PX * min(depth, _DEEPEST)
    failed = span.status is SpanStatus.ERROR
    name = [tag("text", {"class": "name", "x": indent + 10, "y": 21}, plain(span.name))]
    if failed:
        name = [
            tag(
                "text",
                {"class": "name", "x": indent + 10, "y": 21},
                tag("tspan", {"class": "failed"}, "! "),
                plain(span.name),
            )
        ]
    swatch = tag("rect", {"class": f"service-{colour}", "x": indent, "y": 9, "width": 3, "height": ROW_PX - 18})
    return [
        tag("title", {}, plain(describe(span, mark))),
        tag("rect", {"class": "lane", "x": 0, "y": top, "width": "100%", "height": ROW_PX, "rx": 4}),
        clipped("0", top, percent(_NAMES - 0.01), ROW_PX, swatch, *name),
        tag(
            "svg",
            {"x": percent(_NAMES), "y": top, "width": percent(1 - _NAMES), "height": ROW_PX},
            *_bars(trace, span, mark, colour),
        ),
    ]


def _bars(trace: Trace, span: Span, mark: SpanMark, colour: int) -> list[str]:
    whole = trace.duration_ns or 1
    left = min(max((span.start_ns - trace.spans[0].start_ns) / whole, 0.0), 1 - _NARROWEST)
    width = min(max(span.duration_ns / whole, _NARROWEST), 1 - left)
    linked = mark.cpu_ns is not None or mark.dead
    top = 6 if linked else 9
    parts = [
        tag(
            "rect",
            {
                "class": f"service-{colour}",
                "x": percent(left),
                "y": top,
                "width": percent(width),
                "height": _BAR_PX,
                "rx": 2,
            },
        )
    ]
    beneath: dict[str, Value] = {"x": percent(left), "y": top + _BAR_PX + 2, "height": _CPU_PX, "rx": 2}
    if mark.cpu_ns is not None:
        cpu = min(mark.cpu_ns / whole, 1 - left)  # it can exceed the span's duration, and the picture
        parts.append(tag("rect", {"class": "cpu", **beneath, "width": percent(cpu)}))
        if mark.cpu_ns > span.duration_ns:
            parts += _excess(left + width, left + cpu, top + _BAR_PX + 2, cut=cpu < mark.cpu_ns / whole)
    elif mark.dead:
        parts.append(tag("rect", {"class": "dead", **beneath, "width": percent(width)}))
    return [*parts, _text(span, mark, left, width, top + 12)]


def _excess(start: float, end: float, top: int, *, cut: bool) -> list[str]:
    """Mark the part of a CPU bar beyond its span's duration, with an arrow where it leaves the picture."""
    parts = []
    if end > start:
        place: dict[str, Value] = {"x": percent(start), "y": top, "width": percent(end - start), "height": _CPU_PX}
        parts.append(tag("rect", {"class": "excess", **place, "rx": 2}))
    if cut:
        arrow = tag("path", {"class": "excess-arrow", "d": f"M-9 {top - 2}l8 {_CPU_PX / 2 + 2}l-8 {_CPU_PX / 2 + 2}z"})
        parts.append(tag("svg", {"x": "100%", "y": 0, "overflow": "visible"}, arrow))
    return parts


def _text(span: Span, mark: SpanMark, left: float, width: float, base: int) -> str:
    words = [tag("tspan", {}, plain(duration(span.duration_ns)))]
    if mark.cpu_ns is not None:
        words.append(tag("tspan", {}, plain(f" · {estimate_text.cpu_figure(mark.cpu_ns)} CPU")))
    elif mark.instead:
        words.append(tag("tspan", {}, plain(f" · {mark.instead.partition(' (')[0]}")))
    elif mark.dead:
        words.append(tag("tspan", {"class": "dead-text"}, " · no samples"))
    end = left + width
    if end <= _ROOM_RIGHT:
        return tag("text", {"class": "aside", "x": percent(end), "dx": 6, "y": base}, *words)
    if left >= 1 - _ROOM_RIGHT:
        return tag("text", {"class": "aside", "x": percent(left), "dx": -6, "y": base, "text-anchor": "end"}, *words)
    return tag("text", {"class": "aside inside", "x": percent(end), "dx": -6, "y": base, "text-anchor": "end"}, *words)


def waterfall_document(trace: Trace, marks: Mapping[str, SpanMark] | None = None) -> str:
    """Return a trace as an SVG file."""
    picture, height = waterfall_svg(trace, marks)
    notes = ["A bar is a span; the orange bar under it is the CPU time in its span profile."]
    return document(picture, title=f"trace {trace.trace_id}", notes=notes, width=1200, height=height)
