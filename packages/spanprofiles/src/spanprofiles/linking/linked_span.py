"""A span together with its own flame graph."""

from __future__ import annotations

from dataclasses import dataclass

from spanprofiles.model import FlameGraph, Span


@dataclass(frozen=True)
class LinkedSpan:
    """A local root span whose profile ID led to samples.

    Attributes:
        span: the span.
        flamegraph: the samples of this span and of :attr:`added`, and of no other.
        waited_s: how long it took until the samples were complete, from the first question for them, s.
    """

    span: Span
    flamegraph: FlameGraph
    waited_s: float = 0.0

    @property
    def trace_id(self) -> str:
        """The trace, 32 hex digits."""
        return self.span.trace_id

    @property
    def span_id(self) -> str:
        """The span, 16 hex digits."""
        return self.span.span_id

    @property
    def profile_id(self) -> str:
        """The value of ``pyroscope.profile.id``, by which the samples were found."""
        return self.span.profile_id or ""

    @property
    def name(self) -> str:
        """The span's name."""
        return self.span.name

    @property
    def service(self) -> str:
        """``service.name`` of the span's process."""
        return self.span.service

    @property
    def added(self) -> tuple[Span, ...]:
        """The spans below it whose samples are in its flame graph, as they carry profile IDs of their own.

        There are none where the span processor labels local root spans alone, as it does by default.
        """
        return self.span.added

    @property
    def profile_type(self) -> str:
        """The profile type whose samples carry its profile ID: what ``profileTypeId`` must be in Grafana."""
        return self.flamegraph.profile_type

    @property
    def amount(self) -> str:
        """The sum of its samples, in words: ``380.0 ms of CPU``, ``1.84 s of wall time``."""
        return self.flamegraph.amount

    @property
    def cpu_ns(self) -> int:
        """CPU time in the span, ns: the number of samples times the sampling period.

        It is 0 if the span is linked by another type of profile, because no sample of CPU time carries its ID.
        """
        return self.flamegraph.cpu_ns
