"""Child spans with profile IDs of their own, added up for the local root span above them.

A span processor can label every span instead of local roots alone (``OTEL_PYROSCOPE_ROOT_SPAN_ONLY=false``, in Java and
in Python). The samples of a request then lie under the IDs of all its spans, and the local root's own are what is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spanprofiles.model.span import Span

if TYPE_CHECKING:
    from spanprofiles.model.trace import Trace


def with_descendants(trace: Trace) -> tuple[Span, ...]:
    """Return the spans of a trace, each local root with the spans whose samples count for it.

    Those are the spans below it, of the same process, that carry their own ID as profile ID and began while it ran. One
    that outlasts its root is none of them where no span within the root carries a profile ID: the processor labels
    local roots alone, and gave this one an ID for what it does afterwards.
    """
    below: dict[int, list[Span]] = {}
    roots: dict[str, Span | None] = {}
    for span in trace.spans:
        if span.profile_id != span.span_id or trace.is_local_root(span):
            continue
        root = _root_above(trace, span, roots)
        if root is not None and root.profile_id and dict(root.resource) == dict(span.resource):
            below.setdefault(id(root), []).append(span)
    if not below:
        return trace.spans
    return tuple(_with(span, below[id(span)]) if id(span) in below else span for span in trace.spans)


def _with(root: Span, below: list[Span]) -> Span:
    added = tuple(span for span in below if root.start_ns <= span.start_ns < max(root.end_ns, root.start_ns + 1))
    if all(span.end_ns > root.end_ns for span in added):
        return root
    return replace(root, added=added)


def _root_above(trace: Trace, span: Span, known: dict[str, Span | None]) -> Span | None:
    """Return the local root span that a child is below, or None where the trace does not have it."""
    passed: list[str] = []
    above = trace.parent(span)
    while above is not None and above.span_id not in known and not trace.is_local_root(above):
        passed.append(above.span_id)
        known[above.span_id] = None  # ends a circle of spans that name each other as parent
        above = trace.parent(above)
    root = known.get(above.span_id, above) if above is not None else None
    known.update(dict.fromkeys(passed, root))
    return root
