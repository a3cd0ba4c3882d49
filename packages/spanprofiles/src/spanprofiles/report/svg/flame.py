"""A flame graph as SVG: one box a frame, as wide as its share, the outermost functions on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from spanprofiles.model import FlameGraph, estimate_text
from spanprofiles.report.svg.layout import FlameBox, FlameLayout, Origin, checksum, flame_layout
from spanprofiles.report.svg.markup import clipped, document, percent, plain, tag

ROW_PX = 20
_BOX_PX = 19
_WIDTH_PX = 1200
_NARROWEST_PX = 0.5
_MOST_DRAWN = 3000
_MOST_CHARACTERS, _FEWEST_CHARACTERS = 4_000_000, 40
_CHARACTER_PX = 4
_TEXT_FROM_PX = 28
_STROKE_FROM_PX = 3
_HUES = 6
_WORDS = {Origin.OWN: "your code", Origin.LIBRARY: "library", Origin.UNKNOWN: ""}

Address = Callable[[FlameBox], str]
PlaceOf = Callable[[int], str]
"""Where in the source code the box of an index is; an empty text where that is not known."""


@dataclass(frozen=True)
class FlamePicture:
    """A drawn flame graph.

    Attributes:
        svg: the element.
        drawn: boxes in it.
        folded: boxes left out: those narrower than half a pixel, and the narrowest of too many.
        height: px.
    """

    svg: str
    drawn: int
    folded: int
    height: int


@dataclass(frozen=True)
class Placed:
    """A box with its place in the picture: left edge and width as shares of it, 0 to 1."""

    index: int
    box: FlameBox
    left: float
    width: float


def left_out_note(count: int) -> str:
    """Say how many boxes a picture leaves out."""
    return f"And {count:,} smaller boxes are folded away." if count > 1 else "And a smaller box is folded away."


def place(layout: FlameLayout, focus: int, width_px: int) -> tuple[list[Placed], int]:
    """Place the boxes when the box ``focus`` fills the width; those above it fill it too.

    Returns:
        The boxes at least half a pixel wide, or the widest of very many, and the number of those left out.
    """
    at = layout.boxes[focus]
    above = set(layout.lineage(focus))
    placed, folded = [], layout.left_out
    for index, box in enumerate(layout.boxes):
        if index in above:
            placed.append(Placed(index, box, 0.0, 1.0))
        elif box.start >= at.start and box.start + box.total <= at.start + at.total and box.depth > at.depth:
            width = box.total / at.total
            if width * width_px < _NARROWEST_PX:
                folded += 1
            else:
                placed.append(Placed(index, box, (box.start - at.start) / at.total, width))
    if len(placed) > _MOST_DRAWN:
        drawn = sorted(placed, key=lambda rect: (-rect.width, rect.index))[:_MOST_DRAWN]
        return sorted(drawn, key=lambda rect: rect.index), folded + len(placed) - _MOST_DRAWN
    return placed, folded


def fitting(label: str, rect: Placed, width_px: int) -> str:
    """Return the beginning of a label that fits, and a little more: the box cuts it off at its edge."""
    return label[: int(rect.width * width_px) // _CHARACTER_PX]


def box_class(box: FlameBox) -> str:
    """Return the classes that colour a box: whose code it is, and one of six tints by its name."""
    if box.parent < 0:
        return "whole"
    tint = checksum(box.names[-1]) % _HUES
    folded = " chain" if len(box.names) > 1 else ""
    return f"{box.origin.value} t{tint}{folded}"


def value_text(layout: FlameLayout, value: int) -> str:
    """Write a box's value with how well it and its share are known."""
    return f"{estimate_text.amount(layout, value)}, {estimate_text.share_of(layout, value)}"


def describe(box: FlameBox, layout: FlameLayout, place: str = "") -> str:
    """Say in one line what a box stands for: function, where and whose it is, total and own time, and their shares."""
    parts = [
        box.label,
        place,
        _WORDS[box.origin] if box.parent >= 0 else "",
        f"total {value_text(layout, box.total)}",
        f"self {value_text(layout, box.self)}",
    ]
    return ", ".join(part for part in parts if part)


def flame_svg(
    layout: FlameLayout,
    *,
    focus: int = 0,
    width_px: int = _WIDTH_PX,
    address: Address | None = None,
    place_of: PlaceOf = lambda _: "",
    label: str = "",
    upwards: bool = False,
    without_whole: bool = False,
) -> FlamePicture:
    """Draw a flame graph.

    Args:
        layout: its boxes; there must be samples.
        focus: index of the box that fills the width.
        width_px: roughly how wide the picture will be: boxes narrower than half a pixel are left out, and of very many
            the narrowest.
        address: where a click on a box leads; None for no links.
        place_of: where in the source code a box is.
        label: what a screen reader says of the picture.
        upwards: whether the whole is at the bottom, with the rows above it.
        without_whole: whether to leave out the row of the whole.
    """
    placed, folded = place(layout, focus, width_px)
    rows = 1 + max(rect.box.depth for rect in placed)
    if without_whole:
        placed = [rect for rect in placed if rect.box.depth]

    def words(rect: Placed) -> str:
        return describe(rect.box, layout, place_of(rect.index))

    def top_of(box: FlameBox) -> int:
        return ROW_PX * (rows - 1 - box.depth if upwards else box.depth - without_whole)

    depth = layout.boxes[focus].depth
    drawn = [
        _draw(rect, top_of(rect.box), words(rect), width_px, address, faded=rect.box.depth < depth) for rect in placed
    ]
    height = ROW_PX * (rows - without_whole)
    attributes: dict[str, str | int | float] = {"class": "picture flame", "width": "100%", "height": height}
    if label:
        attributes |= {"role": "img", "aria-label": label}
    return FlamePicture(tag("svg", attributes, *drawn), len(placed), folded, height)


def _draw(rect: Placed, top: int, words: str, width_px: int, address: Address | None, *, faded: bool) -> str:
    box = rect.box
    left, width = percent(rect.left), percent(rect.width)
    classes = f"box {box_class(box)}"
    if rect.width * width_px < _STROKE_FROM_PX:
        classes += " thin"
    if faded:
        classes += " faded"
    content = [
        tag("title", {}, plain(words)),
        tag("rect", {"x": left, "y": top, "width": width, "height": _BOX_PX, "rx": 2}),
    ]
    if rect.width * width_px >= _TEXT_FROM_PX:
        content.append(
            clipped(
                left, top, width, _BOX_PX, tag("text", {"x": 5, "y": 14}, plain(fitting(box.label, rect, width_px)))
            )
        )
    if address is None:
        return tag("g", {"class": classes}, *content)
    return tag("a", {"class": classes, "href": address(box), "tabindex": -1, "data-box": rect.index}, *content)


def flame_data(layout: FlameLayout) -> dict[str, Any]:
    """Return the boxes as plain lists, for a script that zooms and searches: names once, boxes by their indexes."""
    numbers: dict[str, int] = {}
    longest = _longest_names(layout)

    def number_of(names: tuple[str, ...]) -> Iterator[int]:
        for name in names:
            yield numbers.setdefault(name[:longest], len(numbers))

    boxes = [
        [box.parent, box.start, box.total, box.self, box_class(box), box.key, list(number_of(box.names))]
        for box in layout.boxes
    ]
    values = sorted({value for box in layout.boxes for value in (box.total, box.self)})
    return {
        "kind": "profile",
        "names": list(numbers),
        "boxes": boxes,
        "leftOut": layout.left_out,
        "written": {str(value): value_text(layout, value) for value in values},
    }


def _longest_names(layout: FlameLayout) -> int:
    """Return how many characters of a name a page gets: all of them unless the names are far too long together."""
    names = {name for box in layout.boxes for name in box.names}
    if sum(map(len, names)) <= _MOST_CHARACTERS:
        return max(map(len, names), default=0)
    return max(_FEWEST_CHARACTERS, _MOST_CHARACTERS // len(names))


def flame_document(flamegraph: FlameGraph, *, title: str, layout: FlameLayout | None = None) -> str:
    """Return a flame graph as an SVG file.

    Args:
        flamegraph: what to draw.
        title: one line above it.
        layout: how to draw it; None for the plain layout.
    """
    if flamegraph.is_empty:
        return document(tag("g", {}), title=title, notes=["no samples"], width=_WIDTH_PX, height=0)
    picture = flame_svg(layout or flame_layout(flamegraph))
    notes = [
        f"{flamegraph.amount}. A box is a function; its width is the share of the {flamegraph.measure} spent in it and"
        " in what it called."
    ]
    if picture.folded:
        notes.append(left_out_note(picture.folded))
    return document(picture.svg, title=title, notes=notes, width=_WIDTH_PX, height=picture.height)
