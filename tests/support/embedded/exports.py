"""Exports of spans, as OTLP has them in protobuf."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE, OTHER_TRACE, ROOT, CHILD = b"\x01" * 16, b"\x02" * 16, b"\x01" * 8, b"\x02" * 8


def export(*spans: Span, service: str = "shop") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url="resource.example")
    if service:
        resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    resource_spans.scope_spans.add(schema_url="scope.example").spans.extend(spans)
    return request
