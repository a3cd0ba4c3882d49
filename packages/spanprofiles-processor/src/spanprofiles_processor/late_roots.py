"""Late roots: spans that run although no local root span of their process is open.

A background task's span starts after its request has ended, or starts before and outlives it; a forked process starts
spans whose parent was left behind. Their work is in no other span's profile, so such a span is treated as a root from
there on: it gets labels and a profile ID of its own, which an SDK takes only while the span runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span, set_span_in_context

from .roots import Root, root_stack

PROFILE_ID_ATTRIBUTE = "pyroscope.profile.id"
"""Tempo's and Grafana's name for the span attribute that leads to the samples; its value is the span's own ID."""

late_roots: dict[str, Root] = {}
"""The late roots that run, by span ID. One that is dropped without being ended leaves by itself."""

_CURRENT_SPAN = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Under what name a context has its current span. ``get_current_span`` takes five times as long."""

_MESSAGES = (" http receive", " http send", " websocket receive", " websocket send")
"""How ASGI's instrumentation ends the names of spans of single messages. They wait and do no work; one waits for the
client to hang up when a request ends, and would be a dead link of each request."""


class _Process:
    """What is known of this process."""

    __slots__ = ("began_ns", "may_be_profiled")

    def __init__(self) -> None:
        self.may_be_profiled = False
        """Whether the agent has taken labels here, or this process was forked off, and nobody knows yet. In a process
        without an agent, children cost nothing."""
        self.began_ns = 0
        """When it was forked off, ns since the epoch; 0 where it was not."""


process = _Process()


def of_one_message(span: Span) -> bool:
    """Tell whether a span is of a single message of ASGI, which waits and does no work."""
    return span.name.endswith(_MESSAGES)


def late_root(span: Span, *, named: bool) -> Root | None:
    """Return the root that a span makes by itself, or None where it must not be one.

    It must not if it is not exported, of one message, or labelled already: where it was started, as children are with
    labels of their own.

    Args:
        span: A span that runs.
        named: Whether its samples get its name.
    """
    context = span.get_span_context()
    if context is None or not context.trace_flags & 1 or of_one_message(span):
        return None
    if PROFILE_ID_ATTRIBUTE in (span.attributes or ()):
        return None
    return Root(span, _forget).labelled_with(span.name if named else None, context)


def forget(span: ReadableSpan) -> None:
    """Forget the late root of a span that has ended, if it was one."""
    late_roots.pop(_hex(span), None)


def _forget(root: Root) -> None:  # its span was dropped
    late_roots.pop(root.span_id, None)


def nothing_runs(last_child: Span | None) -> bool:
    """Tell whether neither the current span nor the child that this thread started last is there to outlive a root.

    Asked whenever a root with children ends, this is the short way to the answer that is nearly always right.
    """
    current: Any = get_current().get(_CURRENT_SPAN)
    return not (current is not None and current.is_recording()) and not (last_child and last_child.is_recording())


def heir(roots: Sequence[Root], last_child: Callable[[], Span | None]) -> Root | None:
    """Return the root of the span that goes on here when its local root span has ended, or None where nothing does.

    It is the current span of OpenTelemetry's context. Where that has ended too, it is the child that this thread
    started last, as a root labels the thread that started it, current or not. On an event loop it is not, since the
    thread is shared there. Nor is it a call to elsewhere, which ends when its answer comes.

    Args:
        roots: Roots that were open here, one of them perhaps the span's.
        last_child: A weak reference to the child span that this thread started last.
    """
    ended = [root for root in roots if not root.live]
    current = get_current_span()
    if isinstance(current, Span):
        found = late_roots.get(_hex(current))
        if found is not None and found.live:
            return found
        if _goes_on(current, ended):
            return late_root(current, named=_named(ended))
    child = last_child()
    if child is not None and child.kind is SpanKind.INTERNAL and _goes_on(child, ended) and not _on_a_loop():
        return late_root(child, named=_named(ended))
    return None


def _named(ended: Sequence[Root]) -> bool:
    return ended[-1].span_name is not None  # as the root was: the processor's options are not known here


def _goes_on(span: Span, ended: Sequence[Root]) -> bool:
    parent = span.parent
    if not span.is_recording() or parent is None or parent.is_remote or not process.may_be_profiled:
        return False
    trace_id = parent.trace_id.to_bytes(16, "big").hex()
    return not _is_of_another_process(span) and any(root.trace_id == trace_id for root in ended)


def without_a_root(span: Span, parent_context: Context | None, roots: Sequence[Root], *, named: bool) -> Root | None:
    """Return the root that a child is, or is inside of, when it starts where none is open; None where one is elsewhere.

    Args:
        span: The span that starts.
        parent_context: Where its parent is.
        roots: Roots that were open here.
        named: Whether samples get the span's name.
    """
    if any(root.live for root in roots):
        return None
    parent = get_current_span(parent_context)
    if not isinstance(parent, Span) or not parent.is_recording() or _is_of_another_process(parent):
        return late_root(span, named=named)
    # A parent that runs is a root, or has one that runs on another thread, unless it is known to have outlived it.
    return late_root(parent, named=named) if _hex(parent) not in late_roots and _goes_on(parent, roots) else None


def _is_of_another_process(span: Span) -> bool:
    """Tell whether a span ran when this process was forked: what is here is a copy that nobody exports."""
    return (span.start_time or 0) < process.began_ns


def _hex(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return context.span_id.to_bytes(8, "big").hex() if context is not None else ""


def _on_a_loop() -> bool:
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _forget_the_parent_process() -> None:
    late_roots.clear()
    root_stack.set(())
    process.may_be_profiled = True
    process.began_ns = time.time_ns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parent_process)
