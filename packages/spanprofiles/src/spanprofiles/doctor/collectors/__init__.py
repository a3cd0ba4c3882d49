"""The doctor's eyes: all that it asks of the servers, brought to plain data (:mod:`spanprofiles.doctor.facts`)."""

from __future__ import annotations

from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.grafana import data_sources, grafana
from spanprofiles.doctor.collectors.links import links
from spanprofiles.doctor.collectors.profiles import exemplars, profiles, refused
from spanprofiles.doctor.collectors.servers import probe, servers
from spanprofiles.doctor.collectors.traces import traced_services, traces, wanted_trace, with_profiled
from spanprofiles.doctor.collectors.unlabelled import around_spans, unlabelled_functions

__all__ = [
    "Case",
    "around_spans",
    "data_sources",
    "exemplars",
    "grafana",
    "links",
    "probe",
    "profiles",
    "refused",
    "servers",
    "traced_services",
    "traces",
    "unlabelled_functions",
    "wanted_trace",
    "with_profiled",
]
