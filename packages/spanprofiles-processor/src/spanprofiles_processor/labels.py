"""Keeps the labels of each thread's samples.

The agent keeps thread tags as a set of (thread, key, value) and lets only the thread itself change its own. So there is
one record a thread of what was set, only that thread touches it, and whatever is stale is put right by the thread's
next span or step.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import get_ident, local
from weakref import ref

from opentelemetry.sdk.trace import Span
from pyroscope import add_thread_tag, remove_thread_tag

from .late_roots import PROFILE_ID_ATTRIBUTE, heir, late_roots, nothing_runs
from .roots import MOST_NESTED_ROOTS, Root, root_stack


class ThreadLabels:
    """The labels of one thread. None of its methods raises."""

    __slots__ = ("_thread", "current", "first_started", "last_child")

    def __init__(self) -> None:
        self._thread = get_ident()
        self.current: Root | None = None
        """Whose labels the thread carries."""
        self.first_started: list[Root] | None = None
        """Where somebody waits for the first root that starts on this thread: an empty list until there is one."""
        self.last_child: Span | None = None
        """The child span that started last on this thread while it was labelled, until a root ends here."""

    def show(self, root: Root | None) -> bool:
        """Make the labels those of ``root``, or none.

        Returns:
            Whether the agent took them. It does not where none runs in this process: before it is configured, after
            its shutdown, in a forked child.
        """
        current = self.current
        if current is root:
            return True
        try:
            if current is not None:
                self.current = None
                remove_thread_tag("span_id", current.span_id)
                if current.span_name is not None:
                    remove_thread_tag("span_name", current.span_name)
                remove_thread_tag("trace_id", current.trace_id)
            if root is not None:
                # The span ID comes last and goes first: a sample taken in between has no span, not half of one.
                if not add_thread_tag("trace_id", root.trace_id):
                    return False
                # Recorded before the rest: what an error leaves half set is removed with it.
                self.current = root
                if root.span_name is not None:
                    add_thread_tag("span_name", root.span_name)
                add_thread_tag("span_id", root.span_id)
        except Exception:  # noqa: BLE001 - the app must not notice, whatever the agent does
            return False
        return True

    def start(self, root: Root, most_nested: int = MOST_NESTED_ROOTS) -> bool:
        """Label this thread with a root that has just started on it, and tell whether the agent took the labels.

        Args:
            root: The root, or a child that has labels of its own.
            most_nested: How many inside each other are remembered.
        """
        # The outer roots come back at this one's end only where they were on this thread, and not where a context was
        # merely copied to it: nobody would take their labels off again.
        nested = self.current is not None
        if not self.show(root):
            return False
        if nested:
            # A late root is found again by being the current span. In the stack it would outlast requests.
            outer = [other for other in root_stack.get() if other.live and other.span_id not in late_roots]
            root_stack.set((*outer[1 - most_nested :], root))
        else:
            root_stack.set((root,))
        if self.first_started is not None and not self.first_started:
            self.first_started.append(root)
        return True

    def start_late(self, root: Root) -> bool:
        """Label this thread with a root whose span runs already, and give the span a profile ID if the agent agrees."""
        span = root()
        if span is None or not self.show(root):
            return False
        root_stack.set((root,))
        late_roots[root.span_id] = root
        span.set_attribute(PROFILE_ID_ATTRIBUTE, root.span_id)
        return True

    def _take_last_child(self) -> Callable[[], Span | None]:
        # Held by nobody else, it will never be ended: no root is kept alive by being remembered here, and no child.
        child, self.last_child = self.last_child, None
        return ref(child) if child is not None else _nobody

    def settle(self) -> None:
        """If the span of this thread's labels has ended, here or elsewhere, label the span that goes on."""
        current = self.current
        if current is None or current.live:
            return
        stack = root_stack.get()
        alone = len(stack) == 1 and stack[0] is current and not late_roots
        if alone and (self.last_child is None or nothing_runs(self.last_child)):
            self.last_child = None
            self.show(None)
        else:
            self.show_innermost()

    def show_live(self, root: Root | None) -> None:
        """Make the labels those of ``root`` if it still runs, else none."""
        self.show(root if root is not None and root.live else None)

    def show_innermost(self) -> None:
        """Make the labels those of the current context's innermost live root, or of a span that outlives its root."""
        stack = root_stack.get()
        for root in reversed(stack):
            if root.live:
                self.show(root)
                return
        late = heir(stack if self.current is None else (*stack, self.current), self._take_last_child())
        if late is None or not self.start_late(late):
            self.show(None)

    def __del__(self) -> None:
        # A thread that ends takes its labels along: the next thread may get its number. CPython runs this on the
        # ending thread itself; after a fork the child runs it for threads it does not have.
        if self.current is not None and self._thread == get_ident():
            self.show(None)


def _nobody() -> None:
    return None


class _Threads(local):
    """Each thread's labels, made when the thread first asks for them."""

    def __init__(self) -> None:
        self.labels = ThreadLabels()


threads = _Threads()


def thread_labels() -> ThreadLabels:
    """Return the labels of the calling thread."""
    return threads.labels


def _forget_labels() -> None:
    labels = thread_labels()
    labels.current = None
    labels.first_started = None
    labels.last_child = None


if hasattr(os, "register_at_fork"):
    # The agent's tags do not outlive a fork.
    os.register_at_fork(after_in_child=_forget_labels)
