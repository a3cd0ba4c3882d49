"""Malformed requests by the thousand, and the worst of each kind: refused, with nothing stored and nothing broken."""

from __future__ import annotations

import errno
import gzip
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.otlp.json import decode_json
from spanprofiles.embedded.otlp.protobuf import decode_protobuf
from spanprofiles.embedded.otlp.rows import check_ids, span_rows
from spanprofiles.embedded.pyroscope.appname import parse_name, time_ns
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.pprof import check, decode, split
from spanprofiles.embedded.pyroscope.render import parse_query, time_of
from spanprofiles.embedded.pyroscope.sample_parts import serialized_samples
from spanprofiles.embedded.tempo.application import parse_trace_id
from spanprofiles.embedded.tempo.parameters import Search
from spanprofiles.embedded.web import AnswerError, plain_json
from tests.support.conformance.pair import Pair, running_pair
from tests.support.embedded.bombardment import ANSWER_S, GROWTH_LIMIT, MEBIBYTE, assert_well, bombard, memory
from tests.support.embedded.hostile import JSON, NOW_S, OTLP, PROTOBUF

CALL = "/querier.v1.QuerierService/"
LONG_PATTERN = "(a*)*" * 200 + "b"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


def test_a_thousand_malformed_requests_are_refused_and_leave_nothing_behind(pair: Pair) -> None:
    bombard(pair, 1_000)


BOMB = gzip.compress(b"\0" * (100 * MEBIBYTE), 9)
DEEP = b"\x0a\xff\xff\x03" * 20_000
LONG = json.dumps({"matchers": ["{" * MEBIBYTE], "start": 1, "end": 2}).encode()
EXPORT, PUSH, INGEST = "/v1/traces", "/push.v1.PusherService/Push", "/ingest?name=app&format=pprof"
GZIP = {"Content-Encoding": "gzip"}
WORST = {
    "bomb": ("otlp-http", EXPORT, BOMB, {"Content-Type": OTLP} | GZIP, {413}),
    "pushed bomb": ("pyroscope", PUSH, BOMB, {"Content-Type": PROTOBUF} | GZIP, {400, 429}),
    "ingested bomb": ("pyroscope", INGEST, BOMB, {}, {413, 422}),
    "deep protobuf": ("otlp-http", EXPORT, DEEP, {"Content-Type": OTLP}, {400}),
    "deep JSON": ("otlp-http", EXPORT, b"[" * 100_000, {"Content-Type": JSON}, {400}),
    "deep JSON in a call": (
        "pyroscope",
        f"{CALL}Series",
        b'{"matchers":' + b"[" * 100_000,
        {"Content-Type": JSON},
        {400},
    ),
    "selector of a megabyte": ("pyroscope", f"{CALL}Series", LONG, {"Content-Type": JSON}, {400}),
}


@pytest.mark.parametrize(("port", "path", "body", "headers", "statuses"), WORST.values(), ids=WORST)
def test_the_worst_bodies_are_refused_in_little_memory(
    pair: Pair, port: str, path: str, body: bytes, headers: dict[str, str], statuses: set[int]
) -> None:
    before = memory(pair)
    status, answer = pair.send(port, "POST", path, body, headers)
    assert status in statuses, answer[:500]
    assert memory(pair) - before < 2 * GROWTH_LIMIT
    assert_well(pair)


@pytest.mark.parametrize(
    "query",
    [
        '{ name =~ "' + LONG_PATTERN + '" }',
        '{ name =~ "(((a{1,1000}){1,1000}){1,1000})" }',
        "{ " + "(" * 5_000 + "true" + ")" * 5_000 + " }",
        "{ " + " && ".join(["span.a = 1"] * 3_000) + " }",
        " && ".join(["{ }"] * 3_000),
        "{ span." + "a" * 60_000 + " = 1 }",
    ],
    ids=["nested stars", "nested counts", "brackets", "conjunction", "spansets", "name"],
)
def test_a_query_that_would_blow_up_is_answered_or_refused_at_once(pair: Pair, query: str) -> None:
    began = time.monotonic()
    status, _ = pair.send("tempo", "GET", f"/api/search?q={quote(query)}")
    assert status in {200, 400, 414, 431}
    assert time.monotonic() - began < ANSWER_S


RAW = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A b: c\r\n" * 10 + b"\r\n",
    b"\r\n" * 100,
)


def answer_to(address: tuple[str, int], request: bytes) -> bytes:
    """Returns the beginning of the answer, or nothing where the server hung up before it had read all these bytes."""
    with socket.create_connection(address, timeout=ANSWER_S) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65_536)
        except OSError as error:
            # A reset shows in whichever call comes next: in the one that closes our side as "not connected".
            if error.errno in {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}:
                return b""
            raise


@pytest.mark.parametrize("port", ["tempo", "otlp-http", "pyroscope"])
def test_what_is_no_http_is_refused_or_hung_up_on(pair: Pair, port: str) -> None:
    parts = urlsplit(pair.urls[port])
    for request in RAW:
        answer = answer_to((parts.hostname or "", parts.port or 0), request)
        assert not answer.startswith(b"HTTP/1.1 5"), (request[:80], answer[:200])
    assert_well(pair)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_export_or_refused(body: bytes) -> None:
    for decode_export in (decode_protobuf, decode_json):
        try:
            export = decode_export(body, lambda _: None)
            check_ids(export)
            span_rows(export)
        except ExportError:
            continue


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "value", "links"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json_is_an_export_or_refused(document: object) -> None:
    try:
        export = decode_json(json.dumps(document).encode(), lambda _: None)
        check_ids(export)
        span_rows(export)
    except ExportError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_a_profile_or_refused(raw: bytes) -> None:
    labels = {"__name__": "process_cpu", "service_name": "shop"}
    try:
        profile, size = decode(raw)
        samples = serialized_samples(profile)
        check(profile, samples, size, labels, NOW_S * 10**9)
        split(profile, samples, list(labels.items()), NOW_S * 10**9)
    except ConnectError:
        return


@given(st.binary(max_size=300), st.integers(0, 400))
def test_what_was_compressed_comes_back_unless_it_is_beyond_the_limit(data: bytes, limit: int) -> None:
    try:
        assert bounded_gunzip(gzip.compress(data), limit) == data
    except BodyTooLargeError:
        assert len(data) > limit
    else:
        assert len(data) <= limit


def test_half_a_surrogate_pair_becomes_a_replacement_character_and_a_whole_one_stays() -> None:
    mended = json.loads(plain_json(rb'{"a\ud800": "\uD83D\uDE00", "b": "\udc00x"}'))
    assert mended == {"a\ufffd": "\U0001f600", "b": "\ufffdx"}
    assert plain_json(b'{"a": 1}') == '{"a": 1}'


@given(st.binary(max_size=100))
def test_any_bytes_are_gzip_or_refused(data: bytes) -> None:
    try:
        bounded_gunzip(data, 1_000)
    except (BadBodyError, BodyTooLargeError):
        return


@given(st.text(max_size=30))
def test_any_text_is_a_name_a_query_a_time_and_an_id_or_refused(text: str) -> None:
    for parse in (parse_name, parse_query):
        try:
            parse(text)
        except ConnectError:
            continue
    assert isinstance(time_of(text, 5), int)
    assert time_ns(text, 5) < 2**63
    try:
        assert len(parse_trace_id(text)) == 16
    except AnswerError:
        return


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["q", "tags", "start", "end", "limit", "spss", "minDuration"]), st.text(max_size=20)
    )
)
def test_any_parameters_are_a_search_or_refused(parameters: dict[str, str]) -> None:
    try:
        Search.of(parameters)
    except AnswerError:
        return
