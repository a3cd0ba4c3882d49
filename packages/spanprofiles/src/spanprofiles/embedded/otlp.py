"""OTLP over HTTP: a request's body, protobuf or JSON, to an export request whose IDs are checked.

Source: the OTLP specification 1.x, https://opentelemetry.io/docs/specs/otlp/; in JSON, IDs are hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.contents import TooMuchError, check_export, check_json
from spanprofiles.embedded.limits import MESSAGE_BYTES
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.web import plain_json

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
NO_TRACE_ID = bytes(TRACE_ID_BYTES)
SERVICE = "service.name"


class OtlpError(Exception):
    """The body is not a valid export of traces; nothing of it is to be kept.

    Attributes:
        reason: what is wrong with it.
        service: the service of the span that is wrong; empty where that is not known.
        spans: how many spans are in it; 0 where it could not be read.
    """

    def __init__(
        self, message: str, reason: Reason = Reason.MALFORMED_REQUEST, service: str = "", spans: int = 0
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.service = service
        self.spans = spans


def _unwatched(_: int) -> None:
    """Take no notice of how much memory an export is going to take."""


def from_protobuf(body: bytes, expect: Callable[[int], None] = _unwatched) -> ExportTraceServiceRequest:
    """Decode and check a protobuf body.

    Args:
        body: the bytes.
        expect: is told about how much memory the export takes, in bytes, before it does; what it raises ends the work.

    Raises:
        OtlpError: it is not an export request, has too much in it, or an ID has a wrong length.
    """
    request = ExportTraceServiceRequest()
    try:
        expect(len(body) + MESSAGE_BYTES * check_export(body))
        request.ParseFromString(body)
    except TooMuchError as error:
        raise OtlpError(f"the export is too large: {error}", Reason.MESSAGES) from error
    except DecodeError as error:
        raise OtlpError(f"proto: cannot parse the export request: {error}") from error
    check(request)
    return request


def from_json(body: bytes, expect: Callable[[int], None] = _unwatched) -> ExportTraceServiceRequest:
    """Decode and check a JSON body.

    Args:
        body: the bytes.
        expect: is told about how much memory the export takes, in bytes, before it does; what it raises ends the work.

    Raises:
        OtlpError: it is not JSON, not an export request, has too much in it, or an ID is not hexadecimal or has a wrong
            length.
    """
    request = ExportTraceServiceRequest()
    try:
        expect(len(body) + MESSAGE_BYTES * check_json(body))
        document = json.loads(plain_json(body))
        if not isinstance(document, dict):
            raise OtlpError("the body must be a JSON object with resourceSpans")
        _ids_to_base64(document)
        json_format.ParseDict(document, request, ignore_unknown_fields=True)
    except TooMuchError as error:
        raise OtlpError(f"the export is too large: {error}", Reason.MESSAGES) from error
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
                found = _wrong_id(span)
                if found is not None:
                    service = service_of(resource_spans.resource)
                    raise OtlpError(*found, service=service, spans=span_count(request))


def _wrong_id(span: Span) -> tuple[str, Reason] | None:
    if len(span.trace_id) != TRACE_ID_BYTES or span.trace_id == NO_TRACE_ID:
        bits = len(span.trace_id.lstrip(b"\0")) and len(span.trace_id) * 8
        return f"trace ids must be 128 bit, received {bits} bits", Reason.TRACE_ID
    if len(span.span_id) not in {0, SPAN_ID_BYTES}:
        return f"span ids must be 64 bit, received {len(span.span_id) * 8} bits", Reason.SPAN_ID
    if len(span.parent_span_id) not in {0, SPAN_ID_BYTES}:
        return f"parent span ids must be 64 bit, received {len(span.parent_span_id) * 8} bits", Reason.SPAN_ID
    return None


def service_of(resource: Resource) -> str:
    """The resource's `service.name`, or an empty text."""
    return next((pair.value.string_value for pair in resource.attributes if pair.key == SERVICE), "")


def first_service(request: ExportTraceServiceRequest) -> str:
    """The `service.name` of an export request's first resource, or an empty text."""
    return service_of(request.resource_spans[0].resource) if request.resource_spans else ""


def span_count(request: ExportTraceServiceRequest) -> int:
    """How many spans are in an export request."""
    return sum(len(scope_spans.spans) for group in request.resource_spans for scope_spans in group.scope_spans)


def _list_of(holder: dict[str, Any], *names: str) -> list[Any]:
    """A JSON field, by its camel case or its snake case name, as a list of objects."""
    found: list[Any] = []
    for name in names:
        value = holder.get(name)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, dict)]
    return found


def _hex_to_base64(holder: dict[str, Any], names: tuple[str, ...], length: int) -> None:
    reason = Reason.TRACE_ID if length == TRACE_ID_BYTES else Reason.SPAN_ID
    for name in names:
        value = holder.get(name)
        if value in {None, ""} if isinstance(value, (str, type(None))) else False:
            continue
        if not isinstance(value, str):
            raise OtlpError(f"{name} must be a string of {2 * length} hexadecimal digits", reason)
        try:
            raw = binascii.unhexlify(value)
        except ValueError as error:
            raise OtlpError(f'{name} "{value[:64]}": {error}', reason) from error
        if len(raw) != length:
            message = f'{name} "{value[:64]}" must have {2 * length} hexadecimal digits: length mismatch'
            raise OtlpError(message, reason)
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
