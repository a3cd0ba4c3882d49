"""The doctor's eyes: all that it asks of the servers, brought to plain data (:mod:`spanprofiles.doctor.facts`)."""

from __future__ import annotations

from spanprofiles.doctor.gathering.case import Case
from spanprofiles.doctor.gathering.grafana import data_sources, grafana
from spanprofiles.doctor.gathering.links import links
from spanprofiles.doctor.gathering.profiles import exemplars, profiles, refused
from spanprofiles.doctor.gathering.servers import probe, servers
from spanprofiles.doctor.gathering.traces import traced_services, traces, wanted_trace, with_profiled
from spanprofiles.doctor.gathering.unlabelled import around_spans, unlabelled_functions

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
