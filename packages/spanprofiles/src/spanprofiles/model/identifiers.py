"""Trace and span IDs, and the W3C trace context that carries them.

IDs are plain strings in one spelling: lower-case hex, 32 digits for a trace and 16 for a span. Tempo's search drops
leading zeros, and its trace API writes base64; the clients convert both.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-fA-F]+")
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = 0x01


class IdentifierError(ValueError):
    """A text is not the trace ID, span ID or ``traceparent`` that it should be."""


def _parse(text: str, digits: int, what: str) -> str:
    bare = text.strip()
    if not _HEX.fullmatch(bare):
        raise IdentifierError(f"{text!r} is not a {what}: it must be {digits} hexadecimal digits")
    if len(bare) > digits:
        raise IdentifierError(f"{text!r} is not a {what}: it has {len(bare)} digits, {digits} are the most")
    padded = bare.lower().rjust(digits, "0")
    if padded == "0" * digits:
        raise IdentifierError(f"{text!r} is not a {what}: all zeros means 'none' (W3C Trace Context)")
    return padded


def parse_trace_id(text: str) -> str:
    """Convert a trace ID to 32 lower-case hex digits, with the leading zeros that may be missing.

    Raises:
        IdentifierError: the text is not hex, too long, or all zeros.
    """
    return _parse(text, 32, "trace ID")


def parse_span_id(text: str) -> str:
    """Convert a span ID to 16 lower-case hex digits, with the leading zeros that may be missing.

    Raises:
        IdentifierError: the text is not hex, too long, or all zeros.
    """
    return _parse(text, 16, "span ID")


def _new(octets: int) -> str:
    while True:
        text = secrets.token_hex(octets)
        if text.strip("0"):
            return text


def new_trace_id() -> str:
    """Return a random trace ID, never all zeros."""
    return _new(16)


def new_span_id() -> str:
    """Return a random span ID, never all zeros."""
    return _new(8)


@dataclass(frozen=True)
class TraceContext:
    """The content of a ``traceparent`` header (W3C Trace Context, level 1).

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits; the (remote) parent of the receiver's span.
        sampled: whether the receiver is asked to record; the usual parent-based samplers obey.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    @classmethod
    def new(cls, *, sampled: bool = True) -> TraceContext:
        """Return a context with random IDs."""
        return cls(new_trace_id(), new_span_id(), sampled)

    @classmethod
    def parse(cls, traceparent: str) -> TraceContext:
        """Read a ``traceparent`` header.

        Raises:
            IdentifierError: it is not of the form ``00-<32 hex>-<16 hex>-<2 hex>``, or an ID is all zeros.
        """
        match = _TRACEPARENT.fullmatch(traceparent.strip())
        # only a later version may have more fields than these four
        longer = match is not None and match["version"] == "00" and match["more"] is not None
        if match is None or match["version"] == "ff" or longer:
            raise IdentifierError(f"{traceparent!r} is not a traceparent: 00-<32 hex>-<16 hex>-<2 hex> is expected")
        sampled = bool(int(match["flags"], 16) & _SAMPLED)
        return cls(parse_trace_id(match["trace"]), parse_span_id(match["span"]), sampled)

    @property
    def traceparent(self) -> str:
        """The header's value."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"
