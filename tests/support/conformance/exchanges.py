"""Recorded exchanges: read from their files, and turned into requests of the present."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.support.pprof_writer import pprof, push

RECORDINGS = Path(__file__).parents[2] / "conformance" / "recordings"
TICKS = {"s": 1, "ms": 10**3, "ns": 10**9}
MARK = re.compile(r"\{\{(ns|ms|s):(-?\d+(?:\.\d+)?)\}\}")
EDGE = "edge"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
JSON_TYPE = {"Content-Type": "application/json"}


def in_the_present(text: str, now_s: int) -> str:
    """A text with its marks, such as `{{ms:-300}}`, replaced by times so many seconds from now."""

    def ticks(mark: re.Match[str]) -> str:
        return str(int((now_s + Fraction(mark[2])) * TICKS[mark[1]]))

    return MARK.sub(ticks, text)


@dataclass(frozen=True)
class Exchange:
    """A request and what a real server answered.

    Attributes:
        recording: the name of the file it is from.
        name: its name there.
        phase: `ingest` for what is sent first, in order, else `query`.
        port: which of the pair's ports it goes to: `tempo`, `otlp-http` or `pyroscope`.
        counted: whether only the number of traces is determined.
    """

    recording: str
    name: str
    phase: str
    port: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    status: int
    answer: str
    counted: bool

    @property
    def title(self) -> str:
        """A name that is its own among all recordings."""
        return f"{self.recording}: {self.name}"

    def request(self, now_s: int) -> tuple[str, bytes | None, dict[str, str]]:
        """(path, body, headers) of the request, sent now."""
        body, headers = (None, {}) if self.body is None else _encoded(self.body, now_s)
        return in_the_present(self.path, now_s), body, headers | dict(self.headers)


def _encoded(body: Any, now_s: int) -> tuple[bytes, dict[str, str]]:
    if isinstance(body, str):
        return in_the_present(body, now_s).encode(), {}
    encoding = body.get("encoding", "")
    ((kind, content),) = ((kind, content) for kind, content in body.items() if kind != "encoding")
    if kind in {"json", "otlp"}:
        data = in_the_present(json.dumps(content), now_s).encode()
        return (COMPRESS[encoding](data), JSON_TYPE | {"Content-Encoding": encoding}) if encoding else (data, JSON_TYPE)
    if kind == "b64":
        return base64.b64decode(content), {}
    if kind == "push":
        headers = {"Content-Type": "application/proto", "Content-Encoding": "gzip"}
        return gzip.compress(push(content, now_s)), headers
    if kind == "push_json":
        return json.dumps({"series": [_json_series(series, now_s) for series in content]}).encode(), dict(JSON_TYPE)
    if kind == "multipart":
        parts = {name: _encoded(part, now_s)[0] for name, part in content.items()}
        return _form(parts), {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
    assert kind == "pprof", f"a body of kind {kind}"
    return pprof(content, now_s), {"Content-Type": "application/octet-stream"}


def _form(parts: Mapping[str, bytes]) -> bytes:
    """A form whose parts are files."""
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n'
    files = [(head % (name, name)).encode() + content + b"\r\n" for name, content in parts.items()]
    return b"".join([*files, f"--{EDGE}--\r\n".encode()])


def _json_series(series: Mapping[str, Any], now_s: int) -> dict[str, Any]:
    return {
        "labels": [{"name": name, "value": value} for name, value in series["labels"].items()],
        "samples": [{"rawProfile": base64.b64encode(pprof(profile, now_s)).decode()} for profile in series["profiles"]],
    }


def read_recording(name: str) -> list[Exchange]:
    """The exchanges of one recording, in their order."""
    lines = (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    exchanges = []
    for line in filter(None, lines):
        recorded = json.loads(line)
        default_port = "tempo" if name.startswith("tempo") else "pyroscope"
        exchanges.append(
            Exchange(
                recording=name,
                name=recorded["name"],
                phase=recorded["phase"],
                port="otlp-http" if recorded.get("to") == "otlp" else default_port,
                method=recorded["method"],
                path=recorded["path"],
                headers=recorded.get("headers", {}),
                body=recorded.get("body"),
                status=recorded["status"],
                answer=recorded["answer"],
                counted=recorded.get("compare") == "count",
            )
        )
    return exchanges
