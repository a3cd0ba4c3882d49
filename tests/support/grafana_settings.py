"""Spans and data sources for the tests of Grafana's link, and the pair's answers to a span with samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spanprofiles.linking.grafana import DataSource, DataSources, GrafanaLink, resolve
from spanprofiles.model import CPU, AttributeValue, Span, SpanKind, Trace

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "6605c7b08e715d6c"
START_MS = 1602637200000
RESOURCE: dict[str, AttributeValue] = {"service.name": "rides", "host.name": "h1"}
PYROSCOPE = {"uid": "pyroscope", "name": "Profiles", "type": "grafana-pyroscope-datasource"}
LOKI = {"uid": "loki", "name": "Logs", "type": "loki"}
TAGS = [{"key": "service.name", "value": "service_name"}]


def a_span(
    attributes: Mapping[str, AttributeValue] | None = None,
    resource: Mapping[str, AttributeValue] | None = None,
    *,
    profile_id: AttributeValue = SPAN_ID,
    **changes: Any,
) -> Span:
    own = dict(attributes or {})
    span = Span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        parent_id=None,
        name="operation",
        kind=SpanKind.SERVER,
        start_ns=START_MS * 10**6,
        end_ns=(START_MS + 1000) * 10**6,
        attributes=own if profile_id is None else {**own, "pyroscope.profile.id": profile_id},
        resource=RESOURCE if resource is None else resource,
    )
    return replace(span, **changes)


def settings(**changes: Any) -> dict[str, Any]:
    """`jsonData.tracesToProfiles` that works, with something changed; None leaves a key out."""
    working = {"datasourceUid": "pyroscope", "profileTypeId": CPU, "customQuery": False, "tags": TAGS}
    return {key: value for key, value in {**working, **changes}.items() if value is not None}


def tempo(traces_to_profiles: object = None, **changes: Any) -> dict[str, Any]:
    """A Tempo data source's JSON, as a provisioning file and Grafana's API have it."""
    data = {} if traces_to_profiles is None else {"tracesToProfiles": traces_to_profiles}
    return {"uid": "tempo", "name": "Traces", "type": "tempo", "jsonData": data, **changes}


def linked(
    traces_to_profiles: object, span: Span | None = None, others: Sequence[Mapping[str, Any]] = (PYROSCOPE, LOKI)
) -> GrafanaLink:
    """Resolve a span with such settings."""
    span = span or a_span()
    source = DataSource.of(tempo(traces_to_profiles))
    sources = DataSources([source, *(DataSource.of(other) for other in others)])
    return resolve(source, sources, span, Trace.of(span.trace_id, [span]))


def custom(query: str, span: Span | None = None, **changes: Any) -> GrafanaLink:
    """Resolve a span with a custom query."""
    return linked(settings(customQuery=True, query=query, **changes), span)


def selector(link: GrafanaLink) -> str:
    assert link.query is not None, link.explanation
    return link.query.label_selector
