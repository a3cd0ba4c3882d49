"""OTLP over gRPC: spans go in by the protocol's own client and come out of Tempo's API."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import requests
from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceRequest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2_grpc import ProfilesServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanprofiles.backends.processes import ManagedProcess
from spanprofiles.embedded.errors import PortTakenError
from spanprofiles.embedded.guesses import Guesses
from spanprofiles.embedded.limits import FREE_GUESSES
from spanprofiles.embedded.otlp.grpc import OtlpGrpc
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.settings import Settings
from spanprofiles.embedded.store.backlog import Indexer, KeptUpload
from spanprofiles.embedded.turns import OverloadError
from tests.support.embedded.otlp_profiles import SPAN, cpu_export

pytestmark = pytest.mark.slow

PAIR = [sys.executable, "-m", "spanprofiles.embedded"]
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
MERGE = "/querier.v1.QuerierService/SelectMergeStacktraces"
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


def test_profiles_sent_by_grpc_lead_from_the_span_to_its_samples() -> None:
    now_s = int(time.time())
    message = json_format.ParseDict(cpu_export(now_s), ExportProfilesServiceRequest())
    window = {"start": str((now_s - 3_000) * 1_000), "end": str((now_s + 600) * 1_000)}
    body = {"profileTypeID": CPU, "labelSelector": "{}", "spanSelector": [SPAN]} | window
    with pair() as urls, grpc.insecure_channel(urls["otlp-grpc"].removeprefix("http://")) as channel:
        ProfilesServiceStub(channel).Export(message, timeout=10)
        found = requests.post(f"{urls['pyroscope']}{MERGE}", json=body, timeout=10).json()["flamegraph"]
        message.resource_profiles[0].scope_profiles[0].profiles[0].samples[0].link_index = 9
        with pytest.raises(grpc.RpcError) as refused:
            ProfilesServiceStub(channel).Export(message, timeout=10)
        with pytest.raises(grpc.RpcError) as incomplete:
            ProfilesServiceStub(channel).Export(ExportProfilesServiceRequest(), timeout=10)
    assert found["names"] == ["total", "main", "leaf"]
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "could not access link at index 9" in refused.value.details()
    assert incomplete.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Keeper:
    """Stands in for the store: notes what it is given."""

    def __init__(self) -> None:
        self.kept: list[KeptUpload] = []

    def index_with(self, kind: str, indexer: Indexer) -> None:
        """Nothing is indexed."""

    def keep(self, upload: KeptUpload) -> None:
        self.kept.append(upload)


@contextmanager
def service(
    token: str = "", body_timeout_s: float = 20.0, await_turn: Callable[[], None] = lambda: None
) -> Iterator[tuple[grpc.StreamUnaryMultiCallable, Keeper]]:
    """The service in this process, as something to which a message can be sent late or never."""
    keeper = Keeper()
    settings = Settings(otlp_grpc_port=0, token=token)
    receiver = Receiver(keeper)  # type: ignore[arg-type]  # stands in for a store
    server = OtlpGrpc(settings, receiver, Guesses(), body_timeout_s, await_turn=await_turn)
    server.start()
    try:
        with grpc.insecure_channel(server.url.removeprefix("http://")) as channel:
            yield channel.stream_unary(EXPORT), keeper
    finally:
        server.stop()


def never(until: threading.Event) -> Iterator[bytes]:
    """A message that does not come."""
    until.wait(20)
    yield from ()


def code_of(call: grpc.StreamUnaryMultiCallable, message: Iterator[bytes], **metadata: str) -> grpc.StatusCode:
    """The status with which a call is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        call(message, timeout=20, metadata=list(metadata.items()))
    code: grpc.StatusCode = refused.value.code()
    return code


def test_without_the_token_a_call_is_refused_before_its_message_comes() -> None:
    ended = threading.Event()
    with service("a-token-of-some-length") as (call, keeper):
        assert code_of(call, never(ended)) is grpc.StatusCode.UNAUTHENTICATED
        assert code_of(call, never(ended), authorization="Bearer x") is grpc.StatusCode.UNAUTHENTICATED
        ended.set()
    assert keeper.kept == []


def test_a_call_waits_for_its_turn_before_anything_of_it_is_looked_at() -> None:
    ended, waited = threading.Event(), []
    ended.set()
    with service("a-token-of-some-length", await_turn=lambda: waited.append(len(keeper.kept))) as (call, keeper):
        assert code_of(call, never(ended)) is grpc.StatusCode.UNAUTHENTICATED
        right = [("authorization", "Bearer a-token-of-some-length")]
        call(iter([export(TRACE_ID).SerializeToString()]), timeout=20, metadata=right)
    assert waited == [0, 0]
    assert len(keeper.kept) == 1


def test_whoever_guesses_over_grpc_is_told_so_and_locks_nobody_out() -> None:
    ended = threading.Event()
    ended.set()
    with service("a-token-of-some-length") as (call, keeper):
        codes = [code_of(call, never(ended), authorization="Bearer x") for _ in range(FREE_GUESSES + 1)]
        assert codes[-2:] == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED]
        right = [("authorization", "Bearer a-token-of-some-length")]
        call(iter([export(TRACE_ID).SerializeToString()]), timeout=20, metadata=right)
    assert len(keeper.kept) == 1


def test_a_message_that_does_not_come_in_time_ends_its_call_and_no_other() -> None:
    ended = threading.Event()
    with service(body_timeout_s=0.1) as (call, keeper):
        assert code_of(call, never(ended)) is grpc.StatusCode.CANCELLED
        ended.set()
        assert code_of(call, never(ended)) is grpc.StatusCode.INVALID_ARGUMENT
    with service() as (call, keeper):
        call(iter([export(TRACE_ID).SerializeToString()]), timeout=20)
    assert len(keeper.kept) == 1


def test_with_a_token_only_its_holder_is_let_in() -> None:
    token = "a-token-of-some-length"
    with pair("--token", token) as urls:
        with pytest.raises(grpc.RpcError) as refused:
            send(urls["otlp-grpc"], export(TRACE_ID))
        send(urls["otlp-grpc"], export(TRACE_ID), authorization=f"Bearer {token}")

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def send_bytes(url: str, body: bytes) -> bytes:
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        method = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        answer: bytes = method(body, timeout=10, metadata=[("user-agent", "by-hand/1")])
        return answer


def test_what_is_refused_over_grpc_is_told_with_its_sender_and_its_reason() -> None:
    with pair() as urls:
        bad = export(b"short")
        bad.resource_spans[0].resource.attributes.add(key="service.name").value.string_value = "shop"
        with pytest.raises(grpc.RpcError) as of_a_short_id:
            send(urls["otlp-grpc"], bad)
        with pytest.raises(grpc.RpcError) as malformed:
            send_bytes(urls["otlp-grpc"], b"\xff\xff")
        assert send_bytes(urls["otlp-grpc"], export(TRACE_ID).SerializeToString()) == b""
        answer = requests.get(f"{urls['tempo']}/spanprofiles/refused", timeout=10).json()
        metrics = requests.get(f"{urls['tempo']}/metrics", timeout=10).text

    assert of_a_short_id.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert malformed.value.code() is grpc.StatusCode.INTERNAL
    refused = {refusal["reason"]: refusal for refusal in answer["refused"]}
    assert set(refused) == {"invalid_trace_id", "malformed_request"}
    assert {(refusal["way"], refusal["peer"]) for refusal in refused.values()} == {("OTLP over gRPC", "127.0.0.1")}
    assert (refused["invalid_trace_id"]["service"], refused["invalid_trace_id"]["items"]) == ("shop", 1)
    assert "grpc-python" in refused["malformed_request"]["agent"]
    grpc_labels = '{receiver="otlp/otlp_receiver",transport="grpc"}'
    assert f"tempo_receiver_accepted_spans{grpc_labels} 1\n" in metrics
    assert f"tempo_receiver_refused_spans{grpc_labels} 1\n" in metrics


def test_an_export_over_grpc_without_the_token_is_told_to_whoever_brings_it() -> None:
    token = "a-token-of-some-length"
    with pair("--token", token) as urls:
        with pytest.raises(grpc.RpcError):
            send(urls["otlp-grpc"], export(TRACE_ID))
        allowed = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{urls['tempo']}/spanprofiles/refused", headers=allowed, timeout=10).json()

    assert [(refusal["way"], refusal["reason"]) for refusal in answer["refused"]] == [
        ("OTLP over gRPC", "unauthorized")
    ]


def test_an_export_for_which_there_is_no_room_is_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def overloaded(*_: object) -> None:
        raise OverloadError("too much at once")

    monkeypatch.setattr(Receiver, "take", overloaded)
    noted: list[Any] = []
    monkeypatch.setattr(Receiver, "note", lambda _, *about: noted.append(about[1:]))
    with service() as (call, keeper):
        assert code_of(call, iter([export(TRACE_ID).SerializeToString()])) is grpc.StatusCode.UNAVAILABLE
    assert (noted, keeper.kept) == ([(Reason.OVERLOAD, "too much at once")], [])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_of_grpc_that_is_taken_is_named_with_its_option(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with taken:
        port = taken.getsockname()[1]
        receiver = Receiver(Keeper())  # type: ignore[arg-type]  # stands in for a store
        with pytest.raises(PortTakenError) as refused:
            OtlpGrpc(Settings(host=host, otlp_grpc_port=port), receiver, Guesses(), 20.0)
    shown = f"[{host}]" if ":" in host else host
    assert str(refused.value) == (
        f"cannot listen on {shown}:{port} for gRPC; choose another port with --otlp-grpc-port (0 picks a free one)"
    )
