"""Tempo and Pyroscope over HTTP: requests out, :mod:`spanprofiles.model` in."""

from __future__ import annotations

from spanprofiles.clients.errors import ClientError, RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.clients.http import HttpClient
from spanprofiles.clients.pyroscope import ProfileQuery, PyroscopeClient
from spanprofiles.clients.tempo import FoundSpan, FoundTrace, TempoClient

__all__ = [
    "ClientError",
    "FoundSpan",
    "FoundTrace",
    "HttpClient",
    "ProfileQuery",
    "PyroscopeClient",
    "RequestRefusedError",
    "ServerUnreachableError",
    "TempoClient",
    "UnexpectedAnswerError",
]
