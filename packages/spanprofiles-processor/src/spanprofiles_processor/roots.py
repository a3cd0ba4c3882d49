"""The local root span as its samples name it, and the roots that are open in a context."""

from __future__ import annotations

from contextvars import ContextVar
from weakref import ref

from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanContext

MOST_NESTED_ROOTS = 16
"""How many roots inside each other are remembered in one context; the outermost are forgotten first."""

MOST_NESTED_SPANS = 64
"""The same where child spans have labels of their own."""


class Root(ref[Span]):
    """A local root span: a weak reference to it, the labels of its samples, and whether it still runs.

    Whether it runs is asked of the span itself, so a span ended on any thread is known to have ended on all of them,
    without a registry or a lock. Nothing here keeps the span alive: one that is dropped without being ended is over.
    """

    __slots__ = ("held", "span_id", "span_name", "trace_id")

    # A weak reference's second argument is a callback: what else there is to say is set by ``labelled_with``.
    def labelled_with(self, name: str | None, context: SpanContext) -> Root:
        """Take the labels from the span's name, unless it is None, and from its IDs."""
        self.held = False
        """Whether the labels are held beyond the span's end."""
        # Half the price of formatting the numbers.
        self.span_id = context.span_id.to_bytes(8, "big").hex()
        self.trace_id = context.trace_id.to_bytes(16, "big").hex()
        # Lone surrogates cannot be sent.
        self.span_name = name if name is None or name.isascii() else name.encode("utf-8", "replace").decode("utf-8")
        return self

    @property
    def live(self) -> bool:
        """Whether the span runs, or its labels are held beyond its end."""
        span = self()
        return (span is not None and span.is_recording()) or self.held


root_stack: ContextVar[tuple[Root, ...]] = ContextVar("span_profile_roots", default=())
"""The roots started in this context, innermost last. Tasks inherit it from the code that created them, like
the current span; ended roots may linger in it until the next root starts."""
