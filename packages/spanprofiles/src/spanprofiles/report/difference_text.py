"""The difference of two flame graphs as plain lines: the call paths that grew or shrank, with the functions where."""

from __future__ import annotations

from collections import defaultdict

from spanprofiles.model import FlameGraph
from spanprofiles.model.printable import printable
from spanprofiles.report.svg.difference import DifferenceLayout, change_text, difference_layout

#: Lines of one difference, at most: those with the largest changes.
MOST_LINES = 40

_DEEPEST = 40  # deeper calls are indented no further


def difference_lines(before: FlameGraph, after: FlameGraph) -> list[str]:
    """Return one line for each call path that changed: the change, both values, the function.

    A caller that changed by as much as one function it calls is left out: that line says it all. Paths that changed by
    less than a two-hundredth of the whole are left out, too.
    """
    if (before + after).is_empty:
        return ["no samples on either side"]
    difference = difference_layout(before, after)
    changed = [index for index in range(len(difference.layout.boxes)) if difference.step(index)]
    if not changed:
        return ["nothing changed by as much as a two-hundredth of the whole"]
    callees: dict[int, list[int]] = defaultdict(list)
    for index in changed:
        callees[difference.layout.boxes[index].parent].append(index)
    shown = [index for index in changed if not _is_said_below(difference, index, callees[index])]
    largest = sorted(shown, key=lambda index: -abs(difference.change(index)))[:MOST_LINES]
    depths: dict[int, int] = {}
    lines = []
    for index in shown:  # parents before children
        above = next((depths[each] for each in difference.layout.lineage(index)[1:] if each in depths), -1)
        depths[index] = above + 1
        if index in largest:
            lines.append(_line(difference, index, depths[index]))
    left = len(shown) - len(lines)
    return [*lines, f"({left:,} smaller changes are not shown)"] if left else lines


def _is_said_below(difference: DifferenceLayout, index: int, callees: list[int]) -> bool:
    """Tell whether one function that it calls changed by as much, as far as anybody could see."""
    unseen = difference.scale * 0.005
    return any(abs(difference.change(index) - difference.change(callee)) < unseen for callee in callees)


def _line(difference: DifferenceLayout, index: int, depth: int) -> str:
    box = difference.layout.boxes[index]
    flamegraph = FlameGraph(profile_type=difference.layout.profile_type)
    values = " -> ".join(flamegraph.as_text(side[index]) for side in (difference.before, difference.after))
    change = change_text(difference.change(index))
    return printable(f"{change:>10}  {'  ' * min(depth, _DEEPEST)}{box.label}  ({values})")
