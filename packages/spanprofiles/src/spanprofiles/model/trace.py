"""A trace: the spans of one request, over all services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from spanprofiles.model.descendants import with_descendants
from spanprofiles.model.span import Span, SpanKind

_ENTRY_KINDS = {SpanKind.SERVER, SpanKind.CONSUMER}
_EXIT_KINDS = {SpanKind.CLIENT, SpanKind.PRODUCER}


@dataclass(frozen=True)
class Trace:
    """The spans of one trace that a backend has so far; more may arrive.

    Attributes:
        trace_id: 32 hex digits.
        spans: in order of start, without repeated deliveries.
    """

    trace_id: str
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, trace_id: str, spans: list[Span]) -> Trace:
        """Order the spans by start, drop repeated deliveries of the same span, and add children up for their roots."""
        unique = {(span.span_id, span.kind): span for span in spans}
        ordered = tuple(sorted(unique.values(), key=lambda span: (span.start_ns, -span.end_ns)))
        trace = cls(trace_id, ordered)
        with_added = with_descendants(trace)
        return trace if with_added is ordered else cls(trace_id, with_added)

    @cached_property
    def _by_id(self) -> dict[str, Span]:
        return {span.span_id: span for span in self.spans}

    @cached_property
    def _by_parent(self) -> dict[str, list[Span]]:
        found: dict[str, list[Span]] = {}
        for span in self.spans:
            if span.parent_id:
                found.setdefault(span.parent_id, []).append(span)
        return found

    def span(self, span_id: str) -> Span | None:
        """Return the span with that ID, or None."""
        return self._by_id.get(span_id)

    def parent(self, span: Span) -> Span | None:
        """Return the span's parent; None if it has none, or the trace does not have it."""
        found = self._by_id.get(span.parent_id) if span.parent_id else None
        return found if found is not span else None

    def children(self, span: Span) -> tuple[Span, ...]:
        """Return the span's direct children, in order of start."""
        return tuple(child for child in self._by_parent.get(span.span_id, ()) if child is not span)

    @property
    def tops(self) -> tuple[Span, ...]:
        """The spans whose parent is not in the trace: the root, and spans that lost their parent."""
        return tuple(span for span in self.spans if self.parent(span) is None)

    def is_local_root(self, span: Span) -> bool:
        """Tell whether the span is the first of its process in this trace: its parent is remote, or it has none.

        This is the span that gets a profile ID. If the exporter does not say whether the parent is remote (OTLP
        ``flags``), a parent counts as remote that is missing, has another resource, or is the other end of a call.
        """
        if not span.parent_id:
            return True
        if span.parent_is_remote is not None:
            return span.parent_is_remote
        parent = self.parent(span)
        if parent is None or dict(parent.resource) != dict(span.resource):
            return True
        return span.kind in _ENTRY_KINDS and parent.kind in _EXIT_KINDS

    @cached_property
    def local_roots(self) -> tuple[Span, ...]:
        """The local root spans, in order of start."""
        return tuple(span for span in self.spans if self.is_local_root(span))

    @property
    def linkable(self) -> tuple[Span, ...]:
        """The local root spans that carry a profile ID, in order of start."""
        return tuple(span for span in self.local_roots if span.profile_id)

    @property
    def late_roots(self) -> tuple[Span, ...]:
        """The spans that have their own profile and count for no local root, in order of start.

        With some span processors, the span of a background task has one if it outlives its request's span or starts
        after it. Its samples are in no other span's profile. It does not count as the span of a process.
        """
        added = {id(child) for span in self.spans for child in span.added}
        return tuple(
            span
            for span in self.spans
            if span.profile_id == span.span_id and id(span) not in added and not self.is_local_root(span)
        )

    def outlasting(self, root: Span) -> tuple[Span, ...]:
        """Return the spans of a local root's process that outlast it, as a background task does.

        Spans with their own profile ID and the spans below them are left out: their work is in another profile.
        """
        found, pending = [], list(self.children(root))
        seen = {id(root)}
        while pending:
            span = pending.pop()
            if id(span) in seen or span.profile_id or self.is_local_root(span):
                continue
            seen.add(id(span))
            if span.end_ns > root.end_ns:
                found.append(span)
            pending.extend(self.children(span))
        return tuple(sorted(found, key=lambda span: span.start_ns))

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services that took part, in order of their first span."""
        return tuple(dict.fromkeys(span.service for span in self.spans))

    @property
    def duration_ns(self) -> int:
        """Wall-clock time from the first start to the last end, ns; 0 for an empty trace."""
        if not self.spans:
            return 0
        return max(span.end_ns for span in self.spans) - self.spans[0].start_ns

    def walk(self) -> Iterator[tuple[int, Span]]:
        """Yield (depth, span), each span once, parents before their children, siblings in order of start."""
        seen: set[int] = set()
        # the tops lead to every span but those that name each other as parent: the first of these is taken for a top
        for top in (*self.tops, *self.spans):
            pending = [(0, top)]
            while pending:
                depth, span = pending.pop()
                if id(span) in seen:
                    continue
                seen.add(id(span))
                yield depth, span
                pending.extend((depth + 1, child) for child in reversed(self.children(span)))
