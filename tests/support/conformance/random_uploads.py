"""Uploads of profiles nobody has seen before, from a seed: texts, pprof, forms, JFR and OTLP, whole and spoiled."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.embedded.jfr_writer import SPAN, JfrChunk
from tests.support.embedded.otlp_profiles import attribute, cpu_export, the_profile
from tests.support.pprof_writer import pprof

NAMES = ("main", "work", "leaf", "a b", "x.y", " ", "é", "other", "1", "total")
TAGS = (
    "a=v",
    "region=eu",
    "host.name=h1",
    "b-c=v",
    "__x=v",
    "__session_id__=5",
    "service_name=",
    "=v",
    "a",
    " sp = w ",
)
ENDS = ("", "", "", ".cpu", ".wall", ".alloc_objects", ".goroutines", ".nothing", ".", "/x")
SPIES = ("", "gospy", "rbspy", "pyspy", "dotnetspy", "javaspy")
TYPES = (
    [["cpu", "nanoseconds"]],
    [["samples", "count"], ["cpu", "nanoseconds"]],
    [["alloc_objects", "count"], ["alloc_space", "bytes"]],
    [["contentions", "count"], ["delay", "nanoseconds"]],
    [["inuse-space", "bytes"]],
)
CONFIGURATIONS = (b"{}", b"null", b"[]", b"{", b'{"cpu":{"display-name":"block_count"}}', b'{"cpu":{"units":3}}')
JAVA_EVENTS = ("jdk.ObjectAllocationInNewTLAB", "jdk.ObjectAllocationSample", "jdk.JavaMonitorEnter", "jdk.ThreadPark")


@dataclass(frozen=True)
class Upload:
    """A request that uploads profiles of one service.

    Attributes:
        service: the beginning of its name.
    """

    service: str
    path: str
    headers: dict[str, str]
    body: bytes


class RandomUploads:
    """Makes uploads.

    Args:
        seed: of the random numbers.
        now_s: the present, s since the epoch.
    """

    def __init__(self, seed: int, now_s: int) -> None:
        self._random = random.Random(seed)
        self._now_s = now_s
        self._made = 0

    def upload(self) -> Upload:
        """The next upload."""
        self._made += 1
        service = f"random-{self._now_s}-{self._made}-"
        kind = self._random.choice(("text", "lines", "pprof", "form", "form", "jfr", "jfr", "otlp", "otlp"))
        if kind == "otlp":
            return self._export(service)
        headers = {"Content-Type": "application/octet-stream"}
        query = {"format": {"text": "", "form": ""}.get(kind, kind)}
        if kind in {"text", "lines"}:
            body = self._text(with_values=kind == "text")
        elif kind == "pprof":
            body = self._pprof()
        elif kind == "form":
            part = self._random.choice(("profile", "profile", "profile", "prev_profile", "other"))
            files = {part: self._pprof()}
            if self._random.random() < 0.4:
                files["sample_type_config"] = self._random.choice(CONFIGURATIONS)
            headers, body = self._form(files)
        else:
            headers, body = self._form({"jfr": self._packed(self._spoiled(self._java()))})
        query |= self._told(service)
        return Upload(service, f"/ingest?{urlencode(query)}", headers, body)

    def _told(self, service: str) -> dict[str, str]:
        chosen = self._random
        tags = "{" + ",".join(chosen.sample(TAGS, chosen.randrange(3))) + "}"
        start_s = self._now_s + chosen.choice((-60, -60, -60, -7_200, 3_600))
        told = {"name": service + chosen.choice(ENDS) + chosen.choice(("", tags)), "spyName": chosen.choice(SPIES)}
        told["from"] = str(start_s * chosen.choice((1, 1_000, 10**9)))
        if chosen.random() < 0.3:
            told["sampleRate"] = chosen.choice(("0", "50", "x", "-1", "1000000000"))
        return told

    def _text(self, *, with_values: bool) -> bytes:
        chosen = self._random
        lines = []
        for _ in range(chosen.randrange(6)):
            stack = ";".join(chosen.choice(NAMES) for _ in range(chosen.randint(1, 5)))
            value = (
                chosen.choice(("7", "3", "12", "x", "1.5", "")) if chosen.random() < 0.2 else str(chosen.randint(1, 50))
            )
            lines.append(f"{stack} {value}" if with_values else stack)
        return chosen.choice(("\n", "\r\n")).join(lines).encode()

    def _pprof(self) -> bytes:
        chosen = self._random
        types = chosen.choice(TYPES)
        samples = [
            {
                "stack": [chosen.choice(("main", "leaf", "show", "f g")) for _ in range(chosen.randint(1, 4))],
                "values": [chosen.choice((1, 5, 10**6, 0, -2)) for _ in types],
                "labels": chosen.choice(({}, {"span_id": f"{SPAN:016x}"}, {"k": "v"}, {"span_id": "short"})),
            }
            for _ in range(chosen.randrange(4))
        ]
        offset_s = chosen.choice((-60, -60, -60, -7_200, None))
        return self._packed(pprof({"t": offset_s, "types": types, "samples": samples}, self._now_s))

    def _java(self) -> bytes:
        chosen = self._random
        chunk = JfrChunk().setting(chosen.choice(("itimer", "cpu", "wall", "")))
        for _ in range(chosen.randrange(8)):
            stack = chunk.stack(*(f"A.{chosen.choice('abc')}" for _ in range(chosen.randint(1, 4))))
            owner: dict[str, int] = chosen.choice(({}, {"spanId": SPAN}, {"spanId": 5, "traceIdLo": 7}))
            if chosen.random() < 0.6:
                chunk.cpu(stack, chosen.choice(("STATE_RUNNABLE", "STATE_SLEEPING")), **owner)
            else:
                sizes = {"tlabSize": 64, "weight": 8, "duration": 10}
                chunk.event(chosen.choice(JAVA_EVENTS), stackTrace=stack, **sizes)
        return chunk.write()

    def _export(self, service: str) -> Upload:
        chosen = self._random
        document = cpu_export(self._now_s, service)
        profile = the_profile(document)
        changes: tuple[dict[str, Any], ...] = (
            {}, {}, {"timeUnixNano": "0"}, {"timeUnixNano": "1"}, {"period": "5"}, {"sampleType": None},
            {"sampleType": {"typeStrindex": 7, "unitStrindex": 8}}, {"periodType": {"typeStrindex": 99}},
        )  # fmt: skip
        profile.update(chosen.choice(changes))
        for sample in profile["samples"]:
            more: tuple[dict[str, Any], ...] = (
                {},
                {},
                {"linkIndex": 1},
                {"linkIndex": 9},
                {"values": ["-1"]},
                {"values": []},
                {"stackIndex": 0},
            )
            sample.update(chosen.choice(more))
        resource = document["resourceProfiles"][0]["resource"]
        extra = (attribute("region", intValue="5"), attribute("", stringValue="x"), attribute("service_name"))
        resource["attributes"] += chosen.sample(extra, chosen.choice((0, 0, 0, 1)))
        headers = {"Content-Type": "application/json"}
        return Upload(service, "/v1development/profiles", headers, json.dumps(document).encode())

    def _packed(self, data: bytes) -> bytes:
        return gzip.compress(data) if self._random.random() < 0.5 else data

    def _spoiled(self, data: bytes) -> bytes:
        roll = self._random.random()
        if roll < 0.1:
            return data[: self._random.randrange(len(data))]
        if roll < 0.2:
            place = self._random.randrange(len(data))
            return data[:place] + self._random.randbytes(1) + data[place + 1 :]
        return data

    def _form(self, files: dict[str, bytes]) -> tuple[dict[str, str], bytes]:
        chosen = self._random
        newline = chosen.choice((b"\r\n", b"\r\n", b"\r\n", b"\n"))
        file_name = chosen.choice((b'; filename="f"', b'; filename="f"', b"; filename=f", b'; filename=""', b""))
        body = chosen.choice((b"", b"", b"said before\r\n"))
        for name, content in files.items():
            head = b'Content-Disposition: form-data; name="' + name.encode() + b'"' + file_name
            body += newline.join((b"--edge", head, b"", content)) + newline
        body += chosen.choice((b"--edge--\r\n", b"--edge--\r\n", b"--edge--", b"--edge", b""))
        kind = chosen.choice(("multipart/form-data; boundary=edge", 'multipart/form-data; boundary="edge"'))
        return {"Content-Type": kind}, body
