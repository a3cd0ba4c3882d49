"""Pictures of flame graphs for the pages, with links, and with the data that the script zooms and searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import request, url_for
from markupsafe import Markup

from spanprofiles.linking import Linker
from spanprofiles.model import FlameGraph, Span
from spanprofiles.model.source_lines import SourceLines
from spanprofiles.report.svg import FlameBox, FlameLayout, Origin, flame_layout, flame_svg
from spanprofiles.report.svg.flame import flame_data
from spanprofiles.ui.origins import ServiceFiles
from spanprofiles.ui.sources import sources
from spanprofiles.ui.span_lines import places_of_boxes

_TREE_ROWS = 150
_NARROWEST_SHARE = 0.005


@dataclass(frozen=True)
class Picture:
    """A flame graph as a page shows it.

    Attributes:
        svg: the picture.
        data: for the script.
        boxes: how many boxes are drawn.
        folded: how many are too narrow to draw.
        focus: the box that fills the width.
        zoomed: whether that is a part of the whole.
        tells_origin: whether the origin of any function is known.
    """

    svg: Markup
    data: dict[str, Any]
    boxes: int
    folded: int
    focus: FlameBox
    zoomed: bool
    tells_origin: bool


@dataclass(frozen=True)
class TreeRow:
    """A line of the call tree as text: how deep, which box, how much of the whole."""

    depth: int
    box: FlameBox
    share: float


def files_of(span: Span, flamegraph: FlameGraph, linker: Linker, lines: SourceLines | None = None) -> ServiceFiles:
    """Return the files of the functions in a span's flame graph, from its own samples or its service's."""
    if lines is not None:
        sources().origins.learn(span.service, lines.files)
        return ServiceFiles(lines.files)
    query = replace(linker.query(span), profile_type=flamegraph.profile_type)
    return sources().origins.of(span.service, query, flamegraph.functions)


def layout_of(flamegraph: FlameGraph, title: str, files: ServiceFiles) -> FlameLayout:
    """Lay out a flame graph as the address asks: ``all=1`` shows every frame of the libraries."""
    fold = request.args.get("all", "") in {"", "0"}
    return flame_layout(flamegraph, title=title, origin_of=files.origin_of, fold_libraries=fold)


def address_of_box(**parameters: str) -> Callable[[FlameBox], str]:
    """Return a function that gives a box's address: this page, zoomed to the box."""
    base = url_for(request.endpoint or "", **{**(request.view_args or {}), **parameters})
    join = "&" if "?" in base else "?"
    kept = "".join(f"&{name}=1" for name in ("all",) if request.args.get(name) == "1")
    return lambda box: f"{base}{join}frame={box.key}{kept}"


def picture_of(
    layout: FlameLayout,
    files: ServiceFiles,
    label: str,
    address: Callable[[FlameBox], str],
    lines: SourceLines | None = None,
) -> Picture:
    """Draw a layout, zoomed to the frame that the address names."""
    focus = layout.find(request.args.get("frame", ""))
    places = places_of_boxes(layout, files, lines)
    drawn = flame_svg(layout, focus=focus, address=address, place_of=places.__getitem__, label=label)
    data = flame_data(layout)
    known = {place: number for number, place in enumerate(dict.fromkeys(places))}
    data["places"], data["at"] = list(known), [known[place] for place in places]
    tells = any(box.origin is not Origin.UNKNOWN for box in layout.boxes[1:])
    return Picture(
        Markup(drawn.svg),  # noqa: S704  # its texts are escaped there
        data,
        drawn.drawn,
        drawn.folded,
        layout.boxes[focus],
        bool(focus),
        tells,
    )


def tree_rows(layout: FlameLayout) -> list[TreeRow]:
    """Return the call tree as lines of text, without boxes too narrow to matter."""
    total = layout.whole.total or 1
    rows = [TreeRow(box.depth, box, box.total / total) for box in layout.boxes[1:]]
    return [row for row in rows if row.share >= _NARROWEST_SHARE][:_TREE_ROWS]
