"""The story of ``spanprofiles demo --fault slow-search``, told in a terminal or as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType  # noqa: TID251  # the type
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spanprofiles.cli import render
from spanprofiles.cli.output import show
from spanprofiles.demo.story import Rides, SlowSearchStory
from spanprofiles.linking import LinkedSpan
from spanprofiles.model import FunctionChange, estimate_text
from spanprofiles.model.intervals import Interval
from spanprofiles.model.printable import printable
from spanprofiles.report import duration

_CHANGES = 6
_ROWS_OF_TOP = 4


def print_story(story: SlowSearchStory, console: Console | None = None) -> None:
    """Print the story: durations by region, a fast and a slow ride, what changed, and which function grew most."""
    console = console or render.console()
    rides = len(story.after.linked)
    show(console, "", _title(f"rides get slow in {story.region}: GET {story.path}, median of {rides}"))
    show(console, _indented(_durations(story)))
    for what, linked in (("a fast ride", story.before.typical), ("a slow ride", story.after.typical)):
        show(console, "", _title(f"{what}: trace {linked.trace_id}"))
        show(console, render.linked_span(linked, console, _ROWS_OF_TOP))
    show(console, "", _title(f"their difference: CPU of a ride, average of {rides} before and after"))
    show(console, _indented(_changes(story)), "", _verdict(story))


def story_as_json(story: SlowSearchStory) -> dict[str, Any]:
    """Return what the story has seen as plain data; times are ns, of functions for one ride on average."""
    regression = story.top_regression
    return {
        "region": story.region,
        "order": story.path,
        "rides": len(story.after.linked),
        "fast": _ride(story.before.typical),
        "slow": _ride(story.after.typical),
        "regions": {
            name: {"before_ns": before.duration_ns, "after_ns": after.duration_ns}
            for name, (before, after) in _by_region(story).items()
        },
        "slowdown": round(story.slowdown, 2),
        "top_regression": regression.name if regression else None,
        "guilty": regression.name if regression else None,  # the earlier name, kept for one version
        "changes": [
            {
                "function": change.name,
                "self_before_ns": story.a_ride(change.self_before),
                "self_after_ns": story.a_ride(change.self_after),
            }
            for change in story.difference.changes[:_CHANGES]
        ],
    }


def _ride(linked: LinkedSpan) -> dict[str, Any]:
    return {
        "trace_id": linked.trace_id,
        "span_id": linked.span_id,
        "duration_ns": linked.span.duration_ns,
        "cpu_ns": linked.cpu_ns,
    }


def _by_region(story: SlowSearchStory) -> dict[str, tuple[Rides, Rides]]:
    return {story.region: (story.before, story.after), **story.elsewhere}


def _title(text: str) -> Text:
    return Text(text, style="bold")


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 1), expand=False)


def _table(*numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _durations(story: SlowSearchStory) -> RenderableType:
    table = _table("before", "after", "times", "CPU before", "CPU after")
    table.add_column("region")
    for name, (before, after) in _by_region(story).items():
        table.add_row(
            duration(before.duration_ns),
            duration(after.duration_ns),
            f"{after.duration_ns / max(before.duration_ns, 1):.1f}",
            estimate_text.figure(before.flamegraph.divided(len(before.linked)), before.cpu_ns),
            estimate_text.figure(after.flamegraph.divided(len(after.linked)), after.cpu_ns),
            Text(name),
            style="red" if name == story.region else "",
        )
    return table


def _changes(story: SlowSearchStory) -> RenderableType:
    table = _table("self before", "self after", "change")
    table.add_column("function", no_wrap=True, overflow="ellipsis")
    regression = story.top_regression
    before, after = (rides.flamegraph.divided(len(rides.linked)) for rides in (story.before, story.after))
    for change in story.difference.changes[:_CHANGES]:
        is_top = regression is not None and change.name == regression.name
        table.add_row(
            before.as_text(story.a_ride(change.self_before)),
            after.as_text(story.a_ride(change.self_after)),
            _change(story, change),
            Text(printable(change.name)),
            style="bold red" if is_top else "" if change.is_significant else "dim",
        )
    return table


def _verdict(story: SlowSearchStory) -> RenderableType:
    regression = story.top_regression
    if regression is None:
        return Text("top regression: no function has more CPU than before by more than chance", style="bold red")
    change = _change(story, regression)
    lines = [Text(f"top regression: {printable(regression.name)}, {change} of CPU a ride", "bold green")]
    lines.append(Text(f"rides in {story.region} take {story.slowdown:.1f} times as long, other regions allowed for"))
    if not story.is_as_told:
        lines.append(Text("that is not what the fault does: the machine may be too busy, so try again", "bold red"))
    return Group(*lines)


def _change(story: SlowSearchStory, change: FunctionChange) -> str:
    """Write how much a function's own CPU changed in a ride, with its interval: ``+252 ms (+180 to +330 ms)``."""
    value_ns = story.a_ride(change.self_change)
    if change.self_interval is None:
        return f"{'-' if value_ns < 0 else '+'}{duration(abs(value_ns))}"
    low, high = (story.a_ride(round(end)) for end in change.self_interval)
    return estimate_text.change(value_ns, Interval(low, high))
