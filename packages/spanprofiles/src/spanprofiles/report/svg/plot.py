"""Small plots: a line or two over time, and a bar that shows a share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spanprofiles.report.svg.markup import number, percent, plain, tag

_WIDTH, _HEIGHT = 100, 30


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        values: at even steps of time, oldest first; None leaves a gap.
        second: whether it is the second line, which is dashed.
    """

    values: Sequence[float | None]
    second: bool = False


def plot_svg(lines: Sequence[Series], *, label: str, bars: Sequence[float] = (), highest: float = 0.0) -> str:
    """Draw lines, and behind them bars with a scale of their own.

    Args:
        lines: all on one scale, which begins at 0.
        label: what a screen reader says of the picture.
        bars: values at even steps of time.
        highest: the smallest value for the top of the scale.
    """
    top = max([highest, *(value for line in lines for value in line.values if value is not None)]) or 1.0
    tallest = max(bars, default=0.0) or 1.0
    drawn = [tag("line", {"class": "base", "x1": 0, "x2": _WIDTH, "y1": _HEIGHT, "y2": _HEIGHT})]
    step = _WIDTH / max(len(bars), 1)
    for index, value in enumerate(bars):
        height = value / tallest * (_HEIGHT - 2)
        if height:
            place = {"x": index * step, "y": _HEIGHT - height, "width": step * 0.8, "height": height}
            drawn.append(tag("rect", {"class": "bar", **place}))
    drawn += [
        tag("path", {"class": "line second" if line.second else "line", "d": _path(line.values, top)}) for line in lines
    ]
    attributes = {"class": "picture plot", "viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "preserveAspectRatio": "none"}
    return tag("svg", {**attributes, "role": "img", "aria-label": label}, tag("title", {}, plain(label)), *drawn)


def _path(values: Sequence[float | None], top: float) -> str:
    step = _WIDTH / max(len(values), 1)
    commands: list[str] = []
    gap = True
    for index, value in enumerate(values):
        if value is None:
            gap = True
            continue
        x, y = (index + 0.4) * step, _HEIGHT - 1 - value / top * (_HEIGHT - 3)
        lone = gap and (index + 1 == len(values) or values[index + 1] is None)
        commands.append(f"{'M' if gap else 'L'}{number(x)} {number(y)}" + ("h0.6" if lone else ""))
        gap = False
    return "".join(commands) or "M0 0"


def bar_svg(share: float, *, kind: str = "filled") -> str:
    """Draw a bar filled by a share (0 to 1). Beside the figures of a column it makes them easy to compare.

    Args:
        share: how much.
        kind: ``filled`` or ``cpu``, which says the colour.
    """
    width = percent(min(max(share, 0.0), 1.0))
    return tag(
        "svg",
        {"class": "picture measure", "width": "100%", "height": 4, "aria-hidden": "true"},
        tag("rect", {"class": "track", "width": "100%", "height": 4, "rx": 2}),
        tag("rect", {"class": kind, "width": width, "height": 4, "rx": 2}),
    )
