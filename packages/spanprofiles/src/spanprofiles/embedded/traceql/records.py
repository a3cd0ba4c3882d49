"""Traces as queries see them: spans with their attributes by name, their place in the tree, and what a trace is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.deadline import PIECE, Deadline
from spanprofiles.embedded.traceql.values import BOOLEAN, FLOAT, INTEGER, STRING

Values = tuple[int, tuple[Any, ...]]
"""The values of an attribute and their type: one, or those of a list; none where they are no scalars."""
NO_VALUES: Values = (STRING, ())
SERVICE_NAME = "service.name"
SERVER, CLIENT, ERROR = 2, 3, 2
ROOT_PARENT = -1
_KINDS = {"string_value": STRING, "int_value": INTEGER, "double_value": FLOAT, "bool_value": BOOLEAN}
SIZE_64 = 2**64


def values_of(value: Any) -> Values:  # an OTLP AnyValue
    """Read the scalars in an OTLP value; of a list, its members where all are of one type."""
    kind = value.WhichOneof("value")
    if kind in _KINDS:
        return _KINDS[kind], (getattr(value, kind),)
    if kind == "array_value":
        members = value.array_value.values
        kinds = {member.WhichOneof("value") for member in members}
        if len(kinds) == 1 and (only := kinds.pop()) in _KINDS:
            return _KINDS[only], tuple(getattr(member, only) for member in members)
    return NO_VALUES


def attributes_of(pairs: Iterable[Any]) -> dict[str, Values]:
    """OTLP attributes by name; of two with one name, the first counts."""
    found: dict[str, Values] = {}
    for pair in pairs:
        if pair.key not in found:
            found[pair.key] = values_of(pair.value)
    return found


def short_hex(raw: bytes) -> str:
    """Write a trace ID as Tempo prints it in searches: without its leading zeros."""
    return raw.hex().lstrip("0")


def long_hex(raw: bytes) -> str:
    """Write a span ID as Tempo prints it in searches: with 16 digits, even where there is none."""
    return raw.hex().rjust(16, "0")


class ResourceRecord:
    """A resource: its attributes and its service's name, which is empty where it has none."""

    __slots__ = ("attributes", "service")

    def __init__(self, payload: bytes) -> None:
        self.attributes = attributes_of(Resource.FromString(payload).attributes)
        kind, names = self.attributes.get(SERVICE_NAME, NO_VALUES)
        named = kind == STRING and len(names) == 1
        self.service: str = names[0] if named else ""
        if named:
            del self.attributes[SERVICE_NAME]


class ScopeRecord:
    """An instrumentation scope."""

    __slots__ = ("attributes", "name", "version")

    def __init__(self, payload: bytes) -> None:
        scope = InstrumentationScope.FromString(payload)
        self.name: str = scope.name
        self.version: str = scope.version
        self.attributes = attributes_of(scope.attributes)


class SpanRecord:
    """A span; its attributes, events and links are read from its payload when they are first wanted."""

    __slots__ = (
        "_attributes",
        "child_count",
        "duration_ns",
        "left",
        "message",
        "parent",
        "resource",
        "right",
        "scope",
        "start_ns",
    )

    def __init__(self, payload: bytes, resource: ResourceRecord, scope: ScopeRecord) -> None:
        self.message = Span.FromString(payload)
        self.resource = resource
        self.scope = scope
        self.start_ns: int = self.message.start_time_unix_nano
        span = (self.message.end_time_unix_nano - self.start_ns) % SIZE_64
        self.duration_ns = span if span < SIZE_64 // 2 else span - SIZE_64
        # The nested set model: see `place_spans`.
        self.left = self.right = self.parent = self.child_count = 0
        self._attributes: dict[str, Values] | None = None

    @property
    def attributes(self) -> Mapping[str, Values]:
        """The span's own attributes."""
        if self._attributes is None:
            self._attributes = attributes_of(self.message.attributes)
        return self._attributes


class TraceRecord:
    """A trace: its spans, in the order in which a search gives them, and what it is called.

    Args:
        trace_id: in binary.
        spans: in the order in which they came.
        deadline: of the query.
    """

    def __init__(self, trace_id: bytes, spans: list[SpanRecord], deadline: Deadline) -> None:
        self.trace_id = trace_id
        self.spans = spans
        watched = deadline.watch(spans, PIECE)
        self.start_ns = min((span.start_ns for span in watched if span.start_ns), default=0)
        end = max((span.message.end_time_unix_nano for span in deadline.watch(spans, PIECE)), default=0)
        size = (end - self.start_ns) % SIZE_64
        self.duration_ns = size if size < SIZE_64 // 2 else size - SIZE_64
        watched = deadline.watch(spans, PIECE)
        roots = [span for span in watched if not span.message.parent_span_id and not _follows(span.message)]
        self.root_name: str = roots[-1].message.name if roots else ""
        self.root_service = roots[-1].resource.service if roots else ""
        self._placed = False

    def place(self, deadline: Deadline) -> None:
        """Find each span's place in the tree, once."""
        if not self._placed:
            self._placed = True
            place_spans(self.spans, deadline)

    def services(self, deadline: Deadline) -> dict[str, dict[str, int]]:
        """Spans and errors of each service, as a search's answer has them."""
        found: dict[str, dict[str, int]] = {}
        for span in deadline.watch(self.spans, PIECE):
            counts = found.setdefault(span.resource.service, {"spanCount": 0})
            counts["spanCount"] += 1
            if span.message.status.code == ERROR:
                counts["errorCount"] = counts.get("errorCount", 0) + 1
        return found


def _follows(span: Any) -> bool:  # an OTLP Span
    """Whether a span without a parent names one by a link, as OpenTracing's bridges do."""
    return any(
        link.trace_id == span.trace_id
        and any(
            pair.key == "opentracing.ref_type" and pair.value.string_value == "child_of" for pair in link.attributes
        )
        for link in span.links
    )


def place_spans(spans: Sequence[SpanRecord], deadline: Deadline) -> None:
    """Give the spans below a root their places in the nested set model: descendants lie between left and right.

    Spans below no root keep zeros. ``parent`` is the left of the parent, and -1 for a root.
    """
    by_id: dict[bytes, list[SpanRecord]] = {}
    for span in deadline.watch(spans, PIECE):
        by_id.setdefault(span.message.span_id, []).append(span)
    roots = [span for span in spans if not span.message.parent_span_id]
    if not roots or any(len(same) > 2 for same in by_id.values()):
        return
    children: dict[int, list[SpanRecord]] = {}
    for span in deadline.watch(spans, PIECE):
        parent = _parent_of(span, by_id)
        if parent is not None:
            children.setdefault(id(parent), []).append(span)
            parent.child_count += 1
    bound = 1
    steps = deadline.watch(itertools.count(), PIECE)
    for root in roots:
        root.left, root.parent = bound, ROOT_PARENT
        bound += 1
        path = [(root, iter(children.get(id(root), ())))]
        while path:
            next(steps)
            span, below = path[-1]
            child = next(below, None)
            if child is None:
                span.right = bound
                path.pop()
            else:
                child.left, child.parent = bound, span.left
                path.append((child, iter(children.get(id(child), ()))))
            bound += 1


def _parent_of(span: SpanRecord, by_id: Mapping[bytes, list[SpanRecord]]) -> SpanRecord | None:
    if not span.message.parent_span_id:
        return None
    found = by_id.get(span.message.parent_span_id, [])
    if len(found) < 2:
        return found[0] if found else None
    # A client's and a server's span may share an ID: the server's is the parent of all but servers.
    wanted = CLIENT if span.message.kind == SERVER else SERVER
    return next((span for span in found if span.message.kind == wanted), None)
