"""Sends one synthetic span and one synthetic profile, as an app and its agent would: the doctor's probe.

Sources: OTLP/HTTP with JSON (``POST /v1/traces``), Pyroscope's push API as Connect JSON
(``POST /push.v1.PusherService/Push``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spanprofiles.clients.sent_span import SentSpan
from spanprofiles.model import PROFILE_ID_ATTRIBUTE, Credentials, FlameGraph
from spanprofiles.model.pprof import pprof_profile

if TYPE_CHECKING:
    from spanprofiles.clients.pyroscope import PyroscopeClient

#: The service name under which probes are sent, so that they stand in nobody's way.
PROBE_SERVICE = "spanprofiles-probe"

#: The service name under which learners of the workshop report how far they are.
WORKSHOP_SERVICE = "spanprofiles-workshop"

#: The service names under which nobody's requests come: these two, and that of the demo's health checks.
CHECKING_SERVICES = frozenset({PROBE_SERVICE, WORKSHOP_SERVICE, "health-check"})

#: The only function in a probe's profile.
PROBE_FUNCTION = "spanprofiles_probe"

_DURATION_NS = 10_000_000


@dataclass(frozen=True)
class Probe:
    """One span, and the profile of it.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits; the profile ID as well.
        time_ns: start of the span and date of the profile, ns since the epoch.
    """

    trace_id: str
    span_id: str
    time_ns: int

    def push_profile(self, pyroscope: PyroscopeClient) -> None:
        """Push the profile to Pyroscope.

        Raises:
            ClientError: the server did not answer, or refused the push.
        """
        labels = {"span_id": self.span_id, "trace_id": self.trace_id}
        work = FlameGraph([((PROBE_FUNCTION,), _DURATION_NS)])
        profile = pprof_profile(work, time_ns=self.time_ns, duration_ns=_DURATION_NS, labels=labels)
        pyroscope.push({"__name__": "process_cpu", "service_name": PROBE_SERVICE}, profile)

    def send_span(self, otlp_http: str, credentials: Credentials | None = None) -> None:
        """Send the span to an OTLP/HTTP receiver.

        Args:
            otlp_http: its address, without ``/v1/traces``.
            credentials: sent with the request.

        Raises:
            ClientError: the receiver did not answer, or refused it.
        """
        attributes = {PROFILE_ID_ATTRIBUTE: self.span_id}
        span = SentSpan(PROBE_SERVICE, "probe", self.trace_id, self.span_id, self.time_ns, _DURATION_NS, attributes)
        span.send(otlp_http, credentials)
