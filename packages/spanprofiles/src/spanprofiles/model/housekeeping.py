"""Recognizes work that belongs to no request: the start of a process, and the export of its telemetry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spanprofiles.model.flamegraph import FlameGraph

# The functions that run a module for the first time.
_IMPORTING = {"_find_and_load", "_find_and_load_unlocked", "_load_unlocked", "_call_with_frames_removed"}

# Whoever exports spans works in these. An exporter's constructor may run elsewhere, and a batch processor's worker also
# wakes up in the parent of forked processes, with nothing to send.
_EXPORTING = re.compile(
    r"(.*[./$*(])?(OTLP\w*(Span|Trace)\w*Exporter|BatchSpanProcessor(\$\w+)?|batchSpanProcessor\)?)"
    r"[.:#](_?export\w*|doExport)",
    re.IGNORECASE,
)


def is_start_up(path: Iterable[str]) -> bool:
    """Tell whether a call path (outermost function first) is the import of a module."""
    return any(name in _IMPORTING for name in path)


def without_start_up(flamegraph: FlameGraph) -> FlameGraph:
    """Return the flame graph without the imports of modules."""
    kept = {path: value for path, value in flamegraph.stacks.items() if not is_start_up(path)}
    return FlameGraph(kept, flamegraph.profile_type, sample_value=flamegraph.sample_value)


def exports_spans(flamegraph: FlameGraph) -> bool:
    """Tell whether the process exported spans while it was sampled: an agent runs where the spans come from."""
    return any(_EXPORTING.fullmatch(name) for name in flamegraph.functions)
