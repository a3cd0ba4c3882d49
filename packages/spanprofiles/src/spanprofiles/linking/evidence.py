"""What the harness saw while it followed a request: kept for the failure message."""

from __future__ import annotations

from dataclasses import dataclass, field

from spanprofiles.clients import ProfileQuery
from spanprofiles.model import FlameGraph, Trace


@dataclass
class Evidence:
    """What was there when it was last looked at.

    Attributes:
        trace_id: the trace that was followed, 32 hex digits.
        trace: its spans, or None where Tempo had none.
        was_there: whether Tempo has had spans of it, be it that it lost them since.
        flamegraphs: the samples found, by profile ID; an empty flame graph is a dead link.
        selectors: the label selector each profile ID was asked for with.
        window_ms: first and last ms (since the epoch) of the last profile query.
        notes: what was looked at to explain a missing link, one sentence each.
        merged: how many requests' samples were merged, this one's among them, and those samples.
        excused: the profile IDs that lead to no samples without anything being wrong, and why, in words that go on
            from "no samples".
    """

    trace_id: str
    trace: Trace | None = None
    flamegraphs: dict[str, FlameGraph] = field(default_factory=dict)
    selectors: dict[str, str] = field(default_factory=dict)
    window_ms: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    merged: tuple[int, FlameGraph] | None = None
    excused: dict[str, str] = field(default_factory=dict)
    was_there: bool = False

    def note(self, *notes: str) -> None:
        """Add notes, each of them once however often it is made."""
        self.notes.extend(note for note in dict.fromkeys(notes) if note not in self.notes)

    def note_samples(self, profile_id: str, query: ProfileQuery, flamegraph: FlameGraph) -> None:
        """Note the samples that a query found by a profile ID."""
        self.selectors[profile_id] = query.selector
        self.window_ms = (query.start_ms, query.end_ms)
        self.flamegraphs[profile_id] = flamegraph

    def look(self, trace: Trace | None) -> Trace | None:
        """Note what Tempo has of the trace at this moment, and give it back."""
        self.trace = trace
        self.was_there = self.was_there or trace is not None
        return trace
