"""A span processor that links spans to their CPU profiles wherever their work goes: threads, tasks, executors, forks.

    from spanprofiles_processor import SpanProfileProcessor

    tracer_provider.add_span_processor(SpanProfileProcessor())

It takes the place of ``pyroscope.otel.PyroscopeSpanProcessor``, with the same span attribute and the same labels on
samples. Programs under ``opentelemetry-instrument`` need none of this: see ``zero_code``.
``docs/reference/processor.md`` says what it gets right that the other does not, and where its limits are.

This package needs ``opentelemetry-sdk`` and ``pyroscope-io``, and nothing else. It imports itself by relative imports
only, so the folder can be copied into an app under any name.
"""

from __future__ import annotations

try:
    from .event_loop import follow_event_loop
    from .late_roots import PROFILE_ID_ATTRIBUTE
    from .propagation import carry
    from .span_processor import PROFILE_MISSING_ATTRIBUTE, SpanProfileProcessor
    from .streams import LabelledBodies
except ImportError as _error:
    raise ImportError(
        "the span processor needs the packages opentelemetry-sdk and pyroscope-io, and one of them cannot be imported"
        f" ({_error}): install them with `pip install spanprofiles-processor`"
    ) from _error

__all__ = [
    "PROFILE_ID_ATTRIBUTE",
    "PROFILE_MISSING_ATTRIBUTE",
    "LabelledBodies",
    "SpanProfileProcessor",
    "__version__",
    "carry",
    "follow_event_loop",
]

__version__ = "0.1.0"
