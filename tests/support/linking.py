"""Tempo and Pyroscope as a script: what they know changes from look to look and from moment to moment."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spanprofiles.model import CPU
from tests.support.clocks import Clock
from tests.unit.conftest import Answer, Seen, Stacks, flamebearer, otlp_span, resource_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"
OURS = "00f067aa0ba902b7"  # the span ID in the traceparent that was sent
ANSWERING, CALL, INNER = "a1a1a1a1a1a1a1a1", "a1a1a1a1a1a1a1a2", "b2b2b2b2b2b2b2b2"
SERVICE = "ride-sharing-app"
_MS = 1_000_000


def server_span(
    span_id: str = ANSWERING,
    parent_id: str = OURS,
    *,
    profile_id: str | None = "",
    ended_s_ago: float = 20.0,
    lasted_ms: int = 100,
    **fields: Any,
) -> dict[str, Any]:
    """A span with a remote parent; its profile ID is its own ID, unless another is given, or None for none.

    It ended long enough ago for all its samples to be there; give `ended_s_ago` for one whose samples may still come.
    """
    end_ns = time.time_ns() - int(ended_s_ago * 1e9)
    return otlp_span(
        TRACE,
        span_id,
        parent_id=parent_id,
        profile_id=span_id if profile_id == "" else profile_id,
        start_ns=end_ns - lasted_ms * _MS,
        end_ns=end_ns,
        **fields,
    )


@dataclass(frozen=True)
class Upload:
    """Samples of one span, which arrive ``after_s`` seconds after the scene was set."""

    stacks: Stacks
    profile_id: str = ANSWERING
    service: str = SERVICE
    after_s: float = 0.0
    ago_s: float = 20.0
    profile_type: str = CPU


@dataclass
class Scene:
    """What both servers know.

    Attributes:
        spans: groups of spans, and the number of looks at the trace before each arrives.
        uploads: samples.
        services: the services Tempo knows.
        languages: the languages of their SDKs, as far as spans tell them.
        broken: paths that answer 500.
        unlabelled: samples without a span.
        clock: the time of the scene, which begins at 0.
    """

    spans: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    broken: tuple[str, ...] = ()
    unlabelled: Stacks = field(default_factory=dict)
    trace_looks: int = 0
    profile_looks: int = 0
    clock: Clock = field(default_factory=Clock)

    def add(self, *spans: Mapping[str, Any], service: str = SERVICE, after_looks: int = 0) -> Scene:
        self.spans.append((after_looks, resource_spans(service, *spans)))
        return self

    def respond(self, seen: Seen) -> Answer:
        if any(part in seen.path for part in self.broken):
            return Answer("out of order", 500, "text/plain")
        if seen.path == f"/api/v2/traces/{TRACE}":
            self.trace_looks += 1
            groups = [group for looks, group in self.spans if self.trace_looks > looks]
            return Answer.of({"trace": {"resourceSpans": _as_tempo_writes(groups)} if groups else {}, "metrics": {}})
        if seen.path == "/api/v2/search/tag/resource.service.name/values":
            return Answer.of({"tagValues": [{"type": "string", "value": name} for name in self.services]})
        if seen.path == "/api/v2/search/tag/resource.telemetry.sdk.language/values":
            return Answer.of({"tagValues": [{"type": "string", "value": name} for name in self.languages]})
        if seen.path.endswith("/LabelValues"):
            names = sorted({upload.service for upload in self._arrived(seen.json)})
            return Answer.of({"names": names} if names else {})
        if seen.path.endswith("/Series"):
            return Answer.of({"labelsSet": self._types(seen.json)})
        if seen.path.endswith("/SelectMergeStacktraces"):
            assert seen.json["labelSelector"] == f'{{service_name="{SERVICE}", span_name=""}}'
            return Answer.of({"flamegraph": flamebearer(self.unlabelled)})
        assert seen.path.endswith("/SelectMergeSpanProfile")
        self.profile_looks += 1
        return self._samples(seen.json)

    def _types(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        (matcher,) = asked["matchers"]
        arrived = [upload for upload in self._arrived(asked) if matcher == f'{{service_name="{upload.service}"}}']
        found = sorted({upload.profile_type for upload in arrived})
        return [{"labels": [{"name": "__profile_type__", "value": name}]} for name in found]

    def _samples(self, asked: Mapping[str, Any]) -> Answer:
        stacks: dict[tuple[str, ...], int] = {}
        for upload in self._arrived(asked):
            if upload.profile_type != asked["profileTypeID"]:
                continue
            if asked["labelSelector"] in {"{}", f'{{service_name="{upload.service}"}}'}:
                for path, value in upload.stacks.items() if upload.profile_id in asked["spanSelector"] else ():
                    stacks[path] = stacks.get(path, 0) + value
        return Answer.of({"flamegraph": flamebearer(stacks)})

    def _arrived(self, asked: Mapping[str, Any]) -> list[Upload]:
        past_s = self.clock()
        now_ms = time.time() * 1000
        return [
            upload
            for upload in self.uploads
            if upload.after_s <= past_s and asked["start"] <= now_ms - upload.ago_s * 1000 <= asked["end"]
        ]


def _as_tempo_writes(groups: list[Mapping[str, Any]]) -> Any:
    copied = json.loads(json.dumps(groups))
    for group in copied:
        for span in group["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId", "parentSpanId"):
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return copied
