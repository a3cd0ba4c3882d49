"""Spans read no further than what every span is asked for: what is inside them stays in bytes.

The attributes of spans repeat. Taken as bytes, each different one is decoded once, and a span is stored as it came. The
messages are made of the descriptors of OTLP's own, so they have the fields that the installed package has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from spanprofiles.embedded.varint import varint

SPANS_TAG = bytes([ScopeSpans.SPANS_FIELD_NUMBER << 3 | 2])
SHORT_BYTES = 1_024
"""What stands before a span is remembered for spans that are smaller, as most are."""
_PACKAGE = "spanprofiles.embedded.raw"
_FIELDS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "attributes",
    "events",
    "links",
    "status",
)
"""Of a span; all else is left alone."""


def _copied(descriptor: Any, names: tuple[str, ...], name: str) -> DescriptorProto:
    """Describe a message that has some of another's fields, of which those that are messages are bytes."""
    original, made = DescriptorProto(), DescriptorProto(name=name)
    descriptor.CopyToProto(original)
    for field in original.field:
        if field.name in names:
            if field.type in {FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM}:
                is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
                field.type = FieldDescriptorProto.TYPE_BYTES if is_message else FieldDescriptorProto.TYPE_INT32
                field.ClearField("type_name")
            made.field.add().CopyFrom(field)
    return made


def span_messages() -> tuple[Any, Any]:
    """Make the messages of ``WholeSpans`` and ``OpenedSpans``, from the descriptors of OTLP's own."""
    whole = _copied(ScopeSpans.DESCRIPTOR, ("spans",), "WholeSpans")
    opened = DescriptorProto()
    opened.CopyFrom(whole)
    opened.name = "OpenedSpans"
    opened.field[0].type, opened.field[0].type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.RawSpan"
    file = FileDescriptorProto(name="spanprofiles/embedded/raw_spans.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend([_copied(Span.DESCRIPTOR, _FIELDS, "RawSpan"), whole, opened])
    pool = DescriptorPool()
    pool.Add(file)
    whole_spans, opened_spans = (
        GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in ("WholeSpans", "OpenedSpans")
    )
    return whole_spans, opened_spans


WholeSpans, OpenedSpans = span_messages()
"""The same bytes as ScopeSpans: each span in bytes, or opened, with what is inside it in bytes."""


class _Frames(dict[int, bytes]):
    """What stands before a span of so many bytes in a ScopeSpans: the field and the length, a varint."""

    def __missing__(self, size: int) -> bytes:
        frame = SPANS_TAG + varint(size)
        if size < SHORT_BYTES:
            self[size] = frame
        return frame


_FRAMES = _Frames()


def framed_spans(spans: Iterable[bytes]) -> bytes:
    """Write a ScopeSpans with nothing but spans, which are serialized: as ``WholeSpans`` would, in less time."""
    return b"".join([part for span in spans for part in (_FRAMES[len(span)], span)])
