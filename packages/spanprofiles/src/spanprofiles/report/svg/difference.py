"""Two flame graphs in one picture: functions that take longer are red and marked +, those that take less blue and -."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spanprofiles.model import FlameGraph, FlameGraphDifference, Frame, estimate_text
from spanprofiles.model.amounts import duration
from spanprofiles.model.profile_types import ProfileType
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
from spanprofiles.report.svg.layout import FlameLayout, OriginOf, flame_layout, unknown_origin
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
        difference: the two flame graphs, which know what is more than chance.
        directions: for each box, whether it grew (1), shrank (-1), or neither for sure (0).
        sides: what the two are called.
    """

    layout: FlameLayout
    before: tuple[int, ...]
    after: tuple[int, ...]
    difference: FlameGraphDifference
    directions: tuple[int, ...]
    sides: Sides = BEFORE_AND_AFTER

    @property
    def is_noise(self) -> bool:
        """Whether no box is known to have changed."""
        return not any(self.directions)

    @property
    def noise_note(self) -> str:
        """Say what the picture does with changes that may be chance; empty where chance and change look alike."""
        if not self.difference.has_intervals:
            return ""
        counts = " and ".join(
            f"{estimate_text.samples(side.samples or 0)} {name}"
            for side, name in zip((self.difference.before, self.difference.after), self.sides, strict=True)
        )
        if self.is_noise:
            return f"Nothing has changed by more than chance: {counts} cannot show a difference. So no box is coloured."
        return f"Only what changed by more than chance is coloured ({counts})."

    @property
    def scale(self) -> int:
        """The larger of the two totals, which is the scale of changes."""
        return max(self.before[0], self.after[0], 1)

    def change(self, index: int) -> int:
        """How much a box grew; negative where it shrank."""
        return self.after[index] - self.before[index]

    def step(self, index: int) -> int:
        """How strongly to colour a box: -4 (much less) to 4 (much more); 0 for no change that is sure and matters."""
        if not self.directions[index]:
            return 0
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
    first, second = _totals(before, layout), _totals(after, layout)
    difference = before.diff(after)
    pairs = list(zip(first, second, strict=True))
    if difference.has_intervals:
        directions = difference.directions(pairs)
    else:  # chance and change look alike, so every change is shown
        directions = [(now > then) - (now < then) for then, now in pairs]
    return DifferenceLayout(layout, first, second, difference, tuple(directions), sides)


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


def change_with_interval(difference: FlameGraphDifference, before: int, after: int) -> str:
    """Write how two values of a difference differ, with the 95 % interval: ``+120 ms (+40 to +200 ms)``."""
    interval = difference.interval_of(before, after)
    if interval is None or ProfileType.of(difference.after.profile_type).unit != "nanoseconds":
        return change_text(after - before)
    return estimate_text.change(after - before, interval)


def change_figure(difference: FlameGraphDifference, before: int, after: int) -> str:
    """Write how two values of a difference differ, without digits that are not known: ``+120 ms``."""
    return change_with_interval(difference, before, after).partition(" (")[0]


def box_class(step: int) -> str:
    """Return the class that colours a box of that step."""
    return "same" if step == 0 else f"more{step}" if step > 0 else f"less{-step}"


def describe_change(difference: DifferenceLayout, index: int) -> str:
    """Say what a box has on either side, how much that differs, and whether that may be chance."""
    graphs, before, after = difference.difference, difference.before[index], difference.after[index]
    first, second = difference.sides
    noise = "" if difference.directions[index] or before == after == 0 else "; no more than chance"
    noise = noise if graphs.has_intervals else ""
    values = f"{graphs.before.as_text(before)} {first}, {graphs.after.as_text(after)} {second}"
    return f"{values}, change {change_with_interval(graphs, before, after)}{noise}"


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
        tag("title", {}, plain(f"{box.label}, {describe_change(difference, rect.index)}")),
        tag("rect", {"x": left, "y": top, "width": width, "height": _BOX_PX, "rx": 2}),
    ]
    if rect.width * width_px >= _TEXT_FROM_PX:
        text = f"{change_figure(difference.difference, before, after)}  {box.label}" if step else box.label
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
        before, after = difference.before[index], difference.after[index]
        figure = change_figure(difference.difference, before, after)
        row += [before, after, figure, describe_change(difference, index)]
    return data | {"kind": "difference", "written": {}}


def difference_document(before: FlameGraph, after: FlameGraph, *, title: str) -> str:
    """Return a difference as an SVG file."""
    if (before + after).is_empty:
        return document(tag("g", {}), title=title, notes=["no samples on either side"], width=_WIDTH_PX, height=0)
    difference = difference_layout(before, after)
    picture = difference_svg(difference)
    notes = [
        f"{before.amount_of(before.total)} before, {after.amount_of(after.total)} after. Red with + takes longer, blue"
        " with - takes less. A box is as wide as both together.",
        *([difference.noise_note] if difference.noise_note else []),
    ]
    if picture.folded:
        notes.append(left_out_note(picture.folded))
    return document(picture.svg, title=title, notes=notes, width=_WIDTH_PX, height=picture.height)
