"""What the harness saw while it followed a request, for the report of a failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from spanprofiles.clients import ProfileQuery
from spanprofiles.model import FlameGraph, Trace


@dataclass
class Evidence:
    """What the servers last had of a request.

    Attributes:
        trace_id: the trace that was followed, 32 hex digits.
        trace: its spans; None if Tempo had none.
        was_there: whether Tempo ever had spans of it, even if it has lost them.
        flamegraphs: the samples that were found, by profile ID; an empty flame graph is a dead link.
        selectors: the label selector of the query for each profile ID.
        window_ms: start and end of the last profile query, ms since the epoch.
        notes: what explains a missing hop, one sentence each.
        merged: how many requests' samples were merged, including this one's, and those samples.
        excused: the profile IDs that rightly lead to no samples, and why, in words that continue "no samples".
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
        """Add the notes that are not there yet."""
        self.notes.extend(note for note in dict.fromkeys(notes) if note not in self.notes)

    def note_samples(self, profile_id: str, query: ProfileQuery, flamegraph: FlameGraph) -> None:
        """Keep the samples that a query found for a profile ID."""
        self.selectors[profile_id] = query.selector
        self.window_ms = (query.start_ms, query.end_ms)
        self.flamegraphs[profile_id] = flamegraph

    def look(self, trace: Trace | None) -> Trace | None:
        """Keep what Tempo has of the trace now, and return it."""
        self.trace = trace
        self.was_there = self.was_there or trace is not None
        return trace
