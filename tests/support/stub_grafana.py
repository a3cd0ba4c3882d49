"""Answers of Grafana's API, as its code and documentation say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spanprofiles.clients import PyroscopeClient, RequestRefusedError
from spanprofiles.linking.grafana import SpanProfileQuery, send
from spanprofiles.model import FlameGraph, Frame
from tests.unit.conftest import Answer, Respond, Seen

Ask = Callable[[SpanProfileQuery], FlameGraph]


def frame(flamegraph: FlameGraph, *, enum: bool = True) -> dict[str, Any]:
    """The data frame of a flame graph: rows in depth-first order, labels by their index."""
    rows: list[tuple[int, Frame]] = []
    pending = [(0, flamegraph.root)]
    while pending:
        level, box = pending.pop()
        rows.append((level, box))
        pending += [(level + 1, child) for child in reversed(box.children)]
    names = list(dict.fromkeys(box.name for _, box in rows))
    label: dict[str, Any] = {"name": "label", "type": "string"}
    if enum:
        label = {"name": "label", "type": "enum", "config": {"type": {"enum": {"text": names}}}}
    fields = [*({"name": name, "type": "number"} for name in ("level", "value", "self")), label]
    columns: list[list[Any]] = [
        [level for level, _ in rows],
        [box.total for _, box in rows],
        [box.self for _, box in rows],
        [names.index(box.name) if enum else box.name for _, box in rows],
    ]
    return {"schema": {"name": "response", "refId": "A", "fields": fields}, "data": {"values": columns}}


def grafana(data_sources: Sequence[Mapping[str, Any]], ask: Ask | None = None, *, to_a_viewer: bool = False) -> Respond:
    """Answer as a Grafana with these data sources; `ask` is what its Pyroscope data source does."""
    by_uid = {source["uid"]: source for source in data_sources}

    def respond(seen: Seen) -> Answer:
        if seen.path == "/api/health":
            return Answer.of({"database": "ok", "version": "13.1.0", "commit": "abc"})
        if seen.path == "/api/frontend/settings":
            built_in = {"-- Mixed --": {"type": "datasource", "name": "-- Mixed --", "meta": {"builtIn": True}}}
            return Answer.of({"datasources": built_in | {source["name"]: source for source in data_sources}})
        if seen.path == "/api/datasources" and to_a_viewer:
            return Answer.of({"message": "You'll need additional permissions: datasources:read"}, 403)
        if seen.path == "/api/datasources":
            return Answer.of(list(data_sources))
        if seen.path == "/api/ds/query" and ask is not None:
            return _queried(seen.json, ask)
        parts = seen.path.split("/")
        if parts[:4] == ["", "api", "datasources", "uid"] and parts[4] in by_uid:
            if parts[5:] == ["health"]:
                return Answer.of({"status": "OK", "message": "Data source is working"})
            return Answer.of(by_uid[parts[4]])
        return Answer.of({"message": "Data source not found"}, 404)

    return respond


def _queried(body: Mapping[str, Any], ask: Ask) -> Answer:
    results = {}
    for query in body["queries"]:
        asked = SpanProfileQuery(
            query["datasource"]["uid"],
            query["labelSelector"],
            tuple(query["spanSelector"]),
            query["profileTypeId"],
            int(body["from"]),
            int(body["to"]),
        )
        try:
            results[query["refId"]] = {"status": 200, "frames": [frame(ask(asked))]}
        except RequestRefusedError as error:
            return Answer.of({"results": {query["refId"]: {"status": 400, "error": error.answer, "frames": []}}}, 400)
    return Answer.of({"results": results})


def through(pyroscope: PyroscopeClient) -> Ask:
    """Ask a real server, as the data source does."""
    return lambda query: send(pyroscope, query)


def seconds_ago_ns(seconds: float) -> int:
    return time.time_ns() - int(seconds * 1e9)
