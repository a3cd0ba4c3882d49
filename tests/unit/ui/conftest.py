"""The page on a real embedded pair, and telemetry to look at in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from spanprofiles.doctor import diagnosis
from spanprofiles.model import Endpoints, new_span_id, new_trace_id
from spanprofiles.ui import create_app, scatter
from spanprofiles.ui.views import trace_list
from tests.unit.conftest import Stacks, otlp_span, push_samples, push_spans, resource_spans
from tests.unit.pair_in_process import pair_in_process

MS = 1_000_000


@dataclass(frozen=True)
class StoredRide:
    """A request that the pair has: its IDs and its service."""

    trace_id: str
    span_id: str
    service: str
    start_ns: int

    @property
    def address(self) -> str:
        return f"/trace/{self.trace_id}/span/{self.span_id}"


StoreRide = Callable[..., StoredRide]


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


class CompiledOnce(BytecodeCache):
    """Templates as they were compiled for the first app that showed them."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """Let the apps of these tests share their templates: to compile those takes longer than most of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": CompiledOnce()})
        yield


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page take its time: these tests are about what it says, not about how soon."""
    monkeypatch.setattr(diagnosis, "_BUDGET_S", 30.0)
    monkeypatch.setattr(trace_list, "_CPU_TIMEOUT_S", 30.0)
    monkeypatch.setattr(scatter, "_CPU_TIMEOUT_S", 30.0)


@pytest.fixture(scope="module")
def embedded_pair(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A pair for each file: pages look at all that is there, and take the longer the more it is."""
    with pair_in_process(empty_store, tmp_path_factory.mktemp("pair") / "data") as endpoints:
        yield endpoints


@pytest.fixture
def store_ride(embedded_pair: Endpoints) -> StoreRide:
    """Give a function that stores one request: a server span with a child, and samples where stacks are given."""

    def store(
        service: str = "shop",
        stacks: Stacks | None = None,
        *,
        name: str = "GET /bike",
        route: str = "/bike",
        region: str = "",
        seconds_ago: float = 60,
        milliseconds: int = 100,
        with_profile_id: bool = True,
        failed: str = "",
        events: Sequence[Mapping[str, Any]] = (),
        attributes: Mapping[str, str] | None = None,
        http_status: int = 0,
        http_status_attribute: str = "http.response.status_code",
        forwarded_and_failed: bool = False,
    ) -> StoredRide:
        trace_id, span_id = new_trace_id(), new_span_id()
        start_ns = time.time_ns() - round(seconds_ago * 1e9)
        end_ns = start_ns + milliseconds * MS
        profile_id = span_id if with_profile_id else None
        root = otlp_span(trace_id, span_id, name, profile_id=profile_id, start_ns=start_ns, end_ns=end_ns)
        root["attributes"] += [attribute("http.route", route), attribute("http.request.method", "GET")]
        root["attributes"] += [attribute(key, value) for key, value in (attributes or {}).items()]
        if http_status:
            root["attributes"].append({"key": http_status_attribute, "value": {"intValue": str(http_status)}})
        root["events"] = [{"timeUnixNano": str(start_ns + MS), **event} for event in events]
        if failed:
            root["status"] = {"code": 2, "message": failed}
        child = otlp_span(
            trace_id, new_span_id(), "find", parent_id=span_id, kind=1, start_ns=start_ns + MS, end_ns=end_ns - MS
        )
        group = resource_spans(service, root, child)
        if forwarded_and_failed:
            far = otlp_span(
                trace_id, new_span_id(), "POST /pay", parent_id=child["spanId"], start_ns=start_ns, end_ns=end_ns
            )
            group["scopeSpans"][0]["spans"].append({**far, "status": {"code": 2}})
        if region:
            group["resource"]["attributes"].append(attribute("region", region))
        push_spans(embedded_pair, group)
        if stacks:
            samples = [(path, value, {"span_id": span_id}) for path, value in stacks.items()]
            push_samples(embedded_pair, service, samples, start_ns)
        return StoredRide(trace_id, span_id, service, start_ns)

    return store


@pytest.fixture
def page(embedded_pair: Endpoints) -> FlaskClient:
    app = create_app(embedded_pair)
    app.testing = True
    return app.test_client()
