"""What ``opentelemetry-instrument`` calls in each program: spans are linked without a line in the app.

OpenTelemetry's entry point ``opentelemetry_pre_instrument`` runs when the distribution in use, whichever it is, has set
up its tracer provider, and before any library is instrumented. The span processor is added to that provider. It starts
the profiling agent by the environment with the first span of each process: a forked worker has none of its parent's,
and a parent that only forks needs none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from .settings import START_PROFILING, option
from .span_processor import SpanProfileProcessor

NAME = "spanprofiles"
"""Under what name ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` can switch it off, as it can any instrumentation."""

_OFFICIAL_MODULE = "pyroscope.otel"

_logger = logging.getLogger(__name__)


def link_profiles() -> None:
    """Add the span processor to the tracer provider in use. Never raises: the app must start, linked or not."""
    try:
        _link()
    except Exception:
        _logger.exception("spans cannot be linked to their profiles")


def _link() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or NAME in _disabled():
        return
    provider: Any = trace.get_tracer_provider()
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        _logger.warning(
            "spans are not linked to their profiles: no tracer provider of OpenTelemetry's SDK is set up. Install"
            " opentelemetry-distro, or the distribution of your vendor."
        )
        return
    if isinstance(add, _OneProcessor):
        return
    guard = _OneProcessor(add)
    provider.add_span_processor = guard
    guard.take_over(provider)


def _disabled() -> set[str]:
    return {name.strip() for name in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}


class _OneProcessor:
    """A provider's ``add_span_processor`` that sees to it that one processor labels its spans.

    Two would take each other's labels for their own. The app's code may add another, as it did before this was
    installed. The official one is left out, as its work is done already. One of this package stays, with the arguments
    the app gave it, and the one of the environment retires.
    """

    def __init__(self, add: Callable[[SpanProcessor], None]) -> None:
        self._add = add
        self._own: SpanProfileProcessor | None = None

    def __call__(self, span_processor: SpanProcessor) -> None:
        """Add a processor, unless it is the official one."""
        if _is_official(span_processor):
            _logger.info("%s is left out: spanprofiles-processor links the spans", type(span_processor).__name__)
            return
        if isinstance(span_processor, SpanProfileProcessor) and self._own is not None:
            self._own.shutdown()
            self._own = None
        self._add(span_processor)

    def take_over(self, provider: Any) -> None:
        """Add the processor that the environment describes, in the place of what the distribution has added."""
        # The SDK has no public way to see a provider's processors, or to take one out.
        every = provider._active_span_processor
        added = every._span_processors
        every._span_processors = tuple(processor for processor in added if not _is_official(processor))
        if not any(isinstance(processor, SpanProfileProcessor) for processor in added):
            self._own = SpanProfileProcessor(start_profiling=option(START_PROFILING, None))
            self._add(self._own)


def _is_official(span_processor: object) -> bool:
    return any(f"{part.__module__}.".startswith(f"{_OFFICIAL_MODULE}.") for part in type(span_processor).__mro__)
