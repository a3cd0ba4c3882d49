"""Exports in JSON: their IDs are hexadecimal, their fields have two spellings, and what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import MESSAGE_BYTES
from spanprofiles.embedded.otlp.json import decode_json
from spanprofiles.embedded.otlp.rows import first_service, span_count
from spanprofiles.embedded.refusals import Reason

TRACE_ID, SPAN_ID, PARENT_ID = "0a" * 16, "0B" * 8, "0c" * 8


def unwatched(_: int) -> None:
    """Take no notice of how much memory an export is going to take."""


def exported(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def refused(body: bytes) -> ExportError:
    with pytest.raises(ExportError) as caught:
        decode_json(body, unwatched)
    return caught.value


@pytest.mark.parametrize(
    "document",
    [
        {"resourceSpans": [{"scopeSpans": [{"spans": [
            {"traceId": TRACE_ID, "spanId": SPAN_ID, "parentSpanId": PARENT_ID,
             "links": [{"traceId": TRACE_ID, "spanId": SPAN_ID}]}]}]}]},
        {"resource_spans": [{"scope_spans": [{"spans": [
            {"trace_id": TRACE_ID, "span_id": SPAN_ID, "parent_span_id": PARENT_ID,
             "links": [{"trace_id": TRACE_ID, "span_id": SPAN_ID}]}]}]}]},
    ],
    ids=["camel case", "snake case"],
)  # fmt: skip
def test_ids_are_hexadecimal_in_both_spellings_of_fields(document: dict[str, Any]) -> None:
    (span,) = decode_json(json.dumps(document).encode(), unwatched).resource_spans[0].scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (
        TRACE_ID,
        SPAN_ID.lower(),
        PARENT_ID,
    )
    (link,) = span.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE_ID, SPAN_ID.lower())


@pytest.mark.parametrize("parent", ["", None])
def test_a_root_may_name_its_missing_parent(parent: str | None) -> None:
    export = decode_json(exported({"traceId": TRACE_ID, "parentSpanId": parent}), unwatched)
    assert export.resource_spans[0].scope_spans[0].spans[0].parent_span_id == b""


def test_fields_that_nobody_knows_are_left_out() -> None:
    assert span_count(decode_json(exported({"traceId": TRACE_ID, "new": {"deep": [1]}}), unwatched)) == 1


@pytest.mark.parametrize(
    ("span", "message", "reason"),
    [
        ({"traceId": 5}, "traceId must be a string of 32 hexadecimal digits", Reason.TRACE_ID),
        ({"trace_id": []}, "trace_id must be a string of 32 hexadecimal digits", Reason.TRACE_ID),
        ({"spanId": {}}, "spanId must be a string of 16 hexadecimal digits", Reason.SPAN_ID),
        ({"parentSpanId": False}, "parentSpanId must be a string of 16 hexadecimal digits", Reason.SPAN_ID),
        ({"traceId": "0a"}, 'traceId "0a" must have 32 hexadecimal digits: length mismatch', Reason.TRACE_ID),
        ({"span_id": TRACE_ID}, f'span_id "{TRACE_ID}" must have 16 hexadecimal digits: length mismatch',
         Reason.SPAN_ID),
        ({"spanId": "00" * 40}, f'spanId "{"00" * 32}" must have 16 hexadecimal digits: length mismatch',
         Reason.SPAN_ID),
        ({"spanId": "x" * 100}, f'spanId "{"x" * 64}": Non-hexadecimal digit found', Reason.SPAN_ID),
        ({"links": [{"traceId": "0a"}]}, 'traceId "0a" must have 32 hexadecimal digits: length mismatch',
         Reason.TRACE_ID),
        ({"links": [{"spanId": "0a"}]}, 'spanId "0a" must have 16 hexadecimal digits: length mismatch', Reason.SPAN_ID),
    ],
)  # fmt: skip
def test_an_id_that_is_none_is_refused_by_its_name(span: dict[str, Any], message: str, reason: Reason) -> None:
    error = refused(exported({"traceId": TRACE_ID} | span))
    assert (str(error), error.reason) == (message, reason)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "the body must be a JSON object with resourceSpans"),
        (b"{", "cannot parse the export request: Expecting property name"),
        (b'{"resourceSpans": 5}', "cannot parse the export request: "),
        (exported({"traceId": TRACE_ID, "kind": []}), "cannot parse the export request: "),
        (b"[" * 20_000, "cannot parse the export request: it is nested too deeply"),
    ],
    ids=["list", "cut", "number", "kind", "nested"],
)
def test_a_body_that_is_no_export_is_refused_with_the_reason(body: bytes, message: str) -> None:
    assert str(refused(body)).startswith(message)


def test_how_much_memory_an_export_needs_is_said_before_it_is_made() -> None:
    told: list[int] = []
    body = exported({"traceId": TRACE_ID, "spanId": SPAN_ID})  # three objects, three lists, and a comma
    decode_json(body, told.append)
    assert told == [len(body) + MESSAGE_BYTES * (4 + 3 + 1)]


def test_what_does_not_fit_into_memory_is_not_made() -> None:
    class NoRoomError(Exception):
        pass

    def full(_: int) -> None:
        raise NoRoomError

    with pytest.raises(NoRoomError):
        decode_json(b"this is no JSON", full)


def test_an_export_is_counted_and_called_by_its_first_service() -> None:
    resource = {"attributes": [{"key": "x", "value": {"stringValue": "y"}},
                               {"key": "service.name", "value": {"stringValue": "shop"}}]}  # fmt: skip
    group = {"resource": resource, "scopeSpans": [{"spans": [{"traceId": TRACE_ID}] * 2}, {"spans": [{}]}]}
    export = decode_json(json.dumps({"resourceSpans": [group, {"scopeSpans": [{"spans": [{}]}]}]}).encode(), unwatched)
    assert (first_service(export), span_count(export)) == ("shop", 4)
    empty = decode_json(b'{"resourceSpans": [{}]}', unwatched)
    assert (first_service(empty), first_service(decode_json(b"{}", unwatched))) == ("", "")
