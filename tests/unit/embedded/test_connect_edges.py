"""Calls of Connect, at the edges: errors, selectors, forms, sizes, and what cannot be read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from werkzeug.wrappers import Request

from spanprofiles.embedded.answers import JsonWriter
from spanprofiles.embedded.deadline import NO_DEADLINE
from spanprofiles.embedded.export_errors import ExportError
from spanprofiles.embedded.limits import IN_MEMORY_BYTES, WAITING_BODIES_BYTES
from spanprofiles.embedded.proto.pyroscope_pb2 import (
    FlameGraph,
    LabelNamesRequest,
    LabelNamesResponse,
    LabelPair,
    Point,
    PushRequest,
    PushResponse,
    SelectMergeStacktracesResponse,
    SelectSeriesResponse,
    Series,
)
from spanprofiles.embedded.pyroscope import forms, shape
from spanprofiles.embedded.pyroscope.connect import STATUS, ConnectError, _decode, message_json, unary
from spanprofiles.embedded.pyroscope.otlp.messages import decode_json
from spanprofiles.embedded.pyroscope.selector import SelectorError, parse_selector
from spanprofiles.embedded.pyroscope.shape import ShapeError
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.spool import Spool
from spanprofiles.embedded.web import TICKET
from tests.support.pprof_writer import block


def test_errors_have_the_statuses_of_connect_and_say_when_to_come_again() -> None:
    assert STATUS == {
        "canceled": 499, "invalid_argument": 400, "not_found": 404, "resource_exhausted": 429, "unavailable": 503,
        "unimplemented": 501, "unknown": 500, "internal": 500, "deadline_exceeded": 504,
    }  # fmt: skip
    for code, status in STATUS.items():
        response = ConnectError("why", code).response()
        assert (response.status_code, response.get_json()) == (status, {"code": code, "message": "why"})
        assert response.headers.get("Retry-After") == ("5" if code == "unavailable" else None)
    error = ConnectError("why")
    assert (error.code, error.reason, error.service, error.profiles) == ("invalid_argument", Reason.OTHER, "", 0)


def test_a_selector_is_as_long_and_has_as_many_comparisons_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.selector.SELECTOR_LENGTH_LIMIT", 20)
    monkeypatch.setattr("spanprofiles.embedded.pyroscope.selector.MATCHERS_LIMIT", 2)
    assert len(parse_selector('{a="1",b="2"}'.ljust(20)).matchers) == 2
    for wrong, words in (
        ('{a="1",b="2"}'.ljust(21), "the selector is longer than 20 characters"),
        ("{a='1',b='2',c='3'}", "the selector has more than 2 comparisons"),
    ):
        with pytest.raises(SelectorError) as refused:
            parse_selector(wrong)
        assert str(refused.value) == words


def test_edges_of_forms_are_where_they_are_written() -> None:
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n'
    assert forms.read_files(kind, part + b"one\r\n--x-- \t\r\nmore") == {"a": b"one"}
    assert forms.read_files(kind, part + b"one\r\n--x \t\r\nX: y\r\n\r\ntwo\r\n--x--") == {"a": b"one"}
    assert forms.read_files(kind, part + b"--x--") == {"a": b""}
    assert forms.read_files(f"multipart/form-data; boundary={'e' * 200}", b"--" + b"e" * 200 + b"--") == {}
    unnamed = b'--x\r\nContent-Disposition: form-data; filename="f"\r\n\r\none\r\n--x--'
    assert forms.read_files(kind, unnamed) == {}


def test_a_spool_is_full_to_the_byte() -> None:
    small = Spool(10)
    assert small.take(10, IN_MEMORY_BYTES + 1)
    assert not small.take(1, IN_MEMORY_BYTES + 1)
    assert (small.held, small.take(1, IN_MEMORY_BYTES)) == (10, True)
    small.give_back(11)
    assert (small.held, Spool()._limit) == (0, WAITING_BODIES_BYTES)


def test_series_of_any_size_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "PROFILES_LIMIT", 2)
    for size in (5, 200, 70_000):
        profile = block(2, bytes(size))
        shape.check_push_shape(block(1, profile * 2))
        for beyond in (block(1, profile * 3), block(1, profile) * 3):
            with pytest.raises(ShapeError):
                shape.check_push_shape(beyond)


DEEP = b'{"a":' * 100_000 + rb'"\ud800"'


def test_json_that_is_nested_too_deeply_is_refused_in_words() -> None:
    with pytest.raises(ExportError) as refused:
        decode_json(DEEP, lambda _: None)
    assert str(refused.value) == "Failed to parse JSON request: it is nested too deeply"
    with pytest.raises(ConnectError) as error:
        _decode(DEEP, LabelNamesRequest, is_json=True)
    assert str(error.value) == "unmarshal message: unmarshal into LabelNamesRequest: nested too deeply"
    assert (error.value.code, error.value.reason) == ("invalid_argument", Reason.MALFORMED_REQUEST)


@pytest.mark.parametrize(
    ("body", "is_json", "words"),
    [
        (b"\xff", False, "unmarshal message: proto: Error parsing message"),
        (b"{", True, "unmarshal message: unmarshal into LabelNamesRequest: "),
        (b"\xff", True, "unmarshal message: unmarshal into LabelNamesRequest: "),
        (b'{"start": "x"}', True, "unmarshal message: unmarshal into LabelNamesRequest: "),
    ],
    ids=["no protobuf", "no JSON", "no text", "no number"],
)
def test_a_question_that_cannot_be_read_is_told_as_what(body: bytes, words: str, *, is_json: bool) -> None:
    with pytest.raises(ConnectError) as error:
        _decode(body, LabelNamesRequest, is_json=is_json)
    assert str(error.value).startswith(words)
    assert (error.value.code, error.value.reason) == ("invalid_argument", Reason.MALFORMED_REQUEST)


def test_an_empty_question_is_one_and_unknown_members_are_ignored() -> None:
    for body in (b"", b" ", b"{}", b'{"unknown": 5}'):
        assert _decode(body, LabelNamesRequest, is_json=True) == LabelNamesRequest()
    assert _decode(b"", LabelNamesRequest, is_json=False) == LabelNamesRequest()


def test_a_push_of_too_much_is_told_as_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "COUNTED_FROM_BYTES", 0)
    monkeypatch.setattr(shape, "PROFILES_LIMIT", 2)
    monkeypatch.setattr(shape, "JSON_VALUES_LIMIT", 2)
    for body, is_json, words in (
        (block(1, b"") * 3, False, "unmarshal message: there are more than 2 series in a push"),
        (b"{,,}", True, "unmarshal message: there are more than 2 values in the JSON"),
    ):
        with pytest.raises(ConnectError) as error:
            _decode(body, PushRequest, is_json=is_json)
        assert (str(error.value), error.value.reason) == (words, Reason.BODY_SIZE)
    assert len(_decode(b"\x0a\x00" * 3, PushResponse, is_json=False).SerializeToString()) == 6


@pytest.mark.parametrize("messages", [1, 15, 16, 17, 500])
def test_a_large_answer_in_json_is_the_same_as_a_small_one(messages: int) -> None:
    series = [
        Series(labels=[LabelPair(name="n", value="é" * (place % 40))], points=[Point(value=0.5, timestamp=place)])
        for place in range(messages)
    ]
    for message in (
        SelectSeriesResponse(series=series),
        LabelNamesResponse(names=[f"name {place}" for place in range(messages)]),
        SelectMergeStacktracesResponse(flamegraph=FlameGraph(names=["x" * messages] * 30, total=5, max_self=2**60)),
    ):
        written = JsonWriter(NO_DEADLINE).written(message_json(message))
        assert json.loads(written) == json_format.MessageToDict(message)


@pytest.mark.parametrize(
    ("kind", "status"), [("application/json", 400), ("application/proto", 400), ("text/plain", 415)]
)
def test_a_call_of_another_type_is_told_which_are_taken(kind: str, status: int) -> None:
    noted: list[ConnectError] = []

    def refuse(_: Any) -> Any:
        raise ConnectError("why")

    request = Request.from_values(
        method="POST", data=b"", content_type=kind, environ_overrides={TICKET: SimpleNamespace(expect=lambda _: None)}
    )
    response = unary(request, 10, LabelNamesRequest, refuse, NO_DEADLINE, lambda _, error: noted.append(error))
    assert response.status_code == status
    (error,) = noted
    if status == 415:
        assert response.headers["Accept-Post"] == "application/json, application/proto"
        assert str(error) == "unsupported media type, supported: [application/json, application/proto]"
        assert (error.reason, response.data) == (Reason.MEDIA_TYPE, b"")
    else:
        assert response.get_json() == {"code": "invalid_argument", "message": "why"}


def test_a_name_alone_in_a_selector_is_that_of_the_metric() -> None:
    for selector in ('{"process_cpu"}', "process_cpu", "process_cpu{}"):
        (matcher,) = parse_selector(selector).matchers
        assert (matcher.name, matcher.operator, matcher.value) == ("__name__", "=", "process_cpu")
