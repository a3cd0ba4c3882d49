"""Asks for profiles of the service, under its own name and under others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from spanprofiles.doctor.collectors.case import Case
from spanprofiles.doctor.collectors.queries import exemplars, known_services, refused, valid_ids
from spanprofiles.doctor.collectors.traces import with_profiled
from spanprofiles.doctor.collectors.unlabelled import around_spans
from spanprofiles.doctor.facts import Facts
from spanprofiles.doctor.observations import ProfileFacts
from spanprofiles.doctor.processes import DOTTED_ATTRIBUTES
from spanprofiles.doctor.uploads import USUAL_INTERVAL_S, is_overdue
from spanprofiles.model import CPU, Span, label_selector
from spanprofiles.model.profile_types import Kind, ProfileType, stand_ins
from spanprofiles.model.profilers import TELLING_LABELS

_NEWEST = 20
_EVERYTHING = "{}"
_NAMELESS = "(none)"


def collect_profiles(case: Case, facts: Facts) -> Facts:
    """Add the service's profiles; where no sample carries the newest spans' IDs, also what is there instead.

    Raises:
        ClientError: a server failed.
    """
    found = _profiles(case, facts.roots.carrying)
    facts = replace(facts, profiles=found)
    if facts.traces is None or found.newest_ms is None or found.own_found:
        return facts
    case = case.looking_at(found)
    seen = exemplars(case) or ()
    traces = with_profiled(case, facts.traces, seen)
    found = replace(found, labelled=bool(seen))
    if not seen:  # does the agent run in the spans' process?
        question = facts.question
        overdue = [span for span in facts.roots.spans if is_overdue(span, question.now_ns, question.upload_interval_s)]
        interval_s = question.upload_interval_s or USUAL_INTERVAL_S
        # a process that waits has wall time, and next to no CPU
        wall = next((name for name in found.types if ProfileType.of(name).kind is Kind.WALL), found.looked_at)
        found = replace(found, around=around_spans(case.of_type(wall), overdue, interval_s))
    return replace(facts, traces=traces, profiles=found)


def _profiles(case: Case, carrying: Sequence[Span]) -> ProfileFacts:
    """Return the service's profiles, given the spans with a profile ID, the newest first."""
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
        signs=tuple(case.pyroscope.series(first, last, [case.selector], (*TELLING_LABELS, *DOTTED_ATTRIBUTES))),
        all_types=all_types,
    )
    return _with_types(case, known, valid_ids(carrying)[:_NEWEST])


def _with_types(case: Case, known: ProfileFacts, ids: Sequence[str]) -> ProfileFacts:
    """Add the type of profile to look at: the one that carries the newest spans' IDs, if any does."""
    instead = stand_ins(known.types, case.profile_type) if case.profile_type == CPU else ()
    wanted = (case.profile_type, *instead)
    own = next((name for name in wanted if _carries(case.of_type(name), ids)), "")
    looked_at = own or next((name for name in wanted if name in known.types), case.profile_type)
    rest = [name for name in known.types if name not in wanted]
    carried_by = [own] if own else [name for name in rest if _carries(case.of_type(name), ids)]
    return replace(
        known,
        own_found=bool(own),
        looked_at=looked_at,
        carried_by=tuple(name for name in carried_by if name != case.profile_type),
        newest_ms=_newest_ms(case.of_type(looked_at)),
        found_under=() if own else _found_under(case, known.services, known.all_types, ids),
        refused=() if own else refused(case),
    )


def _carries(case: Case, ids: Sequence[str]) -> bool:
    return bool(ids) and not case.pyroscope.span_profile(case.window(), ids).is_empty


def _newest_ms(case: Case) -> int | None:
    totals = case.pyroscope.totals(case.window(), case.question.step_s)
    return max((date_ms for series in totals for date_ms, _ in series.points), default=None)


def _found_under(case: Case, services: Sequence[str], all_types: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Return the other services whose samples carry these IDs, found by bisection."""
    instead = stand_ins(all_types, case.profile_type) if case.profile_type == CPU else ()
    for profile_type in (case.profile_type, *instead):
        asked = case.of_type(profile_type)
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
