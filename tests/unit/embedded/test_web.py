"""What the three HTTP applications share: routes, bodies, and errors in words, each without a traceback."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException, ImATeapot
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from spanprofiles.embedded import compression, web
from spanprofiles.embedded.answers import AnswerTooLargeError, JsonWriter, Members
from spanprofiles.embedded.cache import ByteCache
from spanprofiles.embedded.compression import BadBodyError, BodyTooLargeError, bounded_gunzip, bounded_inflate
from spanprofiles.embedded.deadline import NO_DEADLINE, QueryTooLongError
from spanprofiles.embedded.lanes import TURNED_AWAY
from spanprofiles.embedded.refusals import Reason
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.store.folder import StoreUnavailableError
from spanprofiles.embedded.store.traces import TraceTooLargeError
from spanprofiles.embedded.turns import OverloadError
from spanprofiles.embedded.web import (
    AnswerError,
    Application,
    Failure,
    any_of,
    failure_of,
    json_answer,
    plain_json,
    read_body,
    text,
    too_many_queries,
    written_answer,
)

LOGGER = "spanprofiles.embedded"
UNREADABLE = "the stored data could not be read: no such table"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (QueryTooLongError("too long"), Failure(504, "too long")),
        (AnswerTooLargeError("too large"), Failure(422, "too large")),
        (TraceTooLargeError("too large"), Failure(422, "too large")),
        (StoreUnavailableError("no disk"), Failure(503, "no disk", 5)),
        (OverloadError("no room"), Failure(503, "no room", 1)),
        (sqlite3.OperationalError("no such table"), Failure(500, UNREADABLE)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_why_a_question_has_no_answer_is_told_with_a_status_of_its_own(
    error: Exception, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    assert failure_of(error) == failure
    assert [record.getMessage() for record in caplog.records] == ([UNREADABLE] if failure.status == 500 else [])
    assert too_many_queries("64 wait") == Failure(
        503, "too many queries at once: 64 wait; ask again later, or for less", 1
    )


class Talker(Application):
    """Answers in its own form, and remembers what it was told."""

    def __init__(self, database: Database | None = None, **handlers: Callable[..., Response]) -> None:
        self.told: list[str] = []
        rules = [(f"/{name}", ["GET"], handler) for name, handler in handlers.items()]
        queries = [("/asked/<path:name>", ["GET"], handlers["answer"])] if "answer" in handlers else []
        super().__init__(rules, queries, database)

    def unmatched(self, request: Request) -> None:
        self.told.append(request.path)

    def overloaded(self, request: Request, message: str) -> None:
        self.told.append(f"{request.path}: {message}")

    def failure(self, message: str, status: int) -> Response:
        return text(f"told: {message}", status)


def raising(error: Exception) -> Callable[..., Response]:
    def handler(_: Request) -> Response:
        raise error

    return handler


def test_whatever_goes_wrong_becomes_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    talker = Talker(
        fine=lambda _: text("fine"),
        own=raising(AnswerError(text("its own", 418))),
        busy=raising(OverloadError("no room")),
        late=raising(QueryTooLongError("too long")),
        teapot=raising(ImATeapot()),
        unknown=raising(HTTPException()),
        broken=raising(ValueError("broken")),
    )
    client = Client(talker)
    names = ("fine", "own", "busy", "late", "teapot", "unknown", "broken", "x")
    found = {name: client.get(f"/{name}") for name in names}
    assert {name: (response.status_code, response.text) for name, response in found.items()} == {
        "fine": (200, "fine"),
        "own": (418, "its own"),
        "busy": (503, "told: no room"),
        "late": (504, "told: too long"),
        "teapot": (418, "I'm a teapot\n"),
        "unknown": (500, "Unknown Error\n"),
        "broken": (500, "internal error\n"),
        "x": (404, "404 page not found\n"),
    }
    assert found["busy"].headers["Retry-After"] == "1"
    assert "Retry-After" not in found["late"].headers
    assert talker.told == ["/busy: no room", "/x"]
    assert [record.getMessage() for record in caplog.records] == ["GET /broken failed"]
    assert "ValueError: broken" in caplog.text
    wrong = client.post("/fine")
    assert (wrong.status_code, wrong.text, wrong.headers["Allow"]) == (405, "", "GET, HEAD")
    assert str(AnswerError(text("no", 404))) == "404 NOT FOUND"


def test_slashes_in_a_path_count_and_those_at_its_end_do_not() -> None:
    client = Client(Talker(fine=lambda _: text("fine")))
    assert client.get("/fine/").status_code == 200
    assert client.get("//fine").status_code == 404


def test_a_query_is_turned_away_where_the_lanes_say_so_and_told_by_its_path(database: Database) -> None:
    talker = Talker(database, answer=lambda _, name="": text(f"answer {name}"))
    client = Client(talker)
    assert client.get("/asked/a/b").text == "answer a/b"
    turned_away = {"environ_overrides": {TURNED_AWAY: "it waited"}}
    refused = client.get("/asked/a", **turned_away)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.text == "told: too many queries at once: it waited; ask again later, or for less"
    assert client.get("/answer", **turned_away).status_code == 200
    assert (talker.is_query("/asked/x"), talker.is_query("/answer")) == (True, False)
    # an application without a store has no queries
    assert Client(Talker(answer=lambda _, name="": text(name))).get("/asked/a", **turned_away).text == "a"


def test_answers_in_json_are_compact_and_hold_any_text() -> None:
    for response in (
        json_answer({"a": ["é", "\ud800"]}, 418),
        written_answer(JsonWriter(NO_DEADLINE), {"a": ["é", "\ud800"]}),
    ):
        assert response.get_data() == '{"a":["é","?"]}'.encode()
        assert response.content_type == "application/json"
    assert (json_answer({}).status_code, json_answer({}, 418).status_code) == (200, 418)
    assert any_of(("a", 5)) == "a, 5"


@pytest.mark.parametrize(
    ("body", "decoded"),
    [
        (b'"a"', "a"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD800x"', "\ufffdx"),
        (rb'"x\udfff"', "x\ufffd"),
        (rb'"\ud7ff\ue000"', "\ud7ff\ue000"),
        ('"é\\ud800"'.encode(), "é\ufffd"),
    ],
)
def test_halves_of_characters_in_json_are_replaced(body: bytes, decoded: str) -> None:
    assert json.loads(plain_json(body)) == decoded


class Ticket:
    def __init__(self) -> None:
        self.expected: list[int] = []

    def expect(self, size: int) -> None:
        self.expected.append(size)


def body_of(data: bytes, encoding: str = "", **extra: Any) -> Any:
    """The body of a request as it is read, and how much memory was asked for."""
    ticket = Ticket()
    headers = {"Content-Encoding": encoding} if encoding else {}
    request = Request.from_values(method="POST", data=data, headers=headers, environ_overrides={web.TICKET: ticket})
    return read_body(request, 1_000, ("gzip", "zstd", "identity"), extra), ticket.expected


def test_a_body_is_read_as_its_encoding_says() -> None:
    packed = gzip.compress(b"x" * 500)
    assert body_of(b"plain") == (b"plain", [5])
    assert body_of(b"plain", encoding="identity") == (b"plain", [5])
    assert body_of(packed, encoding="gzip") == (b"x" * 500, [len(packed), 500])
    assert body_of(b"zz", encoding="zstd", zstd=lambda data, limit, _: data * limit)[0] == b"zz" * 1_000
    assert body_of(b"x" * 1_000)[0] == b"x" * 1_000
    assert body_of(b"", encoding="identity")[0] == b""


@pytest.mark.parametrize(
    ("data", "encoding", "error", "words", "reason"),
    [
        (b"x", "br", BadBodyError, "unsupported Content-Encoding: br (taken: gzip, zstd, identity, or none)",
         Reason.UNKNOWN_ENCODING),
        (b"x", "GZIP", BadBodyError, "unsupported Content-Encoding: GZIP (taken: gzip, zstd, identity, or none)",
         Reason.UNKNOWN_ENCODING),
        (b"", "gzip", BadBodyError, "gzip: unexpected EOF", Reason.DAMAGED_COMPRESSION),
        (b"x" * 1_001, "", BodyTooLargeError, "the body is larger than 1000 bytes", None),
        (gzip.compress(bytes(1_001)), "gzip", BodyTooLargeError, "the decompressed body is larger than 1000 bytes",
         None),
    ],
    ids=["unknown", "in capitals", "empty", "large", "large in gzip"],
)  # fmt: skip
def test_a_body_that_is_not_taken_is_refused_with_what_is(
    data: bytes, encoding: str, error: type[Exception], words: str, reason: Reason | None
) -> None:
    with pytest.raises(error) as refused:
        body_of(data, encoding)
    assert str(refused.value) == words
    assert getattr(refused.value, "reason", None) == reason


def test_what_is_decompressed_is_bounded_and_told_while_it_grows() -> None:
    sizes: list[int] = []
    data = bytes(range(256)) * 4
    assert bounded_gunzip(gzip.compress(data) * 2, 2_048, sizes.append) == data * 2
    assert sizes == [1_024, 2_048]
    assert bounded_gunzip(b"", 5) == b""
    assert bounded_inflate(zlib.compress(data) + b"more", 1_024) == data
    with pytest.raises(BodyTooLargeError):
        bounded_inflate(zlib.compress(data), 1_023)


@pytest.mark.parametrize(
    ("decompress", "data", "words"),
    [
        (bounded_gunzip, gzip.compress(b"x")[:-1], "gzip: unexpected EOF"),
        (bounded_gunzip, gzip.compress(b"x") + b"nonsense", "gzip: incorrect header check"),
        (bounded_inflate, b"", "zlib: unexpected EOF"),
        (bounded_inflate, b"nonsense", "zlib: incorrect header check"),
        (bounded_inflate, zlib.compress(b"x")[:-1] + b"?", "zlib: incorrect data check"),
    ],
    ids=["cut off", "gzip and more", "nothing", "no zlib", "another sum"],
)
def test_damaged_data_is_refused_with_what_is_wrong(
    decompress: Callable[[bytes, int], bytes], data: bytes, words: str
) -> None:
    with pytest.raises(BadBodyError) as refused:
        decompress(data, 1_000)
    assert (str(refused.value), refused.value.reason) == (words, Reason.DAMAGED_COMPRESSION)


def test_a_body_of_very_many_pieces_or_that_grows_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "GZIP_MEMBERS", 3)
    assert bounded_gunzip(gzip.compress(b"x") * 3, 10) == b"xxx"
    with pytest.raises(BadBodyError) as refused:
        bounded_gunzip(gzip.compress(b"x") * 4, 10)
    assert str(refused.value) == "gzip: it is put together of more than 3 pieces"
    monkeypatch.setattr(compression, "INFLATION", 5)
    monkeypatch.setattr(compression, "INFLATION_FREE_BYTES", 1_000)
    assert len(bounded_gunzip(gzip.compress(bytes(1_000)), 10_000)) == 1_000
    with pytest.raises(BodyTooLargeError) as grown:
        bounded_gunzip(gzip.compress(bytes(1_001)), 10_000)
    assert str(grown.value) == "the body becomes more than 5 times as large when decompressed"


def test_json_is_written_in_pieces_and_counted_once() -> None:
    def members() -> Any:
        yield 1
        yield {"b": iter([2, "x" * 5_000])}
        yield Members("3,4")
        yield from range(20)

    value = {"a": members(), "empty": iter(()), "dict": {}, "plain": {"c": [None, True, 0.5]}, "é": "\n"}
    writer = JsonWriter(NO_DEADLINE)
    written = writer.written(value)
    assert json.loads(written) == {
        "a": [1, {"b": [2, "x" * 5_000]}, 3, 4, *range(20)], "empty": [], "dict": {},
        "plain": {"c": [None, True, 0.5]}, "é": "\n",
    }  # fmt: skip
    assert writer.written({"again": written}) == f'{{"again":{written}}}'
    assert JsonWriter(NO_DEADLINE, 5).written([1, 2]) == "[1,2]"
    with pytest.raises(AnswerTooLargeError) as refused:
        JsonWriter(NO_DEADLINE, 4).written([1, 2])
    assert str(refused.value) == (
        "the answer is larger than 4 bytes: ask for less at once, by a narrower query, a smaller limit or less time"
    )


def test_a_cache_counts_a_value_that_is_put_again_once() -> None:
    cache: ByteCache[str, int] = ByteCache(100)
    cache.put("a", 1, 20)
    cache.put("a", 2, 25)
    assert (cache.get("a"), cache.bytes, len(cache)) == (2, 25, 1)
    cache.put("a", 3, 26)
    assert (cache.get("a"), cache.bytes) == (2, 25)
    cache.clear()
    assert (cache.get("a"), cache.bytes, len(cache)) == (None, 0, 0)
