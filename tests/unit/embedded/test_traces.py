"""Traces come back exactly as they came in, whatever the encoding, and what is refused leaves nothing."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from werkzeug.test import TestResponse

from tests.unit.embedded.conftest import BODY_LIMIT, Applications, SpanFactory

TRACE_ID = "ab" * 16
PROTOBUF, JSON = "application/x-protobuf", "application/json"

VALUES = st.recursive(
    st.one_of(
        st.text().map(lambda value: {"string_value": value}),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: {"int_value": value}),
        st.floats(allow_nan=False).map(lambda value: {"double_value": value}),
        st.booleans().map(lambda value: {"bool_value": value}),
        st.binary(max_size=8).map(lambda value: {"bytes_value": value}),
        st.just({}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"array_value": {"values": values}}),
        st.lists(st.fixed_dictionaries({"key": st.text(), "value": inner}), max_size=3).map(
            lambda values: {"kvlist_value": {"values": values}}
        ),
    ),
    max_leaves=4,
)
ATTRIBUTES = st.lists(st.fixed_dictionaries({"key": st.text(), "value": VALUES}), max_size=4)
COUNTS = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, 2**64 - 1)
SPANS = st.fixed_dictionaries({
    "trace_id": st.just(bytes.fromhex(TRACE_ID)),
    "span_id": st.binary(min_size=8, max_size=8),
    "trace_state": st.text(max_size=8),
    "parent_span_id": st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)),
    "flags": COUNTS,
    "name": st.text(),
    "kind": st.integers(0, 5),
    "start_time_unix_nano": TIMES,
    "end_time_unix_nano": TIMES,
    "attributes": ATTRIBUTES,
    "dropped_attributes_count": COUNTS,
    "events": st.lists(
        st.fixed_dictionaries({"time_unix_nano": TIMES, "name": st.text(), "attributes": ATTRIBUTES}), max_size=2
    ),
    "dropped_events_count": COUNTS,
    "links": st.lists(
        st.fixed_dictionaries({
            "trace_id": st.binary(min_size=16, max_size=16),
            "span_id": st.binary(min_size=8, max_size=8),
            "trace_state": st.text(max_size=8),
            "attributes": ATTRIBUTES,
            "flags": COUNTS,
        }),
        max_size=2,
    ),
    "dropped_links_count": COUNTS,
    "status": st.fixed_dictionaries({"code": st.integers(0, 2), "message": st.text()}),
})  # fmt: skip
EXPORTS = st.lists(
    st.fixed_dictionaries({
        "resource": st.fixed_dictionaries({"attributes": ATTRIBUTES, "dropped_attributes_count": COUNTS}),
        "schema_url": st.text(max_size=5),
        "scope_spans": st.lists(
            st.fixed_dictionaries({
                "scope": st.fixed_dictionaries({"name": st.text(), "version": st.text(), "attributes": ATTRIBUTES}),
                "schema_url": st.text(max_size=5),
                "spans": st.lists(SPANS, min_size=1, max_size=2),
            }),
            min_size=1,
            max_size=2,
        ),
    }),
    min_size=1,
    max_size=2,
)  # fmt: skip


def flattened(trace: Any) -> list[tuple[bytes, ...]]:
    """Every span of a trace with its resource and scope, as bytes, in an order of its own."""
    found = []
    for resource_spans in trace.resource_spans:
        pairs = sorted(pair.SerializeToString() for pair in resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                found.append(
                    (
                        span.SerializeToString(deterministic=True),
                        scope_spans.scope.SerializeToString(deterministic=True),
                        scope_spans.schema_url.encode(),
                        resource_spans.schema_url.encode(),
                        resource_spans.resource.dropped_attributes_count.to_bytes(4, "big"),
                        *pairs,
                    )
                )
    return sorted(found)


def without_repeated_spans(request: ExportTraceServiceRequest) -> None:
    """Leave out spans whose ID and kind came before: a trace has each once."""
    seen = set()
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            kept = []
            for span in scope_spans.spans:
                if (span.span_id, span.kind) not in seen:
                    seen.add((span.span_id, span.kind))
                    kept.append(span)
            del scope_spans.spans[:]
            scope_spans.spans.extend(kept)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(export=EXPORTS, number=st.integers(1, 2**128 - 1))
def test_a_trace_comes_back_as_it_came_in(
    applications: Applications, export: list[Mapping[str, Any]], number: int
) -> None:
    request = ExportTraceServiceRequest(resource_spans=export)  # type: ignore[arg-type]  # protobuf takes dictionaries
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.trace_id = number.to_bytes(16, "big")
    without_repeated_spans(request)
    # Another example may have had this trace ID.
    before = flattened(_trace(applications, number))
    response = applications.otlp.post("/v1/traces", data=request.SerializeToString(), content_type=PROTOBUF)
    assert response.status_code == 200, response.text
    if not before:
        assert flattened(_trace(applications, number)) == flattened(request)
        document = applications.tempo.get(f"/api/v2/traces/{number:x}").get_json()["trace"]
        assert flattened(json_format.ParseDict(document, TracesData())) == flattened(request)


def _trace(applications: Applications, number: int) -> TracesData:
    response = applications.tempo.get(f"/api/traces/{number:x}", headers={"Accept": "application/protobuf"})
    return TracesData.FromString(response.data if response.status_code == 200 else b"")


def test_json_and_protobuf_say_the_same(applications: Applications) -> None:
    span = SpanFactory("ab")
    applications.export(span("one", values={"a": [1, 2], "b": 1.5}, links=[{"traceId": "cd" * 16, "spanId": "ef" * 8}]))
    document = applications.tempo.get(f"/api/traces/{TRACE_ID}").get_json()
    (stored,) = document["batches"][0]["scopeSpans"][0]["spans"]
    assert stored["spanId"] == "qwAAAAAAAAE="
    assert stored["links"][0]["traceId"] == "zc3Nzc3Nzc3Nzc3Nzc3NzQ=="
    assert stored["attributes"][0]["value"] == {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}}


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def in_two_members(data: bytes) -> bytes:
    return gzip.compress(data[:50]) + gzip.compress(data[50:])


def sent(applications: Applications, data: bytes, encoding: str) -> TestResponse:
    headers = {"Content-Encoding": encoding}
    return applications.otlp.post("/v1/traces", data=data, content_type=JSON, headers=headers)


ONE_SPAN = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SpanFactory("ab")("one")]}]}]}).encode()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("", bytes),
        ("gzip", gzip.compress),
        ("gzip", in_two_members),
        ("deflate", zlib.compress),
        ("zlib", zlib.compress),
    ],
)
def test_a_body_may_be_compressed(
    applications: Applications, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert sent(applications, compress(ONE_SPAN), encoding).status_code == 200
    assert applications.search("{}") == {"ab": ["one"]}


@pytest.mark.parametrize("encoding", ["identity", "none", "br", "ZSTD", "GZIP", "gzip, gzip", "x\ty"])
def test_an_encoding_that_is_not_taken_is_refused_with_those_that_are(
    applications: Applications, encoding: str
) -> None:
    response = sent(applications, ONE_SPAN, encoding)
    assert response.status_code == 400
    assert response.get_json()["message"].startswith("unsupported Content-Encoding: ")
    assert "gzip, deflate, zlib" in response.text
    assert applications.search("{}") == {}


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("deflate", bare_deflate(ONE_SPAN)),
        ("deflate", zlib.compress(ONE_SPAN)[:-9]),
        ("zlib", gzip.compress(ONE_SPAN)),
        ("gzip", zlib.compress(ONE_SPAN)),
        ("gzip", gzip.compress(ONE_SPAN)[:-9]),
        ("gzip", gzip.compress(ONE_SPAN) + b"more"),
        ("gzip", b""),
        ("deflate", b""),
    ],
    ids=["bare deflate", "cut", "gzip as zlib", "zlib as gzip", "cut gzip", "more", "nothing", "nothing as deflate"],
)
def test_data_that_is_not_what_its_encoding_says_is_refused(
    applications: Applications, encoding: str, data: bytes
) -> None:
    response = sent(applications, data, encoding)
    assert response.status_code == 400
    assert response.get_json()["message"].startswith(("zlib: ", "gzip: ", "deflate: "))
    assert applications.search("{}") == {}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b'{"resourceSpans": 5}', JSON, 400),
        (b"[" * 50_000 + b"]" * 50_000, JSON, 400),
        (b"nonsense", PROTOBUF, 400),
        (b"\x0a\x7f", PROTOBUF, 400),
        (b"x", "text/plain", 415),
        (b" " * (BODY_LIMIT + 1), JSON, 413),
    ],
    ids=["cut JSON", "a list", "not UTF-8", "a number", "nested", "not protobuf", "cut protobuf", "text", "too large"],
)
def test_what_is_no_export_is_refused(applications: Applications, body: bytes, content_type: str, status: int) -> None:
    response = applications.otlp.post("/v1/traces", data=body, content_type=content_type)
    assert response.status_code == status
    assert response.data
    assert b"Traceback" not in response.data


@pytest.mark.parametrize(
    "wrong",
    [
        {"traceId": "abcd"},
        {"traceId": ""},
        {"traceId": "x" * 32},
        {"traceId": 5},
        {"traceId": "0" * 32},
        {"spanId": "ab"},
        {"parentSpanId": "zz" * 8},
        {"startTimeUnixNano": "-1"},
        {"startTimeUnixNano": 2**64},
        {"attributes": [{"key": "a", "value": {"intValue": "x"}}]},
        {"attributes": {"a": 1}},
    ],
    ids=str,
)
def test_one_wrong_span_spoils_its_whole_batch(applications: Applications, wrong: dict[str, Any]) -> None:
    span = SpanFactory("ab")
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span("good"), span("bad") | wrong]}]}]}
    response = applications.otlp.post("/v1/traces", data=json.dumps(document).encode(), content_type=JSON)
    assert response.status_code == 400
    assert applications.search("{}") == {}


def test_a_body_that_grows_beyond_the_limit_is_refused_without_growing(applications: Applications) -> None:
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress), ("zlib", zlib.compress)):
        bomb = compress(b" " * (BODY_LIMIT * 20))
        assert len(bomb) < BODY_LIMIT
        assert sent(applications, bomb, encoding).status_code == 413
        assert sent(applications, bomb[:-9], encoding).status_code != 200


@pytest.mark.parametrize(
    ("digits", "status"), [("zz", 400), ("0" * 33, 400), ("abc", 404), ("AB" * 16, 200), ("é", 400)]
)
def test_trace_ids_are_taken_as_people_write_them(applications: Applications, digits: str, status: int) -> None:
    applications.export(SpanFactory("ab")("one"))
    assert applications.tempo.get(f"/api/traces/{digits}").status_code == status
