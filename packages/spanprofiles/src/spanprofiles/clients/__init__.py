"""Tempo and Pyroscope over HTTP: requests out, :mod:`spanprofiles.model` in."""

from __future__ import annotations

from spanprofiles.clients.errors import ClientError, RequestRefusedError, ServerUnreachableError, UnexpectedAnswerError
from spanprofiles.clients.http import HttpClient, plain_reason
from spanprofiles.clients.pyroscope import ProfileQuery, ProfileSeries, PyroscopeClient, SpanExemplar
from spanprofiles.clients.refusals import Refusal
from spanprofiles.clients.tempo import FoundSpan, FoundTrace, TempoClient

__all__ = [
    "ClientError",
    "FoundSpan",
    "FoundTrace",
    "HttpClient",
    "ProfileQuery",
    "ProfileSeries",
    "PyroscopeClient",
    "Refusal",
    "RequestRefusedError",
    "ServerUnreachableError",
    "SpanExemplar",
    "TempoClient",
    "UnexpectedAnswerError",
    "plain_reason",
]
