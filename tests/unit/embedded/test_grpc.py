"""OTLP over gRPC: spans go in by the protocol's own client and come out of Tempo's API."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanprofiles.backends.processes import ManagedProcess

PAIR = [sys.executable, "-m", "spanprofiles.embedded"]
TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


@contextmanager
def pair(*options: str) -> Iterator[dict[str, str]]:
    command = [*PAIR, "--tempo-port", "0", "--otlp-http-port", "0", "--pyroscope-port", "0", "--otlp-grpc-port", "0"]
    with ManagedProcess("the pair", [*command, *options]) as process:
        lines = process.wait_for_line(lambda line: line == "ready", 20)
        yield dict(line.split(maxsplit=1) for line in lines[:-1])


def export(trace_id: bytes) -> ExportTraceServiceRequest:
    now = time.time_ns()
    span = Span(
        trace_id=trace_id, span_id=b"12345678", name="by gRPC", start_time_unix_nano=now, end_time_unix_nano=now
    )
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])


def send(url: str, request: ExportTraceServiceRequest, **metadata: str) -> None:
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        TraceServiceStub(channel).Export(request, timeout=10, metadata=list(metadata.items()))


def test_spans_sent_by_grpc_are_found_by_their_trace_id() -> None:
    with pair() as urls:
        send(urls["otlp-grpc"], export(TRACE_ID))

        found = requests.get(f"{urls['tempo']}/api/v2/traces/{TRACE_ID.hex()}", timeout=10)

    assert "by gRPC" in found.text


def test_a_bad_export_is_refused_whole_and_the_next_one_taken() -> None:
    with pair() as urls:
        bad = export(TRACE_ID)
        bad.resource_spans.append(export(b"short").resource_spans[0])

        with pytest.raises(grpc.RpcError) as refused:
            send(urls["otlp-grpc"], bad)
        nothing = requests.get(f"{urls['tempo']}/api/traces/{TRACE_ID.hex()}", timeout=10)
        send(urls["otlp-grpc"], export(TRACE_ID))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert nothing.status_code == 404


def test_with_a_token_only_its_holder_is_let_in() -> None:
    token = "a-token-of-some-length"
    with pair("--token", token) as urls:
        with pytest.raises(grpc.RpcError) as refused:
            send(urls["otlp-grpc"], export(TRACE_ID))
        send(urls["otlp-grpc"], export(TRACE_ID), authorization=f"Bearer {token}")

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
