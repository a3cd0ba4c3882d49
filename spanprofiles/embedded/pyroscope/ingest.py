"""`POST /ingest`: the older way in, which Go's client still takes.

Source: https://grafana.com/docs/pyroscope/latest/reference-server-api/#ingestion and the requests of pyroscope-go.
"""

from __future__ import annotations

import re
import time
from typing import Any

from werkzeug.wrappers import Request, Response

from spanprofiles.embedded.pyroscope import pprof
from spanprofiles.embedded.pyroscope.connect import ConnectError
from spanprofiles.embedded.pyroscope.labels import NAME, SERVICE, checked_labels
from spanprofiles.embedded.pyroscope.push import Pusher
from spanprofiles.embedded.web import BadBodyError, BodyTooLargeError, read_body

SERVICE_AND_LABELS = re.compile(r"([^{}]*)(?:\{(.*)\})?", re.DOTALL)
DIGITS = re.compile(r"[0-9]{1,20}")
MULTIPART = "multipart/form-data"
NO_JFR = (
    "JFR profiles, which Java's agent sends, are not taken by the embedded backend: use the backend `compose`,"
    " `containers`, `native` or `external`, which run a real Pyroscope"
)
METRICS = (
    ("cpu", "process_cpu"),
    ("alloc_", "memory"),
    ("inuse_", "memory"),
    ("mutex_", "mutex"),
    ("block_", "block"),
    ("goroutine", "goroutine"),
    # What Go's client calls the types of block and mutex profiles.
    ("contentions", "mutex"),
    ("delay", "mutex"),
)
DROPPED = frozenset({"__delta__"})


def parse_name(text: str) -> dict[str, str]:
    """The labels in `service{label=value,...}`.

    Raises:
        ConnectError: it is not of that form, or has no service.
    """
    match = SERVICE_AND_LABELS.fullmatch(text.strip())
    if match is None:
        raise ConnectError(f'name: "{text[:128]}" is not of the form service{{label=value}}')
    if not match[1].strip():
        raise ConnectError("name: service name is required")
    labels = {}
    for part in filter(None, (match[2] or "").split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ConnectError(f'name: "{part[:128]}" is not of the form label=value')
        labels[name.strip()] = value.strip().strip('"')
    labels.setdefault(SERVICE, match[1].strip())
    return labels


def metric_name(profile: Any) -> str:  # a Profile message
    """The profile's `__name__`, which this way of sending leaves to its sample types."""
    kinds = [profile.string_table[kind.type] for kind in profile.sample_type if kind.type < len(profile.string_table)]
    if "wall" in kinds:
        return "wall"
    for kind in kinds:
        if kind in {"space", "objects"}:
            return "memory"
        for part, metric in METRICS:
            if part in kind:
                return metric
    return kinds[-1] if kinds else "unknown"


def _start_ns(text: str | None) -> int:
    """The start of the window: s, ms or ns since the epoch; the present where it is none of them."""
    if not text or not DIGITS.fullmatch(text):
        return time.time_ns()
    number = int(text)
    for limit, size in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3)):
        if number < limit:
            return number * size
    return number


class Ingester:
    """Takes the requests of the older API."""

    def __init__(self, pusher: Pusher, body_limit: int) -> None:
        self._pusher = pusher
        self._body_limit = body_limit

    def ingest(self, request: Request) -> Response:
        """Take one profile; committed before it is answered."""
        try:
            self._take(request)
        except ConnectError as error:
            # What is unknown to the real server's Connect calls is a client's mistake here.
            failure = ConnectError(str(error)) if error.code == "unknown" else error
            return failure.response()
        except BodyTooLargeError as error:
            return Response(f"request body too large: {error}\n", 413, content_type="text/plain; charset=utf-8")
        except BadBodyError as error:
            return ConnectError(str(error)).response()
        return Response(b"", 200)

    def _take(self, request: Request) -> None:
        labels = parse_name(request.args.get("name", ""))
        format_name = request.args.get("format", "")
        if format_name == "jfr":
            raise ConnectError(NO_JFR)
        if format_name == "pprof" or (not format_name and request.mimetype == MULTIPART):
            raw = self._body(request)
        else:
            shown = format_name or "groups"
            raise ConnectError(f'format "{shown[:64]}" is not taken by the embedded backend, which takes pprof')
        if not raw:
            return
        profile, size = pprof.decode(raw)
        now_ns = time.time_ns()
        if profile.time_nanos < 365 * 24 * 3600 * 10**9:
            # Older clients leave the time out, or send it in microseconds.
            profile.time_nanos = max(0, min(_start_ns(request.args.get("from")), 2**63 - 1))
        labels = {name: value for name, value in labels.items() if name not in DROPPED}
        labels[NAME] = metric_name(profile)
        labels.setdefault("pyroscope_spy", request.args.get("spyName") or "unknown")
        checked = checked_labels(labels.items())
        pprof.check(profile, size, checked, now_ns)
        self._pusher.store(pprof.split(profile, checked, now_ns))

    def _body(self, request: Request) -> bytes:
        if request.mimetype != MULTIPART:
            return read_body(request, self._body_limit)
        request.max_content_length = self._body_limit
        request.max_form_memory_size = self._body_limit
        if "prev_profile" in request.files or "prev_profile" in request.form:
            raise ConnectError("unsupported client version: update github.com/grafana/pyroscope-go")
        part = request.files.get("profile")
        if part is not None:
            data: bytes = part.read(self._body_limit)
            return data
        if "profile" in request.form:
            return request.form["profile"].encode("latin-1", "replace")
        raise ConnectError('the multipart form has no part "profile"')
