"""The span processor: labels while a local root span runs, and a profile ID on the span where an agent sees them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from . import settings
from .agent import AgentStarter
from .event_loop import follow_event_loop
from .labels import threads
from .late_roots import PROFILE_ID_ATTRIBUTE, forget, late_roots, of_one_message, process, without_a_root
from .roots import MOST_NESTED_ROOTS, MOST_NESTED_SPANS, Root, root_stack

PROFILE_MISSING_ATTRIBUTE = "pyroscope.profile.missing"
"""The attribute that says, on a local root span without a profile ID, why it has none; one of the texts below."""

NO_AGENT = "no agent in this process"
"""Nobody started one, it was stopped, or it was left behind in the parent by a fork."""

AGENT_FAILED = "the agent failed to start in this process"
"""What the processor was given to start it raised an error or returned False, which is in the log."""

PROCESSOR_FAILED = "the span processor failed"
"""An error of the processor, which is in the log."""

_logger = logging.getLogger(__name__)

# The places of two fields of a span context, which is a tuple: each span asks twice, and a property is a call.
_IS_REMOTE = 2
_IS_VALID = 5


class SpanProfileProcessor(SpanProcessor):
    """Links each sampled local root span (one with no parent, or a remote one) to the samples of its work.

    The samples get the labels ``span_id``, ``span_name`` and ``trace_id``, as from
    ``pyroscope.otel.PyroscopeSpanProcessor``. On threads they last from the span's start to its end; on an event loop
    they follow the task. A root inside another takes the labels over and gives them back. A span gets a profile ID only
    where the agent took its labels.

    The three options of Grafana's Java extension can be set here or by its environment variables. An argument wins over
    the variable; without either, all three are true.

    Args:
        start_agent: Starts the agent, a call of ``pyroscope.configure``. With it the processor starts the agent in
            whichever process first has a span to profile, forked workers included. It must not wait for a server.
        follow_asyncio: False leaves event loops and anyio alone: right for apps without overlapping tasks.
        start_profiling: False never starts the agent: something else does. True starts it by the ``PYROSCOPE_*``
            variables of the environment where there is no ``start_agent``
            (``OTEL_PYROSCOPE_START_PROFILING``, which by itself starts nothing without ``start_agent``).
        root_span_only: False gives child spans profile IDs and labels of their own: a sample belongs to the innermost
            span, and no longer to those around it (``OTEL_PYROSCOPE_ROOT_SPAN_ONLY``).
        add_span_name: False leaves the label ``span_name`` out, which has a value for each name that spans have
            (``OTEL_PYROSCOPE_ADD_SPAN_NAME``).
    """

    def __init__(
        self,
        *,
        start_agent: Callable[[], object] | None = None,
        follow_asyncio: bool = True,
        start_profiling: bool | None = None,
        root_span_only: bool | None = None,
        add_span_name: bool | None = None,
    ) -> None:
        self._agent = _agent_starter(start_agent, start_profiling)
        self._follow_asyncio = follow_asyncio
        self._add_span_name = settings.option(settings.ADD_SPAN_NAME, add_span_name)
        # Decided once, as every span would pay for deciding: below which parents a span has labels of its own, be it
        # remote ones or all that there are, and what starts such a span.
        if settings.option(settings.ROOT_SPAN_ONLY, root_span_only):
            self._own_labels_below, self._start_labelled = _IS_REMOTE, self._start_root
            self._most_nested = MOST_NESTED_ROOTS
        else:
            self._own_labels_below, self._start_labelled = _IS_VALID, self._start_any
            self._most_nested = MOST_NESTED_SPANS
        self._reported = False
        self._shut_down = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Label the calling thread or task, and set the profile ID, if the span is a sampled local root."""
        try:
            parent = span.parent
            if parent is None or parent[self._own_labels_below]:
                if not self._shut_down:
                    self._start_labelled(span)
            else:
                # Most spans are children: what ``settle`` asks first is asked here without a call of ours.
                labels = threads.labels
                root = labels.current
                if root is not None:
                    root_span = root()
                    if root_span is not None and root_span.is_recording():
                        labels.last_child = span
                        return
                    labels.settle()
                if labels.current is None and (process.may_be_profiled or self._agent is not None):
                    self._start_without_a_root(span, parent_context)
        except Exception:  # noqa: BLE001 - see there
            self._report()
            self._withhold(span, PROCESSOR_FAILED)

    def on_end(self, span: ReadableSpan) -> None:
        """Take the labels of an ended span off the calling thread; other threads do it at their next span."""
        try:
            parent = span.parent
            if parent is None or parent[self._own_labels_below]:
                threads.labels.settle()
            elif late_roots:
                self._end_child(span)
        except Exception:  # noqa: BLE001 - see there
            self._report()

    def shutdown(self) -> None:
        """Label no more spans; those that run lose their labels as they end."""
        self._shut_down = True
        process.may_be_profiled = False

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Do nothing: the spans are sent by their exporter, and the samples by the agent."""
        return True

    def _start_root(self, span: Span) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags & 1:  # ``sampled`` is no more than this, at three times the price
            return
        self._label(span, Root(span).labelled_with(span.name if self._add_span_name else None, context))

    def _start_any(self, span: Span) -> None:
        """Label a local root or a child, but no child that only waits: it would be a dead link of each request."""
        if span.parent is None or span.parent[_IS_REMOTE] or not of_one_message(span):
            self._start_root(span)

    def _start_without_a_root(self, span: Span, parent_context: Context | None) -> None:
        """Take a child span for a root if none of its process is open, or its parent if that has outlived its root."""
        if self._shut_down:
            return
        late = without_a_root(span, parent_context, root_stack.get(), named=self._add_span_name)
        if late is None:
            return
        late_span = late()
        if late_span is not None and self._label(late_span, late):
            late_roots[late.span_id] = late

    def _end_child(self, span: ReadableSpan) -> None:
        """Take the labels of a late root off the calling thread, if they are those of one that has ended."""
        forget(span)
        labels = threads.labels
        root = labels.current
        if root is not None and not root.live:
            labels.show_innermost()

    def _label(self, span: Span, root: Root) -> bool:
        """Label the calling thread or task with the span that starts, and tell whether the agent took the labels."""
        if self._follow_asyncio:
            events = sys.modules.get("asyncio.events")  # never imported here: an app of threads does without
            loop = events._get_running_loop() if events is not None else None
            if loop is not None:
                follow_event_loop(loop)
        thread = threads.labels
        if not thread.start(root, self._most_nested):
            if self._agent is None:
                self._withhold(span, NO_AGENT)
                return False
            self._agent.start_here(span.resource)
            if not thread.start(root, self._most_nested):
                self._withhold(span, AGENT_FAILED if self._agent.failed_here else NO_AGENT)
                return False
        process.may_be_profiled = True
        span.set_attribute(PROFILE_ID_ATTRIBUTE, root.span_id)
        return True

    def _withhold(self, span: Span, reason: str) -> None:
        """Record on a local root span why it has no profile ID: a reader who misses the ID looks there."""
        with suppress(Exception):  # as ``_report``
            parent = span.parent
            if parent is None or parent.is_remote:
                span.set_attribute(PROFILE_MISSING_ATTRIBUTE, reason)

    def _report(self) -> None:
        """Log an error of ours, once. It must not become the app's: the span goes without its profile."""
        if not self._reported:
            self._reported = True
            _logger.exception("a span could not be linked to its profile; further errors of this kind are not shown")


def _agent_starter(start_agent: Callable[[], object] | None, start_profiling: bool | None) -> AgentStarter | None:
    """Return what starts the agent, or None where somebody else does."""
    if not settings.option(settings.START_PROFILING, start_profiling):
        return None
    if start_agent is not None:
        return AgentStarter(lambda _: start_agent())
    return AgentStarter(settings.start_agent) if start_profiling else None
