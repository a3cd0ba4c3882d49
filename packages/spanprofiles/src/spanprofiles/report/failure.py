"""What a failed claim prints: all that was seen of the request, so that nobody has to run it again to find out."""

from __future__ import annotations

from collections.abc import Sequence

from spanprofiles.linking import Evidence
from spanprofiles.model import FlameGraph
from spanprofiles.model.printable import LONGEST_LINE, printable
from spanprofiles.report.text import call_tree, span_tree, top_table

_MOST_PROFILES = 20
_MOST_HINTS = 10


def failure_report(evidence: Evidence) -> str:
    """Return the trace's spans, and for each profile ID the query and its samples."""
    lines = [f"trace {evidence.trace_id}"]
    if evidence.trace is None:
        lines.append("  Tempo has no span of it")
    else:
        lines += _indented(span_tree(evidence.trace, evidence.flamegraphs, evidence.excused))
    largest = sorted(evidence.flamegraphs.items(), key=lambda item: -item[1].total)[:_MOST_PROFILES]
    shown = dict(largest)
    for profile_id, flamegraph in evidence.flamegraphs.items():
        if profile_id not in shown:
            continue
        first_ms, last_ms = evidence.window_ms or (0, 0)
        asked = f"asked {evidence.selectors.get(profile_id, '{}')} from {first_ms} to {last_ms} ms"
        lines += ["", printable(f"samples of profile ID {profile_id} ({asked})", LONGEST_LINE)]
        lines += _indented(call_tree(flamegraph))
        if not flamegraph.is_empty:
            lines += ["", *_indented(top_table(flamegraph)), *_indented(_hints(flamegraph))]
    if len(evidence.flamegraphs) > len(shown):
        lines += ["", f"and {len(evidence.flamegraphs) - len(shown):,} more span profiles, each with fewer samples"]
    if evidence.merged is not None:
        count, flamegraph = evidence.merged
        lines += ["", f"samples of {count} requests, merged; the longest of them is above"]
        lines += [*_indented(call_tree(flamegraph)), "", *_indented(top_table(flamegraph))]
        lines += _indented(_hints(flamegraph, count))
    lines += [printable(f"note: {note}", LONGEST_LINE) for note in evidence.notes]
    return "\n".join(lines)


def _hints(flamegraph: FlameGraph, requests: int = 1) -> list[str]:
    """Return a line for each claim about the flame graph, and for each name in one that no function has."""
    claims = flamegraph.claims[-_MOST_HINTS:]
    lines = [printable(claim.sentence(requests), LONGEST_LINE) for claim in claims]
    for name, similar in list(flamegraph.unknown_functions.items())[:_MOST_HINTS]:
        nearest = f"; nearest: {', '.join(similar)}" if similar else ""
        lines.append(printable(f"no function is named {name!r}{nearest}", LONGEST_LINE))
    return lines


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
