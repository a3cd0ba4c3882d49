"""What is kept as it came and what is written at once, what waits to be indexed, and what is given of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.otlp import receiver
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.refusals import Origin, Reason, Refusal, Refusals, Sender, Signal, Way
from spanprofiles.embedded.store import backlog, traces
from spanprofiles.embedded.store.backlog import Backlog, KeptUpload
from spanprofiles.embedded.store.connection import StoreConnection
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.raw_spans import SHORT_BYTES, WholeSpans, _Frames, framed_spans
from spanprofiles.embedded.store.traces import TraceTooLargeError, payloads, spans_of_trace
from tests.support.embedded.exports import ROOT, TRACE, export
from tests.support.embedded.stores import KIND, Indexer, in_memory
from tests.unit.embedded.conftest import SpanFactory, applications_on

ORIGIN = Origin(Way.OTLP_HTTP, Sender("192.0.2.7", ""))


@pytest.fixture
def connection() -> Iterator[StoreConnection]:
    """An empty store in memory."""
    with closing(in_memory()) as opened:
        yield opened


class Taken:
    """Stands in for the store: notes how an export is given to it."""

    def __init__(self) -> None:
        self.ways: list[str] = []

    def index_with(self, *_: object) -> None:
        """Nothing is indexed."""

    def keep(self, _: KeptUpload) -> None:
        self.ways.append("kept")

    def write(self, _: object) -> None:
        self.ways.append("written")


def test_an_export_up_to_a_size_is_kept_as_it_came_and_a_larger_one_written(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Taken()
    body = export(Span(trace_id=TRACE, span_id=ROOT, name="work")).SerializeToString()
    takes = Receiver(taken)  # type: ignore[arg-type]  # stands in for a store
    for size in (len(body), len(body) - 1):
        monkeypatch.setattr(receiver, "KEPT_UPLOAD_BYTES", size)
        takes.take(body, decode_protobuf, lambda _: None, ORIGIN)
    assert taken.ways == ["kept", "written"]


def test_an_export_that_cannot_be_stored_is_refused_with_its_service_and_number() -> None:
    class Full(Taken):
        def keep(self, _: KeptUpload) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    refusals = Refusals()
    body = export(Span(trace_id=TRACE, span_id=ROOT), Span(trace_id=TRACE, span_id=ROOT)).SerializeToString()
    with pytest.raises(ExportError) as refused:
        Receiver(Full(), refusals).take(body, decode_protobuf, lambda _: None, ORIGIN)  # type: ignore[arg-type]  # likewise
    assert str(refused.value) == "the spans could not be stored: database or disk is full"
    assert (refused.value.reason, refused.value.service, refused.value.spans) == (Reason.NOT_STORED, "shop", 2)
    (group,) = refusals.groups(Signal.TRACES)
    assert group.last == Refusal(
        Signal.TRACES, Way.OTLP_HTTP, Reason.NOT_STORED, str(refused.value), ORIGIN.sender, "shop", 2
    )


def test_what_stands_before_a_span_is_remembered_for_spans_that_are_not_large() -> None:
    frames = _Frames()
    for size in (5, SHORT_BYTES - 1, SHORT_BYTES):
        spans = [b"x" * size] * 2
        first = frames[size]
        assert first == frames[size]
        assert (first + spans[0]) * 2 == framed_spans(spans) == WholeSpans(spans=spans).SerializeToString()
    assert sorted(frames) == [5, SHORT_BYTES - 1]


def test_an_export_without_spans_is_taken_and_not_stored() -> None:
    taken = Taken()
    Receiver(taken).take(b"", decode_protobuf, lambda _: None, ORIGIN)  # type: ignore[arg-type]  # likewise
    assert taken.ways == []


def test_a_trace_is_given_up_to_a_size_and_so_are_its_resources(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = SpanFactory("aa")
    applications = applications_on(database)
    applications.export(span("one"), span("two"), resource={"service.name": "shop"})
    applications.export(span("three"), resource={"service.name": "bank"})
    connection = database.reader()
    spans = spans_of_trace(connection, b"\xaa" * 16)
    assert [Span.FromString(each.payload).name for each in spans] == ["one", "two", "three"]
    resources = payloads(connection, "resources", {each.resource for each in spans})
    whole = sum(len(each.payload) for each in spans)
    of_resources = sum(len(payload) for payload, _ in resources.values())
    monkeypatch.setattr(traces, "TRACE_BYTES", whole)
    assert spans_of_trace(connection, b"\xaa" * 16) == spans
    monkeypatch.setattr(traces, "TRACE_BYTES", whole - 1)
    with pytest.raises(TraceTooLargeError) as refused:
        spans_of_trace(connection, b"\xaa" * 16)
    assert str(refused.value) == f"trace exceeds max size (max bytes: {whole - 1})"
    monkeypatch.setattr(traces, "TRACE_BYTES", of_resources)
    assert payloads(connection, "resources", resources) == resources
    monkeypatch.setattr(traces, "TRACE_BYTES", of_resources - 1)
    with pytest.raises(TraceTooLargeError) as refused:
        payloads(connection, "resources", resources)
    assert str(refused.value) == f"trace exceeds max size (max bytes: {of_resources - 1} of resources)"
    assert spans_of_trace(connection, b"\xbb" * 16) == []


def test_a_backlog_counts_what_waits_and_is_full_and_half_full_by_its_bytes(
    connection: StoreConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_BYTES", 10)
    monkeypatch.setattr(backlog, "BACKLOG_STEP_BYTES", 6)
    indexer = Indexer()
    waits = Backlog(connection, {KIND: indexer})
    seen = [(waits.is_empty, waits.is_half_full, waits.is_full)]
    for size in (4, 1, 4, 1):
        waits.keep([KeptUpload(KIND, 0, b"x" * size)])
        seen.append((waits.is_empty, waits.is_half_full, waits.is_full))
    nothing, little = (True, False, False), (False, False, False)
    half, full = (False, True, False), (False, True, True)
    assert seen == [nothing, little, half, half, full]
    later = Backlog(connection, {KIND: Indexer()})
    assert (later.last, later.indexed, later.size_bytes) == (4, 0, 10) == (waits.last, waits.indexed, waits.size_bytes)
    step = waits.index_some()
    assert step is not None
    assert (step.last, step.size_bytes, list(step.batches)) == (2, 5, indexer.batches)
    assert [batch.payloads for batch in indexer.batches] == [[b"xxxx", b"x"]]
    waits.finish(step)
    waits.recall()
    assert (waits.last, waits.indexed, waits.size_bytes) == (4, 2, 5)
    again = waits.index_some()
    assert again is not None
    waits.finish(again)
    assert (waits.is_empty, waits.size_bytes) == (True, 0)
    waits.recall()
    assert (waits.last, waits.indexed, waits.size_bytes) == (4, 4, 0)
    assert waits.index_some() is None


def test_uploads_that_nobody_indexes_yet_wait_and_hold_up_those_after_them(connection: StoreConnection) -> None:
    indexer = Indexer()
    indexers = {KIND: indexer}
    waits = Backlog(connection, indexers)
    waits.keep([KeptUpload(kind, 0, kind.encode()) for kind in (KIND, "other", KIND)])
    step = waits.index_some()
    assert step is not None
    assert [batch.payloads for batch in indexer.batches] == [[KIND.encode()]]
    waits.finish(step)
    assert waits.index_some() is None
    indexers["other"] = indexer
    assert waits.index_some() is not None
    assert [batch.payloads for batch in indexer.batches[1:]] == [[b"other"], [KIND.encode()]]
