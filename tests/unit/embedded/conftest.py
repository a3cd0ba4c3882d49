"""A store, and the pair's applications on it, without a socket between."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from spanprofiles.embedded.otlp.http import OtlpHttp
from spanprofiles.embedded.otlp.receiver import Receiver
from spanprofiles.embedded.pyroscope.application import Pyroscope
from spanprofiles.embedded.refusals import Refusals
from spanprofiles.embedded.store.database import Database
from spanprofiles.embedded.tempo.application import Tempo

BODY_LIMIT = 1024 * 1024
NOW_NS = time.time_ns()


@pytest.fixture
def database(empty_store: Path, tmp_path: Path) -> Iterator[Database]:
    opened = Database(shutil.copytree(empty_store, tmp_path / "data"))
    yield opened
    opened.close()


@dataclass
class Applications:
    """The three applications, as clients that call them directly."""

    tempo: Client
    otlp: Client
    pyroscope: Client

    def export(self, *spans: dict[str, Any], resource: dict[str, Any] | None = None, scope: str = "tests") -> None:
        """Send spans of one resource; each must be taken."""
        document = {
            "resourceSpans": [
                {
                    "resource": {"attributes": attributes({"service.name": "shop"} if resource is None else resource)},
                    "scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}],
                }
            ]
        }
        response = self.otlp.post("/v1/traces", json=document)
        assert response.status_code == 200, response.text

    def search(self, query: str, **parameters: Any) -> dict[str, list[str]]:
        """The names of the spans found, by the first digits of their trace's ID."""
        response = self.tempo.get(
            "/api/search", query_string={"q": f"{query} | select(name)", "spss": 100, **parameters}
        )
        assert response.status_code == 200, response.text
        return {
            trace["traceID"].rjust(32, "0")[:2]: sorted(
                span["name"] for spanset in trace["spanSets"] for span in spanset["spans"]
            )
            for trace in response.get_json()["traces"]
        }

    def refused(self, query: str) -> str:
        """The message with which a query is refused."""
        response = self.tempo.get("/api/search", query_string={"q": query})
        assert response.status_code == 400, response.text
        return response.text

    def call(self, method: str, body: Mapping[str, Any] | None = None, expected: int = 200) -> Any:
        """A call of Pyroscope's querier, in JSON."""
        response = self.pyroscope.post(f"/querier.v1.QuerierService/{method}", json=body or {})
        assert response.status_code == expected, response.text
        return json.loads(response.data)


def applications_on(database: Database) -> Applications:
    """The applications on a store."""
    refusals = Refusals()
    return Applications(
        Client(Tempo(database, refusals)),
        Client(OtlpHttp(Receiver(database, refusals), BODY_LIMIT, refusals)),
        Client(Pyroscope(database, BODY_LIMIT, refusals)),
    )


@pytest.fixture
def applications(database: Database) -> Applications:
    return applications_on(database)


def value_of(value: Any) -> dict[str, Any]:
    """A Python value as OTLP has it in JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(member) for member in value]}}
    return {"stringValue": value}


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP has them in JSON."""
    return [{"key": key, "value": value_of(value)} for key, value in values.items()]


@dataclass
class SpanFactory:
    """Makes spans of one trace, each 1 ms after the one before."""

    trace: str
    made: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str, parent: str | None = None, milliseconds: float = 10, **more: Any) -> dict[str, Any]:
        """A span; `values` are its attributes, all else is taken as it is."""
        self.made += 1
        self.ids[name] = f"{self.trace}{self.made:014x}"
        start = NOW_NS - 60 * 10**9 + self.made * 10**6
        span = {
            "traceId": self.trace * 16,
            "spanId": self.ids[name],
            "name": name,
            "kind": 1,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + round(milliseconds * 10**6)),
            "attributes": attributes(more.pop("values", {})),
        }
        if parent is not None:
            span["parentSpanId"] = self.ids.get(parent, parent)
        return span | more
