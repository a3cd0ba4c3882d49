"""What every scenario stands on: a tracer with the processor under test, the real agent, the spans that ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread

import pyroscope
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer

from tests.support.processor.outcomes import SpanSeen

ENOUGH = 300
"""Milliseconds of CPU that give enough samples to claim something of: 30 on average."""


class Spans(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.seen: list[SpanSeen] = []

    def on_end(self, span: ReadableSpan) -> None:
        context, attributes = span.get_span_context(), span.attributes or {}
        assert context is not None
        profile_id, missing = (attributes.get(f"pyroscope.profile.{name}") for name in ("id", "missing"))
        self.seen.append(
            SpanSeen(
                span.name,
                f"{context.span_id:016x}",
                f"{context.trace_id:032x}",
                None if profile_id is None else str(profile_id),
                None if missing is None else str(missing),
            )
        )


@dataclass
class Setup:
    """What a scenario stands on."""

    processor: str
    push_url: str
    service: str
    spans: Spans = field(default_factory=Spans)
    notes: dict[str, object] = field(default_factory=dict)
    agent_started: bool = False

    def start_agent(self) -> None:
        """Start the agent as an app does, unless it has the processor do that."""
        if self.processor != "starting":
            self._configure()

    def _configure(self) -> None:
        self.agent_started = pyroscope.configure(
            application_name=self.service, server_address=self.push_url, upload_interval=60
        )
        if not self.agent_started:
            raise RuntimeError("the agent did not start")

    def span_processor(self) -> SpanProcessor:
        if self.processor == "official":
            from pyroscope.otel import PyroscopeSpanProcessor

            official: SpanProcessor = PyroscopeSpanProcessor()
            return official
        from spanprofiles_processor import SpanProfileProcessor

        if self.processor == "starting":
            return SpanProfileProcessor(start_agent=self._configure)
        if self.processor == "each span":
            return SpanProfileProcessor(root_span_only=False)
        return SpanProfileProcessor()

    def provider(self, sampler: Sampler | None = None) -> TracerProvider:
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(self.span_processor())
        provider.add_span_processor(self.spans)
        return provider

    def tracer(self, sampler: Sampler | None = None) -> Tracer:
        return self.provider(sampler).get_tracer("scenario")

    @property
    def ours(self) -> bool:
        return self.processor != "official"


def on_one_thread(work: Callable[[], object]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


def remote_parent(trace_id: int, span_id: int = 0x1234) -> Context:
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(context))
