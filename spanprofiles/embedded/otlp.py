"""OTLP over HTTP: a request's body, protobuf or JSON, to an export request whose IDs are checked.

Source: the OTLP specification 1.x, https://opentelemetry.io/docs/specs/otlp/; in JSON, IDs are hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.web import plain_json

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
NO_TRACE_ID = bytes(TRACE_ID_BYTES)


class OtlpError(Exception):
    """The body is not a valid export of traces; nothing of it is to be kept."""


def from_protobuf(body: bytes) -> ExportTraceServiceRequest:
    """Decode and check a protobuf body.

    Raises:
        OtlpError: it is not an export request, or an ID has a wrong length.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise OtlpError(f"proto: cannot parse the export request: {error}") from error
    check(request)
    return request


def from_json(body: bytes) -> ExportTraceServiceRequest:
    """Decode and check a JSON body.

    Raises:
        OtlpError: it is not JSON, not an export request, or an ID is not hexadecimal or has a wrong length.
    """
    request = ExportTraceServiceRequest()
    try:
        document = json.loads(plain_json(body))
        if not isinstance(document, dict):
            raise OtlpError("the body must be a JSON object with resourceSpans")
        _ids_to_base64(document)
        json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, json_format.ParseError) as error:
        raise OtlpError(f"cannot parse the export request: {error}") from error
    except RecursionError as error:
        raise OtlpError("cannot parse the export request: it is nested too deeply") from error
    check(request)
    return request


def check(request: ExportTraceServiceRequest) -> None:
    """See that every span has a trace ID, which is not all zeros, and that no ID has a wrong length.

    Raises:
        OtlpError: one has not.
    """
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                if len(span.trace_id) != TRACE_ID_BYTES or span.trace_id == NO_TRACE_ID:
                    bits = len(span.trace_id.lstrip(b"\0")) and len(span.trace_id) * 8
                    raise OtlpError(f"trace ids must be 128 bit, received {bits} bits")
                if len(span.span_id) not in {0, SPAN_ID_BYTES}:
                    raise OtlpError(f"span ids must be 64 bit, received {len(span.span_id) * 8} bits")
                if len(span.parent_span_id) not in {0, SPAN_ID_BYTES}:
                    raise OtlpError(f"parent span ids must be 64 bit, received {len(span.parent_span_id) * 8} bits")


def _list_of(holder: dict[str, Any], *names: str) -> list[Any]:
    """A JSON field, by its camel case or its snake case name, as a list of objects."""
    found: list[Any] = []
    for name in names:
        value = holder.get(name)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, dict)]
    return found


def _hex_to_base64(holder: dict[str, Any], names: tuple[str, ...], length: int) -> None:
    for name in names:
        value = holder.get(name)
        if value in {None, ""} if isinstance(value, (str, type(None))) else False:
            continue
        if not isinstance(value, str):
            raise OtlpError(f"{name} must be a string of {2 * length} hexadecimal digits")
        try:
            raw = binascii.unhexlify(value)
        except ValueError as error:
            raise OtlpError(f'{name} "{value[:64]}": {error}') from error
        if len(raw) != length:
            raise OtlpError(f'{name} "{value[:64]}" must have {2 * length} hexadecimal digits: length mismatch')
        holder[name] = base64.b64encode(raw).decode()


def _ids_to_base64(document: dict[str, Any]) -> None:
    """Turn the hexadecimal IDs of OTLP's JSON into the base64 that protobuf's JSON has for bytes."""
    trace_names, span_names = ("traceId", "trace_id"), ("spanId", "span_id")
    for resource_spans in _list_of(document, "resourceSpans", "resource_spans"):
        for scope_spans in _list_of(resource_spans, "scopeSpans", "scope_spans"):
            for span in _list_of(scope_spans, "spans"):
                _hex_to_base64(span, trace_names, TRACE_ID_BYTES)
                _hex_to_base64(span, (*span_names, "parentSpanId", "parent_span_id"), SPAN_ID_BYTES)
                for link in _list_of(span, "links"):
                    _hex_to_base64(link, trace_names, TRACE_ID_BYTES)
                    _hex_to_base64(link, span_names, SPAN_ID_BYTES)
