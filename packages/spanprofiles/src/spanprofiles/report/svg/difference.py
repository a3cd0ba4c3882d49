"""Two flame graphs in one picture: functions that take longer are red and marked +, those that take less blue and -."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spanprofiles.model import FlameGraph, Frame
from spanprofiles.model.amounts import duration
from spanprofiles.report.svg.flame import (
    ROW_PX,
    Address,
    FlamePicture,
    Placed,
    fitting,
    flame_data,
    left_out_note,
    place,
)
from spanprofiles.report.svg.layout import FlameBox, FlameLayout, OriginOf, flame_layout, unknown_origin
from spanprofiles.report.svg.markup import clipped, document, percent, plain, tag

_WIDTH_PX = 1200
_BOX_PX = 19
_TEXT_FROM_PX = 28
Sides = tuple[str, str]

#: What the two sides are called.
BEFORE_AND_AFTER: Sides = ("before", "after")

_STEPS = (0.005, 0.03, 0.10, 0.25)


@dataclass(frozen=True)
class DifferenceLayout:
    """The boxes of both flame graphs laid over one another.

    Attributes:
        layout: the boxes; each as wide as both values together, so that boxes of only one flame graph are visible too.
        before: the value of each box in the first flame graph.
        after: the same in the second.
        sides: what the two are called.
    """

    layout: FlameLayout
    before: tuple[int, ...]
    after: tuple[int, ...]
    sides: Sides = BEFORE_AND_AFTER

    @property
    def scale(self) -> int:
        """The larger of the two totals, which is the scale of changes."""
        return max(self.before[0], self.after[0], 1)

    def change(self, index: int) -> int:
        """How much a box grew; negative where it shrank."""
        return self.after[index] - self.before[index]

    def step(self, index: int) -> int:
        """How strongly to colour a box: -4 (much less) to 4 (much more); 0 for no change worth a colour."""
        share = self.change(index) / self.scale
        strength = sum(abs(share) >= step for step in _STEPS)
        return strength if share > 0 else -strength


def difference_layout(
    before: FlameGraph,
    after: FlameGraph,
    *,
    title: str = "total",
    origin_of: OriginOf = unknown_origin,
    sides: Sides = BEFORE_AND_AFTER,
) -> DifferenceLayout:
    """Lay two flame graphs over one another. Both should be of one span, or both averages of spans."""
    layout = flame_layout(before + after, title=title, origin_of=origin_of)
    return DifferenceLayout(layout, _totals(before, layout), _totals(after, layout), sides)


def _totals(flamegraph: FlameGraph, layout: FlameLayout) -> tuple[int, ...]:
    """Return the value of each box of a layout in one of its flame graphs."""
    below: list[Frame | None] = []
    callees: dict[int, dict[str, Frame]] = {}  # of each box with boxes below it
    for box in layout.boxes:
        frame: Frame | None = flamegraph.root
        if box.parent >= 0:
            above = below[box.parent]
            if box.parent not in callees:
                callees[box.parent] = {child.name: child for child in above.children} if above is not None else {}
            frame = callees[box.parent].get(box.names[0])
            for name in box.names[1:]:  # a chain of only callees
                frame = (
                    next((child for child in frame.children if child.name == name), None) if frame is not None else None
                )
        below.append(frame)
    return tuple(frame.total if frame is not None else 0 for frame in below)


def change_text(change_ns: int) -> str:
    """Write a change with its sign: ``+88.0 ms``."""
    return f"{'+' if change_ns > 0 else '-' if change_ns < 0 else '±'}{duration(abs(change_ns))}"


def box_class(step: int) -> str:
    """Return the class that colours a box of that step."""
    return "same" if step == 0 else f"more{step}" if step > 0 else f"less{-step}"


def describe(box: FlameBox, before: int, after: int, sides: Sides) -> str:
    """Say in one line what a box stands for: function, value on either side, change."""
    return f"{box.label}, {duration(before)} {sides[0]}, {duration(after)} {sides[1]}, {change_text(after - before)}"


def difference_svg(
    difference: DifferenceLayout,
    *,
    focus: int = 0,
    width_px: int = _WIDTH_PX,
    address: Address | None = None,
    label: str = "",
) -> FlamePicture:
    """Draw a difference; arguments as for :func:`~spanprofiles.report.svg.flame.flame_svg`."""
    placed, folded = place(difference.layout, focus, width_px)
    drawn = [_draw(difference, rect, width_px, address) for rect in placed]
    height = ROW_PX * (1 + max(rect.box.depth for rect in placed))
    attributes: dict[str, str | int | float] = {"class": "picture flame", "width": "100%", "height": height}
    if label:
        attributes |= {"role": "img", "aria-label": label}
    return FlamePicture(tag("svg", attributes, *drawn), len(placed), folded, height)


def _draw(difference: DifferenceLayout, rect: Placed, width_px: int, address: Address | None) -> str:
    box, top = rect.box, rect.box.depth * ROW_PX
    before, after = difference.before[rect.index], difference.after[rect.index]
    left, width = percent(rect.left), percent(rect.width)
    step = difference.step(rect.index)
    content = [
        tag("title", {}, plain(describe(box, before, after, difference.sides))),
        tag("rect", {"x": left, "y": top, "width": width, "height": _BOX_PX, "rx": 2}),
    ]
    if rect.width * width_px >= _TEXT_FROM_PX:
        text = f"{change_text(after - before)}  {box.label}" if step else box.label
        text = fitting(text, rect, width_px)
        content.append(clipped(left, top, width, _BOX_PX, tag("text", {"x": 5, "y": 14}, plain(text))))
    classes = f"box {box_class(step)}" + (" chain" if len(box.names) > 1 else "")
    if address is None:
        return tag("g", {"class": classes}, *content)
    return tag("a", {"class": classes, "href": address(box), "tabindex": -1, "data-box": rect.index}, *content)


def difference_data(difference: DifferenceLayout) -> dict[str, Any]:
    """Return the boxes as plain lists, for a script that zooms and searches."""
    data = flame_data(difference.layout)
    for index, (box, row) in enumerate(zip(difference.layout.boxes, data["boxes"], strict=True)):
        row[4] = box_class(difference.step(index)) + (" chain" if len(box.names) > 1 else "")
        row += [difference.before[index], difference.after[index]]
    return data | {"kind": "difference", "sides": difference.sides}


def difference_document(before: FlameGraph, after: FlameGraph, *, title: str) -> str:
    """Return a difference as an SVG file."""
    if (before + after).is_empty:
        return document(tag("g", {}), title=title, notes=["no samples on either side"], width=_WIDTH_PX, height=0)
    difference = difference_layout(before, after)
    picture = difference_svg(difference)
    notes = [
        f"{duration(before.total)} before, {duration(after.total)} after. Red with + takes longer, blue with - takes"
        " less. A box is as wide as both together.",
    ]
    if picture.folded:
        notes.append(left_out_note(picture.folded))
    return document(picture.svg, title=title, notes=notes, width=_WIDTH_PX, height=picture.height)
