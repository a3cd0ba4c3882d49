"""Looks for profiles of the service, under its own name and under others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from spanprofiles.clients import Refusal, RequestRefusedError, SpanExemplar
from spanprofiles.clients.probe import CHECKING_SERVICES
from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.facts import ProfileFacts
from spanprofiles.model import CPU, IdentifierError, Span, label_selector, parse_span_id
from spanprofiles.model.profile_types import stand_ins
from spanprofiles.model.profilers import TELLING_LABELS

_NEWEST = 20
_EVERYTHING = "{}"
_NAMELESS = "(none)"
_STEPS = 60


def profiles(case: Case, carrying: Sequence[Span]) -> ProfileFacts:
    """Return what Pyroscope has of the service.

    Args:
        case: the question.
        carrying: the spans with a profile ID, newest first.

    Raises:
        ClientError: Pyroscope failed.
    """
    window = case.window()
    first, last = window.start_ms, window.end_ms
    services = tuple(known_services(case))
    all_types = tuple(case.pyroscope.profile_types(first, last))
    if case.service not in services:
        ids = valid_ids(carrying)[:_NEWEST]
        under = _found_under(case, services, all_types, ids)
        return ProfileFacts(services=services, all_types=all_types, found_under=under, refused=refused(case))
    known = ProfileFacts(
        services=services,
        series=tuple(case.pyroscope.series(first, last, [case.selector])),
        signs=tuple(case.pyroscope.series(first, last, [case.selector], TELLING_LABELS)),
        all_types=all_types,
    )
    return _with_types(case, known, valid_ids(carrying)[:_NEWEST])


def _with_types(case: Case, known: ProfileFacts, ids: Sequence[str]) -> ProfileFacts:
    """Add which type of profile is to be looked at: the one that carries the newest spans' IDs, if any does."""
    instead = stand_ins(known.types, case.profile_type) if case.profile_type == CPU else ()
    own = next((one for one in (case.profile_type, *instead) if _carries(case.of_type(one), ids)), "")
    looked_at = own or next((one for one in (case.profile_type, *instead) if one in known.types), case.profile_type)
    rest = [one for one in known.types if one not in {case.profile_type, *instead}]
    carried_by = [own] if own else [one for one in rest if _carries(case.of_type(one), ids)]
    return replace(
        known,
        own_found=bool(own),
        looked_at=looked_at,
        carried_by=tuple(one for one in carried_by if one != case.profile_type),
        newest_ms=_newest_ms(case.of_type(looked_at)),
        found_under=() if own else _found_under(case, known.services, known.all_types, ids),
        refused=() if own else refused(case),
    )


def _carries(case: Case, ids: Sequence[str]) -> bool:
    return bool(ids) and not case.pyroscope.span_profile(case.window(), ids).is_empty


def known_services(case: Case) -> list[str]:
    """Return the services that Pyroscope has profiles of, those of probes and health checks left out.

    Raises:
        ClientError: Pyroscope failed.
    """
    window = case.window()
    found = case.pyroscope.label_values("service_name", window.start_ms, window.end_ms)
    return [name for name in found if name not in CHECKING_SERVICES]


def _newest_ms(case: Case) -> int | None:
    totals = case.pyroscope.totals(case.window(), case.step_s)
    return max((date_ms for one in totals for date_ms, _ in one.points), default=None)


def _found_under(case: Case, services: Sequence[str], all_types: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Return the other services whose samples carry these IDs: halves of the services are asked, then their halves."""
    instead = stand_ins(all_types, case.profile_type) if case.profile_type == CPU else ()
    for one in (case.profile_type, *instead):
        asked = case.of_type(one)
        if ids and not case.pyroscope.span_profile(asked.window(_EVERYTHING), ids).is_empty:
            return _holding(asked, services, ids) or (_NAMELESS,)
    return ()


def _holding(case: Case, services: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    holding: list[str] = []
    pending = [[name for name in services if name != case.service]]
    while pending:
        names = pending.pop()
        if not names or case.pyroscope.span_profile(case.window(_any_of(names)), ids).is_empty:
            continue
        if len(names) == 1:
            holding += names
        else:
            pending += [names[: len(names) // 2], names[len(names) // 2 :]]
    return tuple(sorted(holding))


def _any_of(services: Sequence[str]) -> str:
    pattern = "|".join(re.escape(name) for name in services)
    return label_selector({"service_name": pattern}).replace("=", "=~", 1)


def exemplars(case: Case) -> tuple[SpanExemplar, ...] | None:
    """Return examples of spans that have samples of the service; None where the server does not know the call."""
    first, last = case.window_s
    try:
        return tuple(case.pyroscope.span_exemplars(case.window(), max(1.0, (last - first) / _STEPS)))
    except RequestRefusedError:
        return None


def refused(case: Case) -> tuple[Refusal, ...]:
    """Return what Pyroscope says that it refused in that time, or since it started; empty where it does not tell."""
    since_s, until_s = case.window_s
    return case.pyroscope.refusals(since_s, case.service, until_s)


def valid_ids(spans: Sequence[Span]) -> list[str]:
    """Return the profile IDs that Pyroscope can be asked for."""
    found = []
    for span in spans:
        try:
            found.append(parse_span_id(span.profile_id or ""))
        except IdentifierError:
            continue
    return found
