"""Which spans of a service should carry a profile ID: those that are certainly local root spans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spanprofiles.model import Span, SpanKind, Trace

_ENTRY_KINDS = {SpanKind.SERVER, SpanKind.CONSUMER}


@dataclass(frozen=True)
class Roots:
    """The spans of one service in some traces.

    Attributes:
        spans: its local root spans, newest first.
        unsure: spans whose parent is not in the trace, and whose exporter did not say whether it is remote.
        children: the other spans, which carry no profile ID by design.
    """

    spans: tuple[Span, ...]
    unsure: tuple[Span, ...]
    children: tuple[Span, ...]

    @property
    def carrying(self) -> tuple[Span, ...]:
        """The local root spans that carry a profile ID."""
        return tuple(span for span in self.spans if span.profile_id)


def roots_of(traces: Iterable[Trace], service: str) -> Roots:
    """Sort the spans of a service into local roots, unsure ones and children."""
    roots: list[Span] = []
    unsure: list[Span] = []
    children: list[Span] = []
    for trace in traces:
        for span in trace.spans:
            if span.service != service:
                continue
            if not trace.is_local_root(span):
                children.append(span)
            elif _is_sure(trace, span):
                roots.append(span)
            else:
                unsure.append(span)
    roots.sort(key=lambda span: -span.start_ns)
    return Roots(tuple(roots), tuple(unsure), tuple(children))


def _is_sure(trace: Trace, span: Span) -> bool:
    known = not span.parent_id or span.parent_is_remote is not None or trace.parent(span) is not None
    return known or span.kind in _ENTRY_KINDS or span.profile_id is not None
