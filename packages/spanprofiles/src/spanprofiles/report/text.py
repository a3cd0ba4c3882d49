"""Traces and flame graphs as plain lines, readable in a log without colours."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from spanprofiles.model import FlameGraph, Frame, Span, Trace
from spanprofiles.model.amounts import duration, percent
from spanprofiles.model.printable import LONGEST_LINE, printable
from spanprofiles.report.icicle import deeper, fold, icicle

_BAR = 20
_NARROWEST_SHARE = 0.01
_MOST_PATHS = 200
_MOST_SPANS = 1000
_DEEPEST = 40  # deeper spans are indented no further


def span_tree(
    trace: Trace, flamegraphs: Mapping[str, FlameGraph] | None = None, excused: Mapping[str, str] | None = None
) -> list[str]:
    """Return a line for each span (name, duration, bar, service), and one more for each profile ID.

    Args:
        trace: the spans.
        flamegraphs: the samples by profile ID; an absent ID was not asked for.
        excused: why a profile ID leads to no samples although nothing is wrong, by profile ID.
    """
    rows = [("  " * min(depth, _DEEPEST), span) for depth, span in islice(trace.walk(), _MOST_SPANS)]
    width = max((len(indent + printable(span.name)) for indent, span in rows), default=0)
    first = trace.spans[0].start_ns if trace.spans else 0
    whole = trace.duration_ns or 1
    lines = []
    for indent, span in rows:
        left = min((span.start_ns - first) * _BAR // whole, _BAR - 1)  # however late the span, its bar is visible
        length = max(1, round(span.duration_ns * _BAR / whole))
        bar = (" " * left + "█" * length)[:_BAR].ljust(_BAR)
        title = f"{indent}{printable(span.name)}"
        lines.append(f"{title:<{width}}  {duration(span.duration_ns):>8}  {bar}  {_place(trace, span)}".rstrip())
        if span.profile_id is not None:
            lines.append(printable(f"{indent}└ {_link(span, flamegraphs or {}, excused or {})}", LONGEST_LINE))
        elif span.profile_missing:
            lines.append(printable(f"{indent}└ no span profile: {span.profile_missing}"))
    more = len(trace.spans) - len(rows)
    return [*lines, f"({more:,} more spans are not shown)"] if more else lines


def _place(trace: Trace, span: Span) -> str:
    """Return service and region where they differ from the parent's."""
    parent = trace.parent(span)
    if parent is not None and parent.resource == span.resource:
        return ""
    region = span.resource.get("region")
    return printable(", ".join(name for name in (span.service, region) if isinstance(name, str) and name))


def _link(span: Span, known: Mapping[str, FlameGraph], excused: Mapping[str, str]) -> str:
    profile_id = span.profile_id or ""
    found = known.get(profile_id)
    if found is None:
        return f"span profile {profile_id}"
    if found.is_empty and profile_id in excused:
        return f"span profile {profile_id}: no samples, {excused[profile_id]}"
    if found.is_empty:
        return f"span profile {profile_id}: no samples, a DEAD LINK"
    count = len(span.added)
    with_others = f", with {count} span{'s' * (count > 1)} below it" if count else ""
    return f"span profile {profile_id}: {found.amount}{with_others}"


def call_tree(flamegraph: FlameGraph, narrowest_share: float = _NARROWEST_SHARE) -> list[str]:
    """Return one line for each call path: share with its 95 % interval, time, function.

    Chains are folded, narrow paths left out.

    There are at most 200 lines, those of the paths with the most time.
    """
    if flamegraph.is_empty:
        return ["no samples"]
    found: list[tuple[int, Frame, tuple[str, ...]]] = []
    pending: list[tuple[int, Frame]] = [(0, frame) for frame in reversed(flamegraph.root.children)]
    hidden = 0
    while pending:
        depth, frame = pending.pop()
        if frame.total / flamegraph.total < narrowest_share:
            hidden += 1
            continue
        names, last = fold(frame)
        found.append((depth, frame, names))
        pending.extend((depth + 1, child) for child in reversed(last.children))
    kept = sorted(sorted(range(len(found)), key=lambda index: -found[index][1].total)[:_MOST_PATHS])
    hidden += len(found) - len(kept)
    lines: list[str] = []
    for depth, frame, names in (found[index] for index in kept):
        title = printable(names[-1])
        if len(names) > 1:
            title = f"{printable(names[0])} … {title}  ({len(names)} frames)"
        indent = "  " * min(depth, _DEEPEST)
        share = flamegraph.share_of(frame.total)
        lines.append(f"{share:>20}  {printable(flamegraph.as_text(frame.total)):>8}  {indent}{title}")
    if hidden:
        lines.append(f"{'':22}({hidden:,} narrower call paths are not shown)")
    return lines


def flame_lines(flamegraph: FlameGraph, width: int = 100) -> list[str]:
    """Return the flame graph as a picture of characters, outermost functions on top."""
    lines = []
    rows = icicle(flamegraph, width)
    for row in rows:
        line = ""
        for box in row:
            line = line.ljust(box.left) + ("▌" + printable(box.label))[: box.width].ljust(box.width)
        lines.append(line.rstrip())
    return [*lines, *left_out(deeper(flamegraph, rows))] or ["no samples"]


def left_out(count: int) -> list[str]:
    """Return a line that says how many functions a picture leaves out; no line where it has them all."""
    return [f"({count:,} deeper or narrower functions are not shown)"] if count else []


def top_table(flamegraph: FlameGraph, count: int = 10) -> list[str]:
    """Return the functions with the most own time: own time, its 95 % interval, share, time with callees, name."""
    if flamegraph.is_empty:
        return ["no samples"]
    lines = ["    self   95 % interval  self %     total  function"]
    lines += [
        f"{printable(flamegraph.as_text(row.self)):>8}  {printable(flamegraph.reach_of(row.self)):>14}"
        f"  {percent(row.self / flamegraph.total):>6}  {printable(flamegraph.as_text(row.total)):>8}"
        f"  {printable(row.name)}"
        for row in flamegraph.top(count)
    ]
    return lines
