"""Grafana's link from a span to its profile, resolved without a Grafana.

For a data source's JSON (from a provisioning file or from Grafana's API) and a span: whether the span's details show
the button "Profiles for this span", and if not, why; the exact query it sends; what is doubtful about it. Then the
query can be sent to the backend itself.
"""

from __future__ import annotations

from spanprofiles.linking.grafana.datasource import (
    PYROSCOPE_TYPE,
    TEMPO_TYPE,
    DataSource,
    DataSources,
)
from spanprofiles.linking.grafana.explore import profile_url, trace_url
from spanprofiles.linking.grafana.linker import Answer, GrafanaLinker, NoButtonError, send, settled
from spanprofiles.linking.grafana.outcome import Doubt, GrafanaLink, LinkWarning, NoButton, SpanProfileQuery
from spanprofiles.linking.grafana.provisioning import read_data_sources
from spanprofiles.linking.grafana.resolution import resolve, resolve_trace
from spanprofiles.linking.grafana.settings import SettingsError, Tag, TraceToProfiles

__all__ = [
    "PYROSCOPE_TYPE",
    "TEMPO_TYPE",
    "Answer",
    "DataSource",
    "DataSources",
    "Doubt",
    "GrafanaLink",
    "GrafanaLinker",
    "LinkWarning",
    "NoButton",
    "NoButtonError",
    "SettingsError",
    "SpanProfileQuery",
    "Tag",
    "TraceToProfiles",
    "profile_url",
    "read_data_sources",
    "resolve",
    "resolve_trace",
    "send",
    "settled",
    "trace_url",
]
