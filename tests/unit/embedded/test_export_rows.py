"""An export becomes rows: each resource, scope and trace once, and nothing of an export with a wrong ID."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.indexed_attributes import FLOAT, INTEGER, INTRINSIC, OTHER, RESOURCE, SPAN, STRING
from spanprofiles.embedded.otlp.rows import check_ids, span_rows
from spanprofiles.embedded.refusals import Reason
from tests.support.embedded.exports import CHILD, OTHER_TRACE, ROOT, TRACE, export


def test_the_spans_of_a_trace_make_one_row_that_is_as_long_as_all_of_them() -> None:
    spans = [
        Span(trace_id=TRACE, span_id=ROOT, name="root", start_time_unix_nano=5, end_time_unix_nano=9),
        Span(trace_id=TRACE, span_id=CHILD, parent_span_id=ROOT, start_time_unix_nano=3, end_time_unix_nano=2**64 - 1),
        Span(trace_id=OTHER_TRACE, span_id=CHILD, parent_span_id=ROOT, start_time_unix_nano=1, end_time_unix_nano=2),
    ]
    rows = span_rows(export(*spans))
    assert [url for _, url in rows.resources + rows.scopes] == ["resource.example", "scope.example"]
    trace, other = rows.traces[TRACE], rows.traces[OTHER_TRACE]
    assert (trace.start_ns, trace.end_ns) == (3, 2**63 - 1)
    assert (other.start_ns, other.end_ns) == (1, 2)
    assert [(chunk.trace_id, chunk.span_ids) for chunk in rows.chunks] == [
        (TRACE, [ROOT, CHILD]),
        (OTHER_TRACE, [CHILD]),
    ]
    assert ("rootName", INTRINSIC, STRING, "root") in rows.attributes_of(TRACE)
    assert not any(key == "rootName" for key, *_ in rows.attributes_of(OTHER_TRACE))


def test_attributes_are_indexed_by_their_types_and_lists_by_their_members() -> None:
    span = Span(trace_id=TRACE, span_id=ROOT)
    span.attributes.add(key="price").value.double_value = 1.5
    span.attributes.add(key="nothing").value.double_value = float("nan")
    span.attributes.add(key="raw").value.bytes_value = b"x"
    members = span.attributes.add(key="list").value.array_value.values
    members.add().string_value = "a"
    members.add().int_value = 1
    members.add().array_value.values.add().int_value = 2
    found = span_rows(export(span, service="")).attributes_of(TRACE)
    own = {(key, kind, value) for key, scope, kind, value in found if scope == SPAN}
    assert own == {
        ("price", FLOAT, 1.5),
        ("nothing", OTHER, 0),
        ("raw", OTHER, 0),
        ("list", OTHER, 0),
        ("list", STRING, "a"),
        ("list", 1, 1),
    }
    assert ("service.name", RESOURCE, STRING, "") in found


@pytest.mark.parametrize(
    ("wrong", "message", "reason"),
    [
        ({"trace_id": b""}, "trace ids must be 128 bit, received 0 bits", Reason.TRACE_ID),
        ({"trace_id": bytes(16)}, "trace ids must be 128 bit, received 0 bits", Reason.TRACE_ID),
        ({"trace_id": b"short"}, "trace ids must be 128 bit, received 40 bits", Reason.TRACE_ID),
        ({"span_id": b"short"}, "span ids must be 64 bit, received 40 bits", Reason.SPAN_ID),
        ({"parent_span_id": b"short"}, "parent span ids must be 64 bit, received 40 bits", Reason.SPAN_ID),
    ],
)
def test_an_export_with_a_wrong_id_is_refused_with_its_service_and_number(
    wrong: dict[str, bytes], message: str, reason: Reason
) -> None:
    right = {"trace_id": TRACE, "span_id": ROOT}
    with pytest.raises(ExportError) as refused:
        check_ids(export(Span(**right), Span(**(right | wrong))))  # type: ignore[arg-type]  # bytes alone
    assert str(refused.value) == message
    assert (refused.value.reason, refused.value.service, refused.value.spans) == (reason, "shop", 2)


def test_each_trace_of_an_export_is_found_by_its_own_spans_alone() -> None:
    traces = [bytes([number]) * 16 for number in (1, 2, 3, 4)]
    spans = [Span(trace_id=trace, span_id=ROOT, name=f"work {trace[0]}") for trace in traces]
    for span in spans[1:3]:
        span.attributes.add(key="vehicle").value.string_value = "bike"
    spans[3].status.code = Status.STATUS_CODE_ERROR
    rows = span_rows(export(*spans))
    assert [("vehicle", SPAN, STRING, "bike") in rows.attributes_of(trace) for trace in traces] == [0, 1, 1, 0]
    for code, expected in ((0, [1, 1, 1, 0]), (2, [0, 0, 0, 1])):
        assert [("status", INTRINSIC, INTEGER, code) in rows.attributes_of(trace) for trace in traces] == expected
    for span in spans:
        assert [("name", INTRINSIC, STRING, span.name) in rows.attributes_of(trace) for trace in traces].count(
            True
        ) == 1


def test_a_span_may_have_no_id_and_no_parent() -> None:
    check_ids(export(Span(trace_id=TRACE)))
    assert len(span_rows(export(Span(trace_id=TRACE))).chunks) == 1
