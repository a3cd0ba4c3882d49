"""Sends one finished span, as an app's exporter would: OTLP/HTTP with JSON (``POST /v1/traces``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spanprofiles.clients.http import DEFAULT_TIMEOUT_S, HttpClient
from spanprofiles.model import Credentials

_TRACES = "/v1/traces"
_INTERNAL = 1


@dataclass(frozen=True)
class SentSpan:
    """A span without a parent.

    Attributes:
        service: ``service.name``.
        name: the span's name.
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        start_ns: start, ns since the epoch.
        duration_ns: how long it lasted, ns.
        attributes: texts.
    """

    service: str
    name: str
    trace_id: str
    span_id: str
    start_ns: int
    duration_ns: int
    attributes: Mapping[str, str] = field(default_factory=dict)

    def send(
        self,
        otlp_http: str,
        credentials: Credentials | None = None,
        timeout_s: tuple[float, float] = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Send the span to an OTLP/HTTP receiver.

        Args:
            otlp_http: its address, without ``/v1/traces``.
            credentials: sent with the request.
            timeout_s: (connect, read), s.

        Raises:
            ClientError: the receiver did not answer, or refused it.
        """
        span = {
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "name": self.name,
            "kind": _INTERNAL,
            "startTimeUnixNano": str(self.start_ns),
            "endTimeUnixNano": str(self.start_ns + self.duration_ns),
            "attributes": [_text_attribute(key, value) for key, value in self.attributes.items()],
        }
        resource = {"attributes": [_text_attribute("service.name", self.service)]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
        receiver = HttpClient("the OTLP receiver", otlp_http, credentials, timeout_s)
        try:
            receiver.post_json(_TRACES, body)
        finally:
            receiver.close()


def _text_attribute(key: str, value: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": value}}
