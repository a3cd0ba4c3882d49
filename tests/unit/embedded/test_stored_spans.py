"""Spans that came together are kept and indexed together, and each is found as if it were alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from spanprofiles.embedded.indexed_attributes import EVENT, INTEGER, INTRINSIC, LINK, SPAN, STRING
from spanprofiles.embedded.otlp.rows import span_rows
from spanprofiles.embedded.store import retention
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.raw_spans import WholeSpans, framed_spans, span_messages
from spanprofiles.embedded.store.retention import Limits
from spanprofiles.embedded.store.traces import TRACES_IN_BLOCK, holders_by_block
from tests.support.clocks import Clock, eventually
from tests.support.embedded.exports import OTHER_TRACE, ROOT, TRACE, export
from tests.unit.embedded.conftest import Applications, SpanFactory, applications_on
from tests.unit.embedded.test_retention import nothing_dangles, rows

TRACES = [f"{number:02x}" for number in range(1, 2 * TRACES_IN_BLOCK + 6)]


def indexed(*spans: Span, trace: bytes = TRACE) -> set[tuple[str, int, int, object]]:
    """What a trace is found by, but for the names that every trace has."""
    found = span_rows(export(*spans)).attributes_of(trace)
    return {entry for entry in found if not entry[0].startswith(("service.", "instrumentation:", "root"))}


def whole_span() -> Span:
    span = Span(trace_id=TRACE, span_id=ROOT, name="work", kind=Span.SPAN_KIND_SERVER)
    span.attributes.add(key="text").value.string_value = "with * in it"
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="broken"))
    span.events.add(name="thrown").attributes.add(key="count").value.int_value = 3
    span.events.add()
    span.links.add(trace_id=OTHER_TRACE).attributes.add(key="kind").value.string_value = "follows"
    return span


def test_everything_in_a_span_is_indexed_in_its_scope() -> None:
    assert indexed(whole_span()) == {
        ("name", INTRINSIC, STRING, "work"),
        ("text", SPAN, STRING, "with * in it"),
        ("status", INTRINSIC, INTEGER, 2),
        ("statusMessage", INTRINSIC, STRING, "broken"),
        ("event:name", INTRINSIC, STRING, "thrown"),
        ("event:name", INTRINSIC, STRING, ""),
        ("count", EVENT, INTEGER, 3),
        ("kind", LINK, STRING, "follows"),
    }


def test_a_trace_is_found_by_what_is_in_its_own_spans_alone() -> None:
    other = Span(trace_id=OTHER_TRACE, span_id=ROOT, name="other")
    assert indexed(whole_span(), other, trace=OTHER_TRACE) == {
        ("name", INTRINSIC, STRING, "other"),
        ("status", INTRINSIC, INTEGER, 0),
    }
    assert ("name", INTRINSIC, STRING, "other") not in indexed(whole_span(), other)


def test_a_list_is_found_in_the_traces_alone_that_hold_it() -> None:
    listed = Span(trace_id=OTHER_TRACE, span_id=ROOT, name="listed")
    listed.attributes.add(key="list").value.array_value.values.add().string_value = "a"
    assert ("list", SPAN, STRING, "a") in indexed(whole_span(), listed, trace=OTHER_TRACE)
    assert ("list", SPAN, STRING, "a") not in indexed(whole_span(), listed)


def test_a_span_is_kept_byte_by_byte_with_what_nobody_knows() -> None:
    unknown = b"\xfa\x07\x03new"
    span = Span.FromString(whole_span().SerializeToString() + unknown)
    request = ExportTraceServiceRequest.FromString(export(span).SerializeToString())
    chunk = span_rows(request).chunks[0]
    (kept,) = WholeSpans.FromString(chunk.payload).spans
    assert (kept, chunk.span_ids) == (span.SerializeToString(), [ROOT])
    assert kept.endswith(unknown)


def test_the_messages_for_stored_spans_read_what_otlp_writes() -> None:
    whole_spans, opened_spans = span_messages()
    written = ScopeSpans(spans=[whole_span(), Span(name="next", parent_span_id=ROOT)]).SerializeToString()
    assert list(whole_spans.FromString(written).spans) == [
        span.SerializeToString() for span in ScopeSpans.FromString(written).spans
    ]
    first, second = opened_spans.FromString(written).spans
    assert (first.trace_id, first.span_id, first.kind, first.name) == (TRACE, ROOT, 2, "work")
    assert (second.name, second.parent_span_id, second.status) == ("next", ROOT, b"")
    for inner in ("attributes", "events", "links"):
        assert list(getattr(first, inner)) == [each.SerializeToString() for each in getattr(whole_span(), inner)]
    assert first.status == whole_span().status.SerializeToString()


def test_the_messages_for_stored_spans_have_nothing_that_no_row_is_made_of() -> None:
    whole_spans, opened_spans = span_messages()
    opened = opened_spans.DESCRIPTOR.fields_by_name["spans"].message_type
    assert set(whole_spans.DESCRIPTOR.fields_by_name) == set(opened_spans.DESCRIPTOR.fields_by_name) == {"spans"}
    assert set(Span.DESCRIPTOR.fields_by_name) - set(opened.fields_by_name) >= {"trace_state", "dropped_links_count"}
    assert {name for name in Span.DESCRIPTOR.fields_by_name if name.endswith("unix_nano")} <= set(opened.fields_by_name)


@pytest.mark.parametrize("first", [1, 31, 32, 50])
@pytest.mark.parametrize("known", [[], [3], [90, 2]], ids=["all new", "one known before", "two known, out of order"])
def test_the_index_names_the_traces_that_hold_an_attribute(first: int, known: list[int]) -> None:
    numbers = [*known, *range(first + 100, first + 145)]
    blocks_of = holders_by_block(numbers)
    for held in ({0}, {len(numbers) - 1}, {0, 1, 7, 33, 44}, set(range(len(numbers)))):
        blocks = dict(blocks_of(sum(1 << place for place in held)))
        found = {block * 32 + place for block, bits in blocks.items() for place in range(32) if bits >> place & 1}
        assert found == {numbers[place] for place in held}


@pytest.mark.parametrize("size", [0, 1, 127, 128, 1_023, 1_024, 16_383, 16_384, 3_000_000])
def test_spans_of_any_size_are_kept_as_protobuf_writes_them(size: int) -> None:
    spans = [bytes(size), b"x"]
    assert framed_spans(spans) == WholeSpans(spans=spans).SerializeToString()


@pytest.fixture
def many(applications: Applications) -> Applications:
    """More traces than two blocks hold, which came in three exports; the even ones are marked."""
    for start in range(0, len(TRACES), 25):
        spans = []
        for digits in TRACES[start : start + 25]:
            values = {"shared": "value", "own": digits, "is even": int(digits, 16) % 2 == 0}
            spans.append(SpanFactory(digits)(f"span {digits}", values=values))
        applications.export(*spans)
    return applications


def test_traces_that_came_together_are_found_one_by_one(many: Applications) -> None:
    for digits in (TRACES[0], TRACES[31], TRACES[32], TRACES[-1]):
        assert many.search(f'{{ span.own = "{digits}" }}') == {digits: [f"span {digits}"]}
    even = [digits for digits in TRACES if int(digits, 16) % 2 == 0]
    assert sorted(many.search('{ span."is even" = true }', limit=100)) == even
    assert sorted(many.search('{ span.shared = "value" }', limit=100)) == TRACES
    assert many.search('{ span.own = "nothing" }') == {}


def test_a_trace_that_goes_on_in_a_later_export_is_found_by_all_it_has(many: Applications) -> None:
    span = SpanFactory(TRACES[3])
    span("span of before")
    many.export(span("late", parent="span of before", values={"late": "yes"}))
    assert many.search('{ span.late = "yes" }') == {TRACES[3]: ["late"]}
    assert set(many.search(f'{{ span.own = "{TRACES[3]}" }} && {{ span.late = "yes" }}')) == {TRACES[3]}


def test_spans_are_found_by_their_ids_wherever_they_stand(applications: Applications) -> None:
    span = SpanFactory("aa")
    applications.export(*(span(f"span {number}") for number in range(5)))
    applications.export(SpanFactory("bb")("elsewhere"))
    for name, identifier in span.ids.items():
        assert applications.search(f'{{ span:id = "{identifier}" }}') == {"aa": [name]}
    assert applications.search('{ span:id = "no ID" }') == {}
    assert applications.search(f'{{ span:id = "{identifier[8:]}{identifier[:8]}" }}') == {}


def test_a_span_that_is_sent_again_is_one_span_and_one_of_another_kind_is_not(applications: Applications) -> None:
    span = SpanFactory("aa")
    server = span("served", kind=2)
    client = server | {"name": "called", "kind": 3}
    for _ in range(2):
        applications.export(server, server, client)
    assert applications.search("{ }") == {"aa": ["called", "served"]}
    answer = applications.tempo.get(f"/api/traces/{'aa' * 16}").get_json()
    names = [each["name"] for batch in answer["batches"] for scope in batch["scopeSpans"] for each in scope["spans"]]
    assert sorted(names) == ["called", "served"]


@pytest.fixture
def aging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Applications, Clock]]:
    """A store that keeps everything for 100 s."""
    monkeypatch.setattr(retention, "CHECK_S", 0.01)
    clock = Clock(time.time())
    database = Database(tmp_path, Limits(age_s=100), clock=clock)
    yield database, applications_on(database), clock
    database.close()


@pytest.mark.parametrize("old", [1, TRACES_IN_BLOCK - 1, TRACES_IN_BLOCK, TRACES_IN_BLOCK + 1])
def test_what_only_traces_had_that_went_is_forgotten_wherever_the_cut_is(
    aging: tuple[Database, Applications, Clock], old: int
) -> None:
    database, applications, clock = aging
    applications.export(*(SpanFactory(digits)("old", values={"own": digits, "both": 1}) for digits in TRACES[:old]))
    clock.now_s += 60
    recent = SpanFactory(TRACES[old])("recent", values={"own": "recent", "both": 1})
    applications.export(recent)
    clock.now_s += 60
    eventually(lambda: rows(database, "arrivals") == 1)
    values = applications.tempo.get("/api/v2/search/tag/span.own/values").get_json()["tagValues"]
    assert [value["value"] for value in values] == ["recent"]
    assert applications.search("{ span.both = 1 }") == {TRACES[old]: ["recent"]}
    assert database.reader().execute("SELECT count(*) FROM attribute_blocks WHERE traces = 0").fetchone() == (0,)
    assert nothing_dangles(database)
