"""Why a span profile can hold more CPU than its span lasted: the explanation beside every such figure."""

from __future__ import annotations

from spanprofiles.model import Span
from spanprofiles.model.amounts import duration
from spanprofiles.model.sampling import SAMPLE_PERIOD_NS, most_by_chance

_LANGUAGE = "telemetry.sdk.language"
_SIDE_BY_SIDE = (
    "Threads that work for it side by side are added up where their samples carry its ID, and so is work that goes on"
    " after it has ended."
)
_REASONS = {
    "python": _SIDE_BY_SIDE
    + " In Python the thread that holds the interpreter's lock also counts while it waits for a processor, and a"
    " profiler that a busy machine held up makes up for the looks it missed.",
    "go": "Goroutines that work for it side by side are added up where they inherited its label, and so is work that"
    " goes on after it has ended.",
}


def cpu_excess(span: Span, cpu_ns: int) -> str:
    """Explain CPU that exceeds the span's duration by a sample or more; return an empty text where it does not.

    Args:
        span: the span.
        cpu_ns: CPU in its span profile, ns.
    """
    if cpu_ns - span.duration_ns < SAMPLE_PERIOD_NS:  # within the 10 ms of a sample nothing needs explaining
        return ""
    head = f"{duration(cpu_ns)} of CPU is more than the {duration(span.duration_ns)} that the span lasted."
    most_ns = most_by_chance(span.duration_ns)
    if cpu_ns <= most_ns:
        return (
            f"{head} Each sample counts for {SAMPLE_PERIOD_NS // 1_000_000} ms and they come at random moments: one"
            f" thread that computes all that time is found with up to {duration(most_ns)} by chance."
        )
    return f"{head} {_REASONS.get(str(span.resource.get(_LANGUAGE, '')), _SIDE_BY_SIDE)}"
