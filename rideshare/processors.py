"""Which span processor the app uses: the official one, or the one of the package ``spanprofiles``, to compare them."""

from __future__ import annotations

from opentelemetry.sdk.trace import SpanProcessor

PROCESSORS = ("official", "spanprofiles")
"""The names that ``RIDESHARE_PROCESSOR`` takes."""


def make_processor(name: str) -> SpanProcessor:
    """Make the span processor of that name.

    Raises:
        ImportError: the package it is in is not installed.
    """
    if name == "spanprofiles":
        from spanprofiles_processor import SpanProfileProcessor

        return SpanProfileProcessor()
    from pyroscope.otel import PyroscopeSpanProcessor

    official: SpanProcessor = PyroscopeSpanProcessor()
    return official
