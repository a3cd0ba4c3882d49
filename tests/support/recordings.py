"""The recorded exchanges with real servers, and what their answers must mean, worked out from what was sent to them.

Nothing here uses the clients under test: the pushes say which samples and spans there are, arithmetic says the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: The moment all recorded times are relative to, s since the epoch.
MOMENT_S = 1_700_000_000

_FOLDER = Path(__file__).parents[1] / "conformance" / "recordings"
_UNITS = {"s": 1, "ms": 10**3, "ns": 10**9}
_MARK = re.compile(r"\{\{(s|ms|ns):(-?[0-9.]+)\}\}")
_MATCHER = re.compile(r'("?)([\w.]+)\1(=~|!~|!=|=)"((?:\\.|[^"\\])*)"')
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Exchange:
    """One request and the answer of the real server to it."""

    name: str
    phase: str
    method: str
    path: str
    status: int
    answer: str
    body: Any = None

    @property
    def call(self) -> str:
        """The last part of the path: the method of the Connect protocol."""
        return urlsplit(self.path).path.rpartition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def request(self) -> dict[str, Any]:
        """The JSON that was sent, times as numbers."""
        sent: dict[str, Any] = dict(self.body["json"])
        return sent | {name: int(sent[name]) for name in ("start", "end") if name in sent}

    @property
    def json(self) -> Any:
        return json.loads(self.answer)


def fill(text: str) -> str:
    """Put times in place of the marks."""
    return _MARK.sub(lambda mark: str(int((MOMENT_S + Decimal(mark[2])) * _UNITS[mark[1]])), text)


def exchanges(*names: str) -> list[Exchange]:
    """All exchanges of these recordings, times filled in."""
    found = []
    for name in names:
        for line in (_FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            # pushes keep their marks: their times are offsets already
            recorded = json.loads(line if '"phase": "ingest"' in line and name != "tempo" else fill(line))
            fields = ("name", "phase", "method", "path", "status", "answer", "body")
            found.append(Exchange(**{key: recorded[key] for key in fields if key in recorded}))
    return found


@dataclass(frozen=True)
class Sample:
    """One sample that Pyroscope took."""

    profile_type: str
    labels: Mapping[str, str]
    path: tuple[str, ...]
    value: int
    time_ms: int
    span_id: str = ""
    trace_id: str = ""


@cache
def samples() -> list[Sample]:
    """Everything Pyroscope took, as its documentation says that it is stored."""
    taken = [exchange for exchange in exchanges("pyroscope") if exchange.phase == "ingest" and exchange.status == 200]
    found: list[Sample] = []
    for exchange in taken:
        body = exchange.body
        if "pprof" in body:  # /ingest?name=app{label=value}
            name, _, labels = exchange.query["name"].partition("{")
            pairs = dict(pair.split("=") for pair in labels.rstrip("}").split(","))
            found += _samples({"__name__": "process_cpu", "service_name": name, **pairs}, body["pprof"])
        for series in body.get("push") or body.get("push_json") or ():
            for profile in series["profiles"]:
                found += _samples({"service_name": "unknown_service", **series["labels"]}, profile)
    return found


def _samples(labels: Mapping[str, str], profile: Mapping[str, Any]) -> Iterator[Sample]:
    period = ":".join(profile.get("period", ["cpu", "nanoseconds"])[:2])
    time_ms = round((MOMENT_S + (profile["t"] or 0)) * 1000)
    for sample in profile["samples"]:
        pairs = sample.get("labels", {})
        own = dict(pairs)  # of two labels of one name the last counts
        if "profile_id" in own:
            own["span_id"] = own.pop("profile_id")
        span_id, trace_id = own.pop("span_id", ""), own.pop("trace_id", "")
        for (kind, unit), value in zip(profile["types"], sample["values"], strict=True):
            yield Sample(
                f"{labels['__name__']}:{kind}:{unit}:{period}",
                {**labels, **own},
                tuple(reversed(sample["stack"])),
                value,
                time_ms,
                span_id if _SPAN_ID.fullmatch(span_id) else "",
                trace_id,
            )


def matching(selector: str, found: list[Sample]) -> list[Sample]:
    """The samples whose series a label selector matches; an absent label equals an empty one."""
    for _, name, operator, value in _MATCHER.findall(selector):
        pattern = re.compile(value if "~" in operator else re.escape(value))
        wanted = not operator.startswith("!")
        found = [sample for sample in found if bool(pattern.fullmatch(sample.labels.get(name, ""))) == wanted]
    return found


def selected(request: Mapping[str, Any]) -> list[Sample]:
    """The samples that a query of Pyroscope asks for."""
    found = samples()
    for selector in (request.get("labelSelector", "{}"), *request.get("matchers", ())):
        found = matching(selector, found)
    if "profileTypeID" in request:
        found = [sample for sample in found if sample.profile_type == request["profileTypeID"]]
    if request.get("start"):
        found = [sample for sample in found if request["start"] <= sample.time_ms <= request["end"]]
    spans = {span_id.lower() for span_id in request.get("spanSelector", ())}
    traces = set(request.get("traceIdSelector", ()))
    return [
        sample
        for sample in found
        if (not spans or sample.span_id in spans) and (not traces or sample.trace_id in traces)
    ]


def merged(request: Mapping[str, Any]) -> dict[tuple[str, ...], int]:
    """The call paths of the samples that a query asks for, outermost function first."""
    paths: dict[tuple[str, ...], int] = {}
    for sample in selected(request):
        paths[sample.path] = paths.get(sample.path, 0) + sample.value
    return paths


@dataclass(frozen=True)
class PushedSpan:
    """One span that Tempo took."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    attributes: Mapping[str, Any] = field(hash=False)
    resource: Mapping[str, Any] = field(hash=False)
    events: tuple[tuple[str, int, Mapping[str, Any]], ...] = field(default=(), hash=False)


def pushed_spans() -> dict[str, PushedSpan]:
    """Every span Tempo took, by its ID."""
    found = {}
    for exchange in exchanges("tempo"):
        if exchange.phase != "ingest" or exchange.status != 200:
            continue
        for group in exchange.body["otlp"]["resourceSpans"]:
            resource = attributes(group.get("resource", {}))
            for span in (span for scope in group["scopeSpans"] for span in scope["spans"]):
                status = span.get("status", {})
                found[span["spanId"]] = PushedSpan(
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId"),
                    span["name"],
                    span.get("kind", 0),
                    int(span["startTimeUnixNano"]),
                    int(span["endTimeUnixNano"]),
                    status.get("code", 0),
                    status.get("message", ""),
                    attributes(span),
                    resource,
                    tuple(
                        (event["name"], int(event["timeUnixNano"]), attributes(event))
                        for event in span.get("events", [])
                    ),
                )
    return found


def attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """OTLP/JSON attributes as plain values."""
    return {pair["key"]: _plain(pair["value"]) for pair in holder.get("attributes", [])}


def _plain(value: Mapping[str, Any]) -> Any:
    (kind, content), *_ = value.items()
    if kind == "arrayValue":
        return [_plain(value) for value in content["values"]]
    return int(content) if kind == "intValue" else content
