"""Hostile requests as bytes, kind by kind: what is sent, and to which port."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from spanprofiles.embedded.proto.tempo_pb2 import SearchRequest
from tests.support.embedded.hostile import JSON, NOW_S, OTLP, PROTOBUF, HostileRequest, Hostility
from tests.support.pprof_writer import pprof, push

EXPORT, PUSH, INGEST = "/v1/traces", "/push.v1.PusherService/Push", "/ingest?name=app&format=pprof"
SEARCH, CALL = "/api/search?q=", "/querier.v1.QuerierService/"
KIBIBYTE, MEBIBYTE = 2**10, 2**20
GZIP = {"Content-Encoding": "gzip"}


@dataclass(frozen=True)
class RawRequest:
    """The bytes of a request.

    Attributes:
        kind: the kind it is of.
        port: the name of the port it is for.
        data: what is sent.
        is_http: whether an answer is owed; else the server may hang up without one.
        is_head: whether the answer has no body, because the method is HEAD.
        may_be_5xx: whether the server that is stood in for answers some requests of the kind with 5xx as well.
    """

    kind: str
    port: str
    data: bytes
    is_http: bool = True
    is_head: bool = False
    may_be_5xx: bool = False


class Requests:
    """Makes hostile requests of all kinds that are sent over HTTP.

    Args:
        seed: of the random numbers.
        hosts: the value of the header Host for each port.
        token: the token that the server wants.
    """

    def __init__(self, seed: int, hosts: dict[str, str], token: str) -> None:
        self._random = random.Random(seed)
        self._hostility = Hostility(seed)
        self._hosts = hosts
        self._token = token

    def make(self, count: int) -> list[RawRequest]:
        """Make so many requests, each kind as often as its weight says."""
        makers, weights = zip(*self._kinds(), strict=True)
        return [maker() for maker in self._random.choices(makers, weights, k=count)]

    def _kinds(self) -> list[tuple[Callable[[], RawRequest], float]]:
        # What costs the server much is rare here: whoever sends only such requests gets his turn, and not more.
        return [
            (self._malformed, 35),
            (self._without_token, 25),
            (self._foreign_page, 15),
            (self._rebound, 10),
            (self._no_http, 10),
            (self._huge_values, 5),
            (self._guess, 0.1),
            (self._bomb, 0.05),
            (self._many_frames, 0.05),
            (self._costly_query, 0.05),
        ]

    def _raw(
        self, kind: str, request: HostileRequest, *, token: str | None = None, may_be_5xx: bool = False
    ) -> RawRequest:
        headers = {"Host": self._hosts[request.port], **request.headers}
        brought = self._token if token is None else token
        if brought:
            headers["Authorization"] = f"Bearer {brought}"
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        is_head = request.method == "HEAD"
        return RawRequest(kind, request.port, head + (request.body or b""), is_head=is_head, may_be_5xx=may_be_5xx)

    def _malformed(self) -> RawRequest:
        return self._raw("malformed", self._hostility.request(), may_be_5xx=True)

    def _without_token(self) -> RawRequest:
        body = self._random.randbytes(self._random.choice((0, 100, 4_000)))
        port, path = self._random.choice((("otlp-http", EXPORT), ("pyroscope", PUSH), ("pyroscope", INGEST)))
        return self._raw("no token", HostileRequest(port, "POST", path, body), token="")

    def _guess(self) -> RawRequest:
        guess = self._random.randbytes(12).hex()
        return self._raw("guessed token", HostileRequest("tempo", "GET", f"{SEARCH}%7B%7D"), token=guess)

    def _foreign_page(self) -> RawRequest:
        site = {"Origin": "http://pages.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
        port, path = self._random.choice((("otlp-http", EXPORT), ("pyroscope", PUSH), ("tempo", f"{SEARCH}%7B%7D")))
        return self._raw("foreign page", HostileRequest(port, "POST", path, b"{}", site))

    def _rebound(self) -> RawRequest:
        host = {"Host": self._random.choice(("pages.example", "pages.example:3200", "127.0.0.1.pages.example"))}
        return self._raw("rebound name", HostileRequest("tempo", "GET", f"{SEARCH}%7B%7D", None, host), token="")

    def _no_http(self) -> RawRequest:
        port = self._random.choice(list(self._hosts))
        return RawRequest("no HTTP", port, self._random.choice(NO_HTTP) + b"\r\n\r\n", is_http=False)

    def _bomb(self) -> RawRequest:
        body, kind = self._random.choice(((BOMB, OTLP), (EMPTY_SPANS, OTLP), (DEEP, OTLP), (DEEP_JSON, JSON)))
        headers = {"Content-Type": kind} | (GZIP if body in {BOMB, EMPTY_SPANS} else {})
        return self._raw("bomb", HostileRequest("otlp-http", "POST", EXPORT, body, headers))

    def _many_frames(self) -> RawRequest:
        return self._raw("inlined frames", HostileRequest("pyroscope", "POST", INGEST, INLINED))

    def _huge_values(self) -> RawRequest:
        value = self._random.choice((2**63 - 1, 2**62, -(2**63)))
        sample = {"stack": ["leaf", "main"], "values": [value]}
        profile = {"t": -5, "types": [["cpu", "nanoseconds"]], "samples": [sample, sample]}
        labels = {"__name__": "process_cpu", "service_name": "huge"}
        body = push([{"labels": labels, "profiles": [profile]}], NOW_S)
        return self._raw("huge values", HostileRequest("pyroscope", "POST", PUSH, body, {"Content-Type": PROTOBUF}))

    def _costly_query(self) -> RawRequest:
        query = self._random.choice(COSTLY)
        return self._raw("costly query", HostileRequest("tempo", "GET", SEARCH + quote(query)), may_be_5xx=True)


@dataclass(frozen=True)
class Call:
    """A call over gRPC.

    Attributes:
        kind: the kind it is of.
        method: the path of its method.
        body: the bytes of its message.
        metadata: its headers.
        is_query: whether it asks for a stream of answers, on Tempo's HTTP port, and not on that for exports.
    """

    kind: str
    method: str
    body: bytes
    metadata: tuple[tuple[str, str], ...] = ()
    is_query: bool = False


def grpc_requests(seed: int, token: str, count: int) -> list[Call]:
    """Make so many hostile calls of all kinds."""
    chosen = random.Random(seed)
    allowed = (("authorization", f"Bearer {token}"),)
    hostility = Hostility(seed)
    made = []
    for _ in range(count):
        roll = chosen.random()
        if roll < 0.1:
            made.append(_query(chosen, allowed))
        elif roll < 0.4:
            made.append(Call("gRPC without a token", GRPC_EXPORT, chosen.choice((b"", EMPTY_SPANS_PLAIN, DEEP))))
        elif roll < 0.401:
            guess = (("authorization", f"Bearer {chosen.randbytes(12).hex()}"),)
            made.append(Call("gRPC with a guess", GRPC_EXPORT, b"", guess))
        elif roll < 0.6:
            method = chosen.choice(("/no.Service/Method", GRPC_EXPORT + "s", "/"))
            made.append(Call("gRPC of no service", method, b"", allowed))
        elif roll < 0.601:
            made.append(Call("gRPC bomb", GRPC_EXPORT, chosen.choice((EMPTY_SPANS_PLAIN, DEEP)), allowed))
        else:
            made.append(Call("malformed gRPC", GRPC_EXPORT, hostility.export().body or b"", allowed))
    return made


def _query(chosen: random.Random, allowed: tuple[tuple[str, str], ...]) -> Call:
    """Make a hostile query that asks for a stream of answers."""
    roll = chosen.random()
    if roll < 0.5:
        return Call("stream without a token", SEARCH_STREAM, _search("{}"), is_query=True)
    if roll < 0.51:
        return Call("costly stream", SEARCH_STREAM, _search(chosen.choice(COSTLY)), allowed, is_query=True)
    body = chosen.choice((chosen.randbytes(chosen.randrange(60)), _search("{" * chosen.randrange(1, 60)), DEEP))
    return Call("malformed stream", chosen.choice((SEARCH_STREAM, METRICS_STREAM)), body, allowed, is_query=True)


def _search(query: str) -> bytes:
    return SearchRequest(Query=query).SerializeToString()


SEARCH_STREAM, METRICS_STREAM = "/tempopb.StreamingQuerier/Search", "/tempopb.StreamingQuerier/MetricsQueryRange"
GRPC_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET",
    b"GET / HTTP/9.9",
    b"GET /\x00 HTTP/1.1\r\nHost: x",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: -5",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    b"PRI * HTTP/2.0\r\n\r\nSM",
)
BOMB = gzip.compress(bytes(100 * MEBIBYTE), 9)
# Resource spans of one scope of empty spans: two bytes a span.
EMPTY_SPANS_PLAIN = b"\x0a\x84\x80\x40\x12\x80\x80\x40" + b"\x12\x00" * (MEBIBYTE // 2)
EMPTY_SPANS = gzip.compress(b"\x0a\x85\x80\x80\x04\x12\x80\x80\x80\x04" + b"\x12\x00" * (4 * MEBIBYTE), 9)
DEEP = b"\x0a\xff\xff\x03" * 2_000
DEEP_JSON = b"[" * 10_000
# One location of a million inlined lines.
INLINED = gzip.compress(
    pprof({"t": -5, "types": [["cpu", "nanoseconds"]], "samples": [{"stack": ["a"], "values": [1]}]}, NOW_S)
    + b"\x22\x82\x89\x7a\x08\x09"
    + b"\x22\x00" * 1_000_000,
    9,
)
COSTLY = (
    " &>> ".join(["{}"] * 60),
    " || ".join([f"{{ span.a{number} = 1 }}" for number in range(4_000)]),
    "{ " + " && ".join(["span.a =~ `(a*)*b`"] * 500) + " }",
    "{}" + " | select(span.a)" * 2_000,
)
