"""Uploads that reach nothing that would take them: the wrong port or path, the wrong protocol, no token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spanprofiles.embedded.refusals import Reason, Refusal, Refusals, Sender, Signal, Way

WAYS: tuple[tuple[str, Signal, Way], ...] = (
    ("/v1/traces", Signal.TRACES, Way.OTLP_HTTP),
    ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Signal.TRACES, Way.OTLP_GRPC),
    ("/push.v1.PusherService/Push", Signal.PROFILES, Way.PUSH),
    ("/ingest", Signal.PROFILES, Way.INGEST),
    ("/v1development/profiles", Signal.PROFILES, Way.OTLP_HTTP),
    (
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        Signal.PROFILES,
        Way.OTLP_GRPC,
    ),
)
OTHER_SIGNALS = ("/v1/metrics", "/v1/logs")
HTTP2 = "PRI"
UPLOADING = frozenset({"POST", "PUT", HTTP2})


def signal_of(path: str) -> tuple[Signal, Way] | None:
    """Tell what an upload to a path brings, and how; None for a path to which nothing is known to be sent."""
    return next(((signal, way) for end, signal, way in WAYS if path.rstrip("/").endswith(end)), None)


def sender_of(environ: Mapping[str, Any]) -> Sender:
    """Who sent a request."""
    agent = str(environ.get("HTTP_USER_AGENT", "")).encode("latin-1", "replace").decode("utf-8", "replace")
    return Sender(str(environ.get("REMOTE_ADDR", "")), agent)


def note_wrong_path(refusals: Refusals, environ: Mapping[str, Any], takes: str, usual: Signal | None = None) -> None:
    """Note an upload to a path that takes none.

    Args:
        refusals: where to.
        environ: the request.
        takes: what the port does take, for the message.
        usual: what uploads to this port bring where the path does not say; None where they are none.
    """
    method, path = str(environ.get("REQUEST_METHOD", "")), str(environ.get("PATH_INFO", ""))
    if method not in UPLOADING or path in OTHER_SIGNALS:
        return
    known = signal_of(path)
    signal = known[0] if known else usual
    if signal is None:
        return
    message = f"{method} {path}: {takes}"
    if method == HTTP2:
        message = f"this is HTTP/2, as gRPC speaks it, on a port for HTTP/1.1: {takes}"
    refusals.note(Refusal(signal, Way.ELSEWHERE, Reason.WRONG_PATH, message, sender_of(environ)))
