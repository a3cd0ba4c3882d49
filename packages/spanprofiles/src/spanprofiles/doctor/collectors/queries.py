"""Queries that several collectors make."""

from __future__ import annotations

from collections.abc import Iterable

from spanprofiles.clients import Refusal, RequestRefusedError, SpanExemplar
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.model import IdentifierError, Span, parse_span_id

_STEPS = 60


def known_services(case: Case) -> list[str]:
    """Return the services that Pyroscope has profiles of, without those of probes and health checks.

    Raises:
        ClientError: Pyroscope failed.
    """
    window = case.window()
    found = case.pyroscope.label_values("service_name", window.start_ms, window.end_ms)
    return [name for name in found if name not in CHECKING_SERVICES]


def exemplars(case: Case) -> tuple[SpanExemplar, ...] | None:
    """Return examples of spans with samples of the service; None where the server does not know the call."""
    first, last = case.question.window_s
    try:
        return tuple(case.pyroscope.span_exemplars(case.window(), max(1.0, (last - first) / _STEPS)))
    except RequestRefusedError:
        return None


def refused(case: Case) -> tuple[Refusal, ...]:
    """Return what Pyroscope says it refused in that time, or since it started; empty where it does not tell."""
    since_s, until_s = case.question.window_s
    return case.pyroscope.refusals(since_s, case.service, until_s)


def valid_ids(spans: Iterable[Span]) -> list[str]:
    """Return the profile IDs that Pyroscope accepts, those of spans that count for one of these among them."""
    return [found for span in spans for profile_id in span.profile_ids for found in _valid(profile_id)]


def own_ids(span: Span) -> list[str]:
    """Return the span's own profile ID, if Pyroscope accepts it."""
    return _valid(span.profile_id or "")


def _valid(profile_id: str) -> list[str]:
    try:
        return [parse_span_id(profile_id)]
    except IdentifierError:
        return []
