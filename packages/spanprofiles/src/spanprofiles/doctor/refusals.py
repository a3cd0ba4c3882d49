"""What to do about uploads that a server refuses, by the server's name for the reason."""

from __future__ import annotations

from collections.abc import Iterable

from spanprofiles.clients import Refusal

_ADVICE = {
    "unsupported_content_encoding": "compress in a way that the server accepts: OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
    "damaged_compression": "the body is not what its Content-Encoding says: check what is between app and server",
    "unsupported_media_type": "send protobuf or JSON: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    "wrong_path": (
        "correct the address: /v1/traces is added to OTEL_EXPORTER_OTLP_ENDPOINT, and not to"
        " OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; gRPC and HTTP each have their own port"
    ),
    "unauthorized": (
        "send the token: OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN for spans, the agent's basic auth for"
        " profiles"
    ),
    "host_not_allowed": (
        "send to 127.0.0.1 or localhost, or start the server with --allow-host and the name that is in the address"
    ),
    "page_of_another_site": "a web page sends this: let the page's own server forward it, without Origin",
    "overloaded": "the server is busy with large uploads: send smaller batches",
    "too_many_messages": "an upload has too much in it: send smaller batches, and more often",
    "invalid_trace_id": "trace IDs have 16 bytes, not all of them zero: look at what makes or rewrites them",
    "invalid_span_id": "span IDs have 8 bytes: look at what makes or rewrites them",
    "not_in_ingestion_window": "correct the sender's clock: profiles dated an hour ago, or in the future, are refused",
    "sample_labels_limit": "a sample has over 100 labels: they pile up on a thread and are never removed",
    "max_label_names_per_series": "give the agent fewer tags",
    "profile_size_limit": "profiles are too large: upload more often, or upload fewer types",
    "samples_limit": "profiles have too many stacks: upload more often",
    "frames_limit": "profiles have too many frames, inlined ones among them: upload more often",
    "series_limit": "labels have too many different values, and each set of labels is a series: use fewer",
    "body_size_limit_exceeded": "uploads are too large: send smaller batches, and more often",
    "not_stored": "the server could not write: look at its disk and at its log",
    "rate_limited": "the server accepts no more per second: raise its limit, or send less",
    "invalid_name": "correct the application's name: letters, digits, dots, dashes and slashes; no dashes in tags",
    "unsupported_format": "send pprof, or use a backend that accepts this format",
}


def with_refusals(refused: Iterable[Refusal], advice: str) -> str:
    """Prepend what to do about the first refusal with a known reason to other advice."""
    known = next((_ADVICE[refusal.reason] for refusal in refused if refusal.reason in _ADVICE), "")
    return "; ".join(filter(None, (known, advice)))
