"""Malformed requests, made from well-formed ones by chance, from a seed and the time of day."""

from __future__ import annotations

import gzip
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import ExportProfilesServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.conformance.random_queries import ProfileQueries, TraceQL
from tests.support.embedded.jfr_writer import JfrChunk
from tests.support.embedded.otlp_profiles import cpu_export
from tests.support.pprof_writer import pprof, push

NOW_S = int(time.time())
JSON, PROTOBUF, OTLP = "application/json", "application/proto", "application/x-protobuf"
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD")
TYPES = (JSON, PROTOBUF, OTLP, "text/plain", "", "multipart/form-data; boundary=x", "multipart/form-data", "a/b;;=;")
ENCODINGS = ("gzip", "identity", "br", "GZIP", "deflate", "gzip, gzip")
PATHS = (
    "/",
    "/api/search",
    "/api/traces/%ff",
    "/api/traces/zz",
    "/api/v2/traces/" + "f" * 33,
    "/api/v2/search/tag//values",
    "/api/v2/search/tag/%00/values",
    "/api/search/tag/a%2Fb%2e%2e/values",
    "/v1/traces/",
    "/ingest",
    "/pyroscope/render",
    "/querier.v1.QuerierService/Nothing",
    "//api//search",
    "/api/../../etc/passwd",
    "/%2e%2e/%2e%2e",
)
SCRAPS = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"NaN",
    b"1e999",
    b"-9223372036854775809",
    b"null",
    b"{}",
    b"[",
    b'"',
    b"\\ud800",
)
NUMBERS = (
    "0",
    "-1",
    "1.5",
    "nan",
    "inf",
    "18446744073709551616",
    "9" * 400,
    "",
    "0x10",
    "\u0661",
    "1e9",
    "now-99999999y",
)


@dataclass(frozen=True)
class HostileRequest:
    """A request, and the trace that it would store if it were taken."""

    port: str
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    trace: str = ""


class Hostility:
    """Makes malformed requests.

    Args:
        seed: of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._traceql = TraceQL(seed)
        self._profiles = ProfileQueries(seed, NOW_S * 1000)
        self._made = 0
        sample = {"stack": ["leaf", "main"], "values": [5], "labels": {"span_id": "a1" * 8, "span_name": "x"}}
        self._profile = {"t": -5, "types": [["cpu", "nanoseconds"]], "samples": [sample, sample]}

    def request(self) -> HostileRequest:
        """The next request."""
        self._made += 1
        makers = (
            self.export,
            self.export,
            self._json_export,
            self._push,
            self._ingest,
            self._java_upload,
            self._profile_export,
            self._call,
            self._call,
            self._search,
            self._search,
            self._parameters,
            self._anything,
        )
        return self._random.choice(makers)()

    def _spoiled(self, data: bytes) -> bytes:
        """Bytes with some of them cut off, turned over, doubled or replaced."""
        chosen = self._random
        out = bytearray(data)
        for _ in range(chosen.choice((1, 1, 2, 5))):
            at = chosen.randrange(len(out) + 1)
            roll = chosen.random()
            if roll < 0.25:
                del out[at:]
            elif roll < 0.55 and at < len(out):
                out[at] ^= 1 << chosen.randrange(8)
            elif roll < 0.7:
                out[at:at] = chosen.choice(SCRAPS)
            elif roll < 0.85:
                out[at:at] = chosen.randbytes(chosen.randrange(1, 20))
            else:
                out[at:at] = out[at : at + chosen.randrange(1, 40)]
        return bytes(out)

    def _packed(self, body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """The body, now and then compressed, with the compression spoiled, or not what the headers say."""
        roll = self._random.random()
        if roll < 0.1:
            return gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
        if roll < 0.15:
            return self._spoiled(gzip.compress(body, 1)), headers | {"Content-Encoding": "gzip"}
        if roll < 0.2:
            return body, headers | {"Content-Encoding": self._random.choice(ENCODINGS)}
        return body, headers

    def _spans(self) -> tuple[str, dict[str, Any]]:
        trace = self._random.randbytes(16).hex()  # so far from each other that no turned bit makes one of another
        span = {
            "traceId": trace,
            "spanId": f"{self._made:016x}",
            "name": "work",
            "startTimeUnixNano": str(NOW_S * 10**9),
            "endTimeUnixNano": str(NOW_S * 10**9 + 5),
            "attributes": [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}],
        }
        return trace, {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}

    def export(self) -> HostileRequest:
        """A malformed export."""
        trace, document = self._spans()
        span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        message = ExportTraceServiceRequest()
        added = (
            message.resource_spans.add()
            .scope_spans.add()
            .spans.add(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(span["spanId"]), name="work")
        )
        added.start_time_unix_nano = self._random.choice((NOW_S * 10**9, 0, 2**64 - 1))
        added.attributes.add(key="a").value.double_value = self._random.choice((0.5, float("nan"), float("inf")))
        body, headers = self._packed(self._spoiled(message.SerializeToString()), {"Content-Type": OTLP})
        return HostileRequest("otlp-http", "POST", "/v1/traces", body, headers, trace)

    def _json_export(self) -> HostileRequest:
        trace, document = self._spans()
        text = json.dumps(document).encode()
        roll = self._random.random()
        if roll < 0.05:
            text = b'{"resourceSpans":' * 3_000
        elif roll < 0.1:
            text = text.replace(b'{"intValue": "1"}', b'{"arrayValue":{"values":[' * 400)
        elif roll < 0.25:
            text = text.replace(b'"work"', self._random.choice((b"5", b"null", b"[]", b"{}", b"true", b"NaN")))
        elif roll < 0.4:
            text = text.replace(str(NOW_S * 10**9).encode(), self._random.choice(NUMBERS).encode())
        body, headers = self._packed(self._spoiled(text), {"Content-Type": JSON})
        return HostileRequest("otlp-http", "POST", "/v1/traces", body, headers, trace)

    def _series(self) -> bytes:
        labels = {"__name__": "process_cpu", "service_name": "shop"}
        return push([{"labels": labels, "profiles": [self._profile]}], NOW_S)

    def _push(self) -> HostileRequest:
        body, headers = self._packed(self._spoiled(self._series()), {"Content-Type": PROTOBUF})
        return HostileRequest("pyroscope", "POST", "/push.v1.PusherService/Push", body, headers)

    def _ingest(self) -> HostileRequest:
        name = self._random.choice(("app", "app{a=b}", "app{", "{}", "", "app{a}", "\x00", "a" * 5_000))
        query = urlencode({"name": name, "format": self._random.choice(("pprof", "jfr", "", "lines", "tree")),
                           "from": self._random.choice(NUMBERS), "until": self._random.choice(NUMBERS)})  # fmt: skip
        body = self._spoiled(pprof(self._profile, NOW_S))
        headers = {"Content-Type": self._random.choice(TYPES)}
        if self._random.random() < 0.3:
            body = (
                b'--x\r\nContent-Disposition: form-data; name="profile"; filename="p"\r\n\r\n' + body + b"\r\n--x--\r\n"
            )
            body = self._spoiled(body)
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return HostileRequest("pyroscope", "POST", f"/ingest?{query}", body, headers)

    def _java_upload(self) -> HostileRequest:
        """A spoiled upload of Java's agent: the file inside, or the form around it."""
        chunk = JfrChunk().setting("wall")
        for state in ("STATE_RUNNABLE", "STATE_SLEEPING"):
            chunk.cpu(chunk.stack("A.a", "B.b"), state, spanId=5, spanName=1)
        file = self._spoiled(chunk.write()) if self._random.random() < 0.7 else chunk.write() * 2
        packed = gzip.compress(file, 1) if self._random.random() < 0.8 else file
        part = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
        body = part % (b"jfr", packed) + part % (b"labels", self._spoiled(b"\x12\x06\x08\x01\x12\x02GE")) + b"--x--\r\n"
        if self._random.random() < 0.3:
            body = self._spoiled(body)
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return HostileRequest("pyroscope", "POST", "/ingest?name=app&format=jfr", body, headers)

    def _profile_export(self) -> HostileRequest:
        """A spoiled export of profiles over OTLP, in JSON or protobuf."""
        document = cpu_export(NOW_S)
        if self._random.random() < 0.5:
            message = json_format.ParseDict(document, ExportProfilesServiceRequest())
            body, headers = self._packed(self._spoiled(message.SerializeToString()), {"Content-Type": OTLP})
        else:
            text = json.dumps(document)
            old, new = self._random.choice(("1", "2", '"7"')), self._random.choice(("-1", "99", "null", "[]", '"x"'))
            body, headers = self._packed(text.replace(old, new, 3).encode(), {"Content-Type": JSON})
        return HostileRequest("pyroscope", "POST", "/v1development/profiles", body, headers)

    def _call(self) -> HostileRequest:
        method, call = self._profiles.call()
        key = self._random.choice(list(call))
        wrong: tuple[Any, ...] = (
            None,
            "",
            "x",
            -1,
            2**63,
            1e300,
            [],
            {},
            [[]],
            True,
            "9" * 30,
            "{",
            '{a=~"("}',
            "{\u0000}",
            ["zz"],
        )
        document = call | {key: self._random.choice(wrong)}
        text = json.dumps(document).encode()
        if self._random.random() < 0.5:
            text = self._spoiled(text)
        body, headers = self._packed(text, {"Content-Type": self._random.choice((JSON, JSON, JSON, PROTOBUF, ""))})
        return HostileRequest("pyroscope", "POST", f"/querier.v1.QuerierService/{method}", body, headers)

    def _search(self) -> HostileRequest:
        query = self._spoiled(self._traceql.query().encode())
        path = self._random.choice(("/api/search", "/api/search", "/api/v2/search/tags"))
        return HostileRequest("tempo", "GET", f"{path}?q={quote(query)}")

    def _parameters(self) -> HostileRequest:
        names = ("q", "tags", "start", "end", "limit", "spss", "minDuration", "maxDuration", "scope", "query", "from")
        values = (*NUMBERS, "{}", "a=b", 'a="', "1h", "none", "\ud7ff", "a=b a=c", "process_cpu:cpu")
        parameters = {name: self._random.choice(values) for name in self._random.sample(names, 4)}
        port, path = self._random.choice(
            (("tempo", "/api/search"), ("tempo", "/api/v2/search/tag/span.a/values"), ("tempo", "/api/search/tags"),
             ("pyroscope", "/pyroscope/render"), ("pyroscope", "/pyroscope/label-values"))
        )  # fmt: skip
        return HostileRequest(port, "GET", f"{path}?{urlencode(parameters)}")

    def _anything(self) -> HostileRequest:
        path = self._random.choice(PATHS) + self._random.choice(
            ("", "?", "?q=%", "?" + "a" * 3_000, "?q=%ff%fe", "?=&&=")
        )
        method = self._random.choice(METHODS)
        body = self._random.randbytes(self._random.randrange(60)) if method in {"POST", "PUT"} else None
        headers = {
            "Content-Type": self._random.choice(TYPES),
            "Accept": self._random.choice(("*/*", "application/protobuf", "x" * 500)),
            "X-Scope-OrgID": self._random.choice(("", "a|b", "\u00ff")),
        }
        return HostileRequest(self._random.choice(("tempo", "otlp-http", "pyroscope")), method, path, body, headers)
