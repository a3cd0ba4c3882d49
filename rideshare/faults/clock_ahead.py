"""A clock that is ahead: spans leave the process with later times than those at which they ran."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

AHEAD_S = 300
"""How far the clock is ahead: further than anybody looks around a span for its profile, and a server takes it still."""

_AHEAD_NS = AHEAD_S * 1_000_000_000


class ExporterAhead(SpanExporter):
    """Shifts each span's start, end and events by ``AHEAD_S``, and has another exporter send it.

    The shift is made here, after the span's end, so that durations and everything inside the process stay right.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send copies of the spans with shifted times."""
        return self._exporter.export([_shifted(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the other exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the other exporter send what it holds, within so many milliseconds."""
        return self._exporter.force_flush(timeout_millis)


def _shifted(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[Event(event.name, event.attributes, event.timestamp + _AHEAD_NS) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=_later(span.start_time),
        end_time=_later(span.end_time),
        instrumentation_scope=span.instrumentation_scope,
    )


def _later(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns + _AHEAD_NS
