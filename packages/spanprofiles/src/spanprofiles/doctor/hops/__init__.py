"""The hops, one module each: a name, and a judgement over facts that somebody else has gathered."""

from __future__ import annotations

from spanprofiles.doctor.hops import (
    clocks,
    grafana,
    link,
    own_id,
    probe,
    profile_id,
    profile_type,
    profiles,
    sample_labels,
    servers,
    service_name,
    single_span,
    traces,
    window,
)

__all__ = [
    "clocks",
    "grafana",
    "link",
    "own_id",
    "probe",
    "profile_id",
    "profile_type",
    "profiles",
    "sample_labels",
    "servers",
    "service_name",
    "single_span",
    "traces",
    "window",
]
