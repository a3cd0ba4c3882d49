"""The JSON of a trace, as Tempo's trace-by-ID API writes it, to spans.

Tempo's spelling differs from OTLP/JSON in one thing: IDs are base64. Both are taken.
Source: ``opentelemetry/proto/trace/v1/trace.proto`` and the answers of Tempo 3.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from spanprofiles.clients.json_values import MOST_SPANS, count, fields, items, text, whole
from spanprofiles.model import AttributeValue, Span, SpanEvent, SpanKind, SpanStatus

_HAS_IS_REMOTE = 0x100
_IS_REMOTE = 0x200

_KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
_STATUSES = ["UNSET", "OK", "ERROR"]


def spans(resource_spans: Any) -> Iterator[Span]:
    """Yield the spans of a list of ``ResourceSpans``.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, IndexError: it is not such a list.
    """
    left = MOST_SPANS
    for group in items(resource_spans):
        resource = _attributes(fields(fields(group).get("resource")))
        for scope in items(group.get("scopeSpans")):
            for span in items(fields(scope).get("spans")):
                left -= 1
                if left < 0:
                    raise ValueError(f"it has more than {MOST_SPANS} spans")
                yield _span(fields(span), resource)


def _span(span: Mapping[str, Any], resource: Mapping[str, AttributeValue]) -> Span:
    status = fields(span.get("status"))
    flags = count(span.get("flags", 0))
    return Span(
        trace_id=_identifier(span["traceId"], 16),
        span_id=_identifier(span["spanId"], 8),
        parent_id=_identifier_or_none(span.get("parentSpanId", ""), 8),
        name=text(span.get("name", "")),
        kind=SpanKind[_enum(span.get("kind", 0), "SPAN_KIND_", _KINDS)],
        start_ns=count(span.get("startTimeUnixNano", 0)),
        end_ns=count(span.get("endTimeUnixNano", 0)),
        attributes=_attributes(span),
        resource=resource,
        status=SpanStatus[_enum(status.get("code", 0), "STATUS_CODE_", _STATUSES)],
        status_message=text(status.get("message", "")),
        parent_is_remote=bool(flags & _IS_REMOTE) if flags & _HAS_IS_REMOTE else None,
        events=tuple(_event(event) for event in items(span.get("events"))),
    )


def _event(event: Mapping[str, Any]) -> SpanEvent:
    return SpanEvent(text(event.get("name", "")), count(event.get("timeUnixNano", 0)), _attributes(event))


def _identifier(written: Any, octets: int) -> str:
    found = _identifier_or_none(written, octets)
    if found is None:
        raise ValueError(f"{written!r} is no ID: it is empty or all zeros")
    return found


def _identifier_or_none(written: Any, octets: int) -> str | None:
    """Read an ID; an empty one or one that is all zeros stands for none (``opentelemetry/proto/trace``)."""
    digits = text(written)
    try:
        # base64 of as many octets is shorter than their hex
        decoded = bytes.fromhex(digits) if len(digits) == 2 * octets else base64.b64decode(digits, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{digits!r} is neither base64 nor {2 * octets} hex digits") from error
    if len(decoded) > octets:
        raise ValueError(f"{digits!r} is an ID of {len(decoded)} octets, {octets} are expected")
    return decoded.rjust(octets, b"\0").hex() if any(decoded) else None


def _enum(value: str | int, prefix: str, names: list[str]) -> str:
    return names[count(value)] if isinstance(value, int) else text(value).removeprefix(prefix)


def _attributes(holder: Mapping[str, Any]) -> dict[str, AttributeValue]:
    return _pairs(holder.get("attributes"))


def _pairs(pairs: Any) -> dict[str, AttributeValue]:
    return {text(fields(pair)["key"]): _value(pair.get("value")) for pair in items(pairs)}


def _value(value: Any) -> AttributeValue:
    kind, content = next(iter(fields(value).items()), ("", None))
    read = _VALUES.get(kind)
    return read(content) if read else None


_VALUES: dict[str, Callable[[Any], AttributeValue]] = {
    "stringValue": text,
    "boolValue": bool,
    "intValue": whole,  # 64 bits travel as text in JSON
    "doubleValue": float,  # "NaN" and "Infinity" too: somebody set them
    "bytesValue": base64.b64decode,
    "arrayValue": lambda content: [_value(item) for item in items(fields(content).get("values"))],
    "kvlistValue": lambda content: _pairs(fields(content).get("values")),
}
