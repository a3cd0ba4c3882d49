"""Little that becomes much: what is in a body is bounded before it is made, and large ones take turns."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanprofiles.embedded import compression, message_counter, turns, web
from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip, bounded_inflate
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import BODY_BYTES, GZIP_MEMBERS, INFLATION, INFLATION_FREE_BYTES
from spanprofiles.embedded.otlp import protobuf
from spanprofiles.embedded.otlp.json import decode_json
from spanprofiles.embedded.otlp.protobuf import count_messages, decode_protobuf
from spanprofiles.embedded.otlp.rows import span_rows
from spanprofiles.embedded.pyroscope.allowance import Allowance
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.limits import Quantity
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.turns import OverloadError, Turns
from tests.support.pprof_writer import block
from tests.unit.embedded.conftest import BODY_LIMIT, Applications, SpanFactory, attributes
from tests.unit.embedded.test_refusals import told

SPANS, MESSAGES, VALUES = 1_000, 5_000, 3_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what is too much small enough to be made quickly."""
    monkeypatch.setattr(protobuf, "SPANS", SPANS)
    monkeypatch.setattr(message_counter, "MESSAGES", MESSAGES)
    monkeypatch.setattr(message_counter, "JSON_VALUES", VALUES)


def unwatched(_: int) -> None:
    """Take no notice of how much memory an export is going to take."""


def in_span(content: bytes) -> bytes:
    """An export of one span with this content."""
    return block(1, block(2, block(2, content)))


def any_value(depth: int) -> bytes:
    """A list in a list, so deep."""
    value = b""
    for _ in range(depth):
        value = block(5, block(1, value))
    return value


MANY = {
    "spans": block(1, block(2, b"\x12\x00" * (SPANS + 1))),
    "groups of scopes": block(1, b"\x12\x00" * (SPANS + 1)),
    "groups of resources": b"\x0a\x00" * (SPANS + 1),
    "groups of scopes, each in its own": block(1, block(2, b"")) * (SPANS // 2 + 1),
    "spans with tags that are too long": block(1, block(2, b"\x92\x80\x00\x00" * (SPANS + 1))),
    "attributes": in_span(b"\x4a\x00" * (MESSAGES + 1)),
    "attributes with tags that are too long": in_span(b"\xca\x80\x00\x00" * (MESSAGES + 1)),
    "events": in_span(b"\x5a\x00" * (MESSAGES + 1)),
    "links": in_span(b"\x6a\x00" * (MESSAGES + 1)),
    "links' attributes": in_span(block(13, b"\x22\x00" * (MESSAGES + 1))),
    "members of a list": in_span(block(9, block(2, block(5, b"\x0a\x00" * (MESSAGES + 1))))),
    "members of a map": in_span(block(9, block(2, block(6, b"\x0a\x00" * (MESSAGES + 1))))),
    "attributes of a scope": block(1, block(2, block(1, b"\x1a\x00" * (MESSAGES + 1)))),
    "names in a resource": block(1, block(1, block(3, b"\x1a\x00" * (MESSAGES + 1)))),
}


@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_an_export_with_too_much_in_it_is_refused_before_it_is_made(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ExportTraceServiceRequest.FromString(body[:0])
    monkeypatch.setattr(protobuf, "ExportTraceServiceRequest", Unmade)
    with pytest.raises(ExportError, match="more than") as refused:
        decode_protobuf(body, unwatched)
    assert refused.value.reason.value == "too_many_messages"


class Unmade:
    """A message that must not be read."""

    def ParseFromString(self, _: bytes) -> None:  # noqa: N802  # the library's own name
        raise AssertionError("it was made")


def large_export(spans: int, values: int) -> bytes:
    """An export as busy services make it."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    for number in range(spans):
        span = group.spans.add(trace_id=bytes([1] * 16), span_id=number.to_bytes(8, "big"), name="GET /bike")
        for value in range(values):
            span.attributes.add(key=f"attribute.{value}").value.string_value = '12:34, "J*Z\n' * 3
    return request.SerializeToString()


def test_what_busy_services_send_is_taken_even_where_its_texts_look_like_messages() -> None:
    body = large_export(100, 20)
    assert len(body) - len(body.translate(None, protobuf.TRACES.tag_bytes)) > MESSAGES, (
        "the bound alone would refuse it"
    )
    assert count_messages(body) == 2 + 100 * (1 + 40)
    assert len(decode_protobuf(body, unwatched).resource_spans[0].scope_spans[0].spans) == 100


def test_the_bound_is_never_less_than_the_count() -> None:
    body = large_export(20, 5)
    assert protobuf.TRACES.check(body, len(body), MESSAGES, "") == 2 + 20 * 11
    assert count_messages(body) >= 2 + 20 * 11


@pytest.mark.parametrize(
    "number",
    [b"\x85\x01" + bytes(4), b"\x81\x01" + bytes(8), b"\x80\x01" + b"\x80\x08", b"\x83\x01" + b"\x84\x01"],
    ids=["32 bits", "64 bits", "varint", "group"],
)
def test_messages_before_and_behind_a_number_are_counted_once(number: bytes) -> None:
    body = b"\x0a\x00" * 3 + number + b"\x0a\x00" * 4
    assert protobuf.TRACES.check(body, len(body), MESSAGES, "messages") == 3 + 4


def test_messages_are_counted_by_the_fields_that_hold_them() -> None:
    counter = message_counter.MessageCounter(ExportTraceServiceRequest)
    span = block(1, b"\x01" * 16) + b"\x39" + b"\x0a\x00" * 4 + block(9, block(1, b"key") + block(2, block(1, b"x")))
    body = block(1, block(2, block(2, span) * 2))  # two groups, and each span with an attribute and its value
    assert counter.check(body, len(body), MESSAGES, "messages") == 2 + 2 * 3
    assert counter.check(body, 2, MESSAGES, "groups") == 2
    assert counter.bound(body) >= 8
    assert counter.bound(b"\x05plain text") == 0


def test_whoever_sends_too_many_messages_is_told_how_many_may_be() -> None:
    counter = message_counter.MessageCounter(ExportTraceServiceRequest)
    with pytest.raises(ExportError, match=f"more than {MESSAGES:,} messages in it"):
        counter.count(b"\x0a\x00" * (MESSAGES + 1))
    assert counter.count(b"\x0a\x00" * MESSAGES) == MESSAGES


@pytest.mark.parametrize("body", [b"\xff" * 40, b"\x0a", b"\x0a\xff", b"\x0a\x05\x12", b"\x0b\x12\x00\x0c", b"\x08"])
def test_damaged_data_is_left_to_its_parser(body: bytes) -> None:
    assert count_messages(body) <= len(body)
    with pytest.raises(ExportError, match=r"proto: cannot parse|128 bit"):
        span_rows(decode_protobuf(body + b"\x0a\x09\x12\xff", unwatched))


def test_lists_in_lists_are_refused_beyond_a_hundred_messages() -> None:
    ids = block(1, b"\x01" * 16) + block(2, b"\x02" * 8)
    span_rows(decode_protobuf(in_span(ids + block(9, block(2, any_value(40)))), unwatched))
    with pytest.raises(ExportError):
        decode_protobuf(in_span(ids + block(9, block(2, any_value(60)))), unwatched)


def test_lists_in_lists_that_are_taken_are_shown(applications: Applications) -> None:
    ids = block(1, b"\x01" * 16) + block(2, b"\x02" * 8)
    body = in_span(ids + block(9, block(1, b"deep") + block(2, any_value(45))))
    assert applications.otlp.post("/v1/traces", data=body, content_type=PROTOBUF).status_code == 200
    for path in ("/api/traces/", "/api/v2/traces/"):
        for accept in (JSON, "application/protobuf"):
            answer = applications.tempo.get(path + "01" * 16, headers={"Accept": accept})
            assert answer.status_code == 200
            assert b"deep" in answer.data
    assert applications.search("{ span.deep != nil }") is not None


@pytest.mark.parametrize(
    "body",
    [b"[" + b"[]," * 1_600 + b"[]]", b'{"resourceSpans":[' + b"{}," * 1_600 + b"{}]}", b"[" + b"0," * (VALUES + 1)],
    ids=["lists", "objects", "numbers"],
)
def test_json_with_too_much_in_it_is_refused_before_it_is_made(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was made"))
    with pytest.raises(ExportError, match="more than") as refused:
        decode_json(body, unwatched)
    assert refused.value.reason.value == "too_many_messages"


@pytest.mark.parametrize(("kind", "body"), [(PROTOBUF, MANY["spans"]), (JSON, b"[" + b"[]," * 1_600)])
def test_whoever_sends_too_much_gets_413_and_is_told(
    applications: Applications, kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.embedded.conftest.BODY_LIMIT", BODY_BYTES)
    packed = gzip.compress(body)
    answer = applications.otlp.post("/v1/traces", data=packed, content_type=kind, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    (refusal,) = told(applications.tempo)
    assert refusal["reason"] in {"too_many_messages", "body_size_limit_exceeded"}


def raw(data: bytes) -> bytes:
    return zlib.compress(data, 9)


@pytest.mark.parametrize(("unpack", "pack"), [(bounded_gunzip, gzip.compress), (bounded_inflate, raw)])
def test_what_grows_out_of_all_proportion_is_refused_long_before_the_limit(
    unpack: Callable[..., bytes], pack: Callable[[bytes], bytes]
) -> None:
    seen: list[int] = []
    bomb = pack(bytes(30 * 2**20))
    with pytest.raises(BodyTooLargeError, match=f"{INFLATION} times"):
        unpack(bomb, BODY_BYTES, seen.append)
    assert max(seen, default=0) <= INFLATION_FREE_BYTES
    small = pack(bytes(INFLATION_FREE_BYTES))
    assert unpack(small, BODY_BYTES) == bytes(INFLATION_FREE_BYTES)


def test_repeated_text_is_no_bomb() -> None:
    text = b"".join(b'{"number": %d, "name": "GET /bike", "status": "ok"}\n' % number for number in range(85_000))
    packed = gzip.compress(text, 1)
    assert len(text) > INFLATION_FREE_BYTES
    assert bounded_gunzip(packed, BODY_BYTES) == text


def test_many_small_pieces_are_joined_up_to_a_number_and_each_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    piece = gzip.compress(b"x")
    assert bounded_gunzip(piece * GZIP_MEMBERS, BODY_BYTES) == b"x" * GZIP_MEMBERS
    read: list[int] = []
    step = compression._step

    def counted(inflater: zlib._Decompress, data: memoryview, room: int, name: str) -> bytes:
        read.append(len(data))
        return step(inflater, data, room, name)

    monkeypatch.setattr(compression, "_step", counted)
    with pytest.raises(BadBodyError, match="pieces") as refused:
        bounded_gunzip(piece * 100_000, BODY_BYTES)
    assert refused.value.reason is Reason.DAMAGED_COMPRESSION
    assert len(read) == GZIP_MEMBERS
    assert max(read) <= compression.STEP_BYTES


def test_large_requests_take_turns_and_small_ones_pass() -> None:
    large = Turns(light_bytes=100, patience_s=0.01)
    with large.ticket() as first, large.ticket() as second, large.ticket() as small:
        first.expect(101)
        first.expect(10**9)
        small.expect(100)
        with pytest.raises(OverloadError):
            second.expect(101)
        first.leave()
        second.expect(101)
    with large.ticket() as third:
        third.expect(101)


def test_few_large_requests_wait_and_the_next_is_sent_away_at_once() -> None:
    large = Turns(light_bytes=100, patience_s=20, waiting=0)
    with large.ticket() as first, large.ticket() as second:
        first.expect(101)
        with pytest.raises(OverloadError):
            second.expect(101)


def test_a_large_request_waits_for_the_one_before_it() -> None:
    large = Turns(light_bytes=100, patience_s=20)
    taken = threading.Event()

    def take() -> None:
        with large.ticket() as later:
            later.expect(101)
            taken.set()

    with large.ticket() as first:
        first.expect(101)
        waiting = threading.Thread(target=take)
        waiting.start()
        assert not taken.wait(0.05)
    waiting.join(20)
    assert taken.is_set()


@pytest.mark.parametrize("way", ["otlp", "push", "ingest"])
def test_a_request_for_which_there_is_no_room_is_to_be_sent_again(
    applications: Applications, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    full = Turns(light_bytes=10, patience_s=0)
    monkeypatch.setattr(web, "LARGE", full)
    span = SpanFactory("ab")
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span("a") | {"attributes": attributes({})}]}]}]}
    with full.ticket() as other:
        other.expect(11)
        if way == "otlp":
            answer = applications.otlp.post("/v1/traces", json=document)
        elif way == "push":
            answer = applications.pyroscope.post("/push.v1.PusherService/Push", json={"series": [{}]})
        else:
            answer = applications.pyroscope.post("/ingest?name=app", data=b"main;leaf 10000\n")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert turns.BUSY in answer.text
    if way == "otlp":
        assert [refusal["reason"] for refusal in told(applications.tempo)] == ["overloaded"]
    again = applications.otlp.post("/v1/traces", json=document)
    assert again.status_code == 200, "the room is given back"
    assert len(json.dumps(document)) < BODY_LIMIT


def test_an_allowance_gives_what_it_has_and_no_more() -> None:
    allowance = Allowance()
    allowance.take(Quantity.SERIES, Quantity.SERIES.limit)
    assert allowance.left(Quantity.SERIES) == 0
    with pytest.raises(ConnectError, match="more than 5000 series"):
        allowance.take(Quantity.SERIES, 1)


def test_messages_are_counted_up_to_where_a_body_is_cut_off() -> None:
    counter = message_counter.MessageCounter(ExportTraceServiceRequest)
    whole = in_span(block(9, block(2, any_value(3))))
    counts = [counter.check(whole[:end], 100, MESSAGES, "messages") for end in range(len(whole) + 1)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 11)
    assert counter.check(whole + b"\x0a\x80", 100, MESSAGES, "messages") == counts[-1]
