"""The hops, one module each, in the order from the request to the flame graph."""

from __future__ import annotations

from spanprofiles.doctor.hop import Hop
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

#: The order in which the doctor looks at the hops. It stops at the first broken one.
ORDER: tuple[Hop, ...] = (
    servers.HOP,
    probe.HOP,
    traces.HOP,
    profiles.HOP,
    service_name.HOP,
    profile_type.HOP,
    profile_id.HOP,
    own_id.HOP,
    sample_labels.HOP,
    single_span.HOP,
    link.HOP,
    clocks.HOP,
    window.HOP,
    grafana.HOP,
)

__all__ = ["ORDER"]
