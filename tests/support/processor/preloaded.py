"""A WSGI app for gunicorn's ``--preload``: everything happens at import, as in most apps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.support.processor.setup import ENOUGH, Setup
from tests.support.processor.work import WORK

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_setup = Setup(os.environ["PROCESSOR"], os.environ["PUSH_URL"], os.environ["SERVICE"])
_tracer = _setup.tracer()
_setup.start_agent()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do the work the path names, and answer with the span it was done in."""
    name = environ["PATH_INFO"].lstrip("/")
    start_response("200 OK", [("Content-Type", "application/json")])
    if not name:
        return [b"{}"]
    with _tracer.start_as_current_span(name) as span:
        WORK[name](ENOUGH)
        context = span.get_span_context()
        attributes = getattr(span, "attributes", {})
    told = {
        "name": name,
        "span_id": f"{context.span_id:016x}",
        "trace_id": f"{context.trace_id:032x}",
        "profile_id": attributes.get("pyroscope.profile.id"),
        "missing": attributes.get("pyroscope.profile.missing"),
    }
    return [json.dumps(told).encode()]
