"""Exports in JSON, in which IDs are hexadecimal."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import MESSAGE_BYTES
from spanprofiles.embedded.message_counter import count_values
from spanprofiles.embedded.otlp.rows import SPAN_ID_BYTES, TRACE_ID_BYTES
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.web import plain_json


def decode_json(body: bytes, expect: Callable[[int], None]) -> ExportTraceServiceRequest:
    """Decode an export.

    Args:
        body: the export in JSON.
        expect: called with about how many bytes of memory the export needs, before it uses them; what it raises
            ends the work.

    Raises:
        ExportError: it is not JSON, not an export, has too much in it, or an ID is not hexadecimal or has a wrong
            length.
    """
    expect(len(body) + MESSAGE_BYTES * count_values(body))
    export = ExportTraceServiceRequest()
    try:
        document = json.loads(plain_json(body))
        if not isinstance(document, dict):
            raise ExportError("the body must be a JSON object with resourceSpans")
        _ids_to_base64(document)
        json_format.ParseDict(document, export, ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, json_format.ParseError) as error:
        raise ExportError(f"cannot parse the export request: {error}") from error
    except RecursionError as error:
        raise ExportError("cannot parse the export request: it is nested too deeply") from error
    return export


def _list_of(holder: dict[str, Any], *names: str) -> list[Any]:
    """Read a JSON field, by its camel case or its snake case name, as a list of objects."""
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
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise ExportError(f"{name} must be a string of {2 * length} hexadecimal digits", reason)
        try:
            raw = binascii.unhexlify(value)
        except ValueError as error:
            raise ExportError(f'{name} "{value[:64]}": {error}', reason) from error
        if len(raw) != length:
            message = f'{name} "{value[:64]}" must have {2 * length} hexadecimal digits: length mismatch'
            raise ExportError(message, reason)
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
