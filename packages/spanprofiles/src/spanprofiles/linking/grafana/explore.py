"""Addresses of Grafana's Explore. Source: the ``panes`` parameter of Explore's addresses, schema version 1."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from spanprofiles.linking.grafana.datasource import DataSource
from spanprofiles.linking.grafana.outcome import SpanProfileQuery
from spanprofiles.model import Trace
from spanprofiles.model.margins import BUTTON_MARGIN_MS


def trace_url(grafana: str, source: DataSource, trace: Trace) -> str:
    """Return the address that shows a trace.

    Args:
        grafana: Grafana's address; empty gives a relative address.
        source: the Tempo data source to look with.
        trace: the trace.
    """
    query = {
        "refId": "A",
        "datasource": {"type": source.type, "uid": source.uid},
        "queryType": "traceql",
        "query": trace.trace_id,
    }
    starts = [span.start_ns for span in trace.spans] or [0]
    ends = [span.end_ns for span in trace.spans] or [0]
    first_ms, last_ms = min(starts) // 1_000_000, max(ends) // 1_000_000
    return _url(grafana, source.uid, query, first_ms - BUTTON_MARGIN_MS, last_ms + BUTTON_MARGIN_MS)


def profile_url(grafana: str, query: SpanProfileQuery) -> str:
    """Return the address that shows a span's profile: where the button leads.

    Args:
        grafana: Grafana's address; empty gives a relative address.
        query: what the button sends.
    """
    return _url(grafana, query.datasource_uid, query.target(), query.start_ms, query.end_ms)


def _url(grafana: str, uid: str, query: dict[str, Any], start_ms: int, end_ms: int) -> str:
    pane = {"datasource": uid, "queries": [query], "range": {"from": str(start_ms), "to": str(end_ms)}}
    panes = json.dumps({"a": pane}, separators=(",", ":"))
    return f"{grafana.rstrip('/')}/explore?schemaVersion=1&orgId=1&panes={quote(panes, safe='')}"
