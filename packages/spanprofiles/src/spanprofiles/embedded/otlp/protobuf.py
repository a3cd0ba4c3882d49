"""Exports of traces in protobuf."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import MESSAGE_BYTES, SPANS
from spanprofiles.embedded.message_counter import MessageCounter

SPANS_DEPTH = 3


def decode_protobuf(body: bytes, expect: Callable[[int], None]) -> ExportTraceServiceRequest:
    """Decode an export.

    Args:
        body: the export in protobuf.
        expect: called with about how many bytes of memory the export needs, before it uses them; what it raises
            ends the work.

    Raises:
        ExportError: it is not an export, or has too much in it.
    """
    expect(len(body) + MESSAGE_BYTES * count_messages(body))
    export = ExportTraceServiceRequest()
    try:
        export.ParseFromString(body)
    except DecodeError as error:
        raise ExportError(f"proto: cannot parse the export request: {error}") from error
    return export


TRACES = MessageCounter(ExportTraceServiceRequest)


def count_messages(body: bytes) -> int:
    """Count the messages in an export of traces.

    Returns:
        How many there are at most.

    Raises:
        ExportError: there are too many of them.
    """
    if TRACES.bound(body) > SPANS:
        TRACES.check(body, SPANS_DEPTH, SPANS, "spans, or groups of them,")
    return TRACES.count(body)
