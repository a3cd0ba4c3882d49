"""The same span in Grafana, where there is one."""

from __future__ import annotations

from spanprofiles.linking import Linker
from spanprofiles.linking.grafana import SpanProfileQuery, profile_url
from spanprofiles.model import Endpoints, Span

#: The UID of the provisioned Pyroscope data source.
DATASOURCE_UID = "pyroscope"


def grafana_address(endpoints: Endpoints, span: Span, linker: Linker, profile_type: str) -> str:
    """Return the address of Grafana's Explore with the span's profile of a type; empty where there is no Grafana."""
    if not endpoints.grafana or not span.profile_id:
        return ""
    query = linker.query(span)
    sent = SpanProfileQuery(
        datasource_uid=DATASOURCE_UID,
        label_selector=query.selector,
        span_selector=(span.profile_id,),
        profile_type=profile_type,
        start_ms=query.start_ms,
        end_ms=query.end_ms,
    )
    return profile_url(endpoints.grafana, sent)
