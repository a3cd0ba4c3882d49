"""The trace context that a request brings along (W3C Trace Context, level 1)."""

from __future__ import annotations

from dataclasses import dataclass
from random import SystemRandom

_random = SystemRandom()


@dataclass(frozen=True)
class TraceParent:
    """A trace of one's own: its ID (32 hexadecimal digits) and the caller's span ID (16)."""

    trace_id: str
    span_id: str

    @property
    def header(self) -> str:
        """The value of the header ``traceparent``; the flag says that the trace is sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def new_trace_parent() -> TraceParent:
    """Make a random one. All zeros, which the specification forbids, does not occur."""
    return TraceParent(f"{_random.randrange(1, 1 << 128):032x}", f"{_random.randrange(1, 1 << 64):016x}")
