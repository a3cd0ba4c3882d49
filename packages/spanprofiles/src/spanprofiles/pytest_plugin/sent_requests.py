"""Keeps what tests send to their apps in a file, which ``spanprofiles ab`` sends to two builds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests

from spanprofiles.experiment.request_list import ListedRequest

_OF_EACH_MESSAGE = {
    "accept", "accept-encoding", "baggage", "connection", "content-length", "host", "traceparent", "tracestate",
    "transfer-encoding", "user-agent",
}  # fmt: skip
_ADDED_TO = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def add_request(file: Path, request: requests.PreparedRequest) -> None:
    """Add a request to a file, as a line. The file is its owner's alone: a header may be a secret.

    Raises:
        pytest.UsageError: the file cannot be written.
    """
    body = request.body or b""
    if not isinstance(body, (str, bytes)):  # a stream has been read, and is gone
        return
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in request.headers.items()
        if name.lower() not in _OF_EACH_MESSAGE
    }
    content = body.encode() if isinstance(body, str) else body
    listed = ListedRequest(request.method or "GET", request.path_url, headers, content)
    try:
        with os.fdopen(os.open(file, _ADDED_TO, 0o600), "a", encoding="utf-8") as lines:
            lines.write(f"{listed.line}\n")
    except OSError as error:
        raise pytest.UsageError(f"the requests cannot be written to {file}: {error.strerror}") from error
